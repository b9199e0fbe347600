using CsCheck;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class TopKSelectTests
{
    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(TopKSelect.Kernels);

    /// <summary>How the scores of one row are drawn.</summary>
    public enum Scores
    {
        Uniform,
        Gaussian,
        FewLevels,
        TwoExtremes,
        SaturatedTop,
        AllLowest,
        AllHighest,
        Rising,
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_length_up_to_three_words_every_kind_of_scores(InstructionSet set)
    {
        var random = new Random(1);
        for (int n = 1; n <= 200; n += n < 70 ? 1 : 13)
        {
            foreach (Scores kind in Enum.GetValues<Scores>())
            {
                sbyte[] scores = Draw(random, kind, n);
                foreach (int keep in new[] { 1, (n / 5) + 1, random.Next(1, n + 1), n })
                {
                    Check(set, scores, keep, random.Next(-128, 128), GuardPlacement.After);
                }

                Check(set, scores, random.Next(1, n + 1), 127, GuardPlacement.Before);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Rows_longer_than_narrow_counters_hold(InstructionSet set)
    {
        var random = new Random(2);
        foreach (int n in new[] { 8161, 16_352, 40_003 })
        {
            foreach (Scores kind in new[] { Scores.Uniform, Scores.AllHighest, Scores.AllLowest, Scores.TwoExtremes })
            {
                Check(set, Draw(random, kind, n), random.Next(1, n + 1), 0, GuardPlacement.After);
            }
        }

        Check(set, Draw(random, Scores.AllHighest, 1_100_000), 1_000_000, -5, GuardPlacement.After);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void No_guess_changes_the_result(InstructionSet set)
    {
        var random = new Random(3);
        foreach (Scores kind in new[] { Scores.Gaussian, Scores.FewLevels, Scores.TwoExtremes })
        {
            sbyte[] scores = Draw(random, kind, 150);
            for (int guess = -128; guess < 128; guess++)
            {
                Check(set, scores, 30, guess, GuardPlacement.After);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Any_scores(InstructionSet set) =>
        Gen.Select(Gen.SByte.Array[1, 300], Gen.Double[0, 1], Gen.Int[-128, 127])
            .Sample((scores, share, guess) => Check(set, scores, 1 + (int)(share * (scores.Length - 1)), guess, GuardPlacement.After), iter: 100);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Split_lists_every_bit_once_and_in_order(InstructionSet set)
    {
        var random = new Random(4);
        foreach (int words in new[] { 0, 1, 2, 3, 9, 40 })
        {
            foreach ((double density, double same) in new[] { (0.0, 0.0), (0.02, 0.5), (0.2, 0.8), (0.5, 0.0), (0.9, 0.5), (1.0, 1.0) })
            {
                ulong[] mask0 = new ulong[words];
                ulong[] mask1 = new ulong[words];
                for (int i = 0; i < words * 64; i++)
                {
                    bool bit0 = random.NextDouble() < density;
                    bool bit1 = random.NextDouble() < same ? bit0 : random.NextDouble() < density;
                    mask0[i / 64] |= bit0 ? 1UL << (i % 64) : 0;
                    mask1[i / 64] |= bit1 ? 1UL << (i % 64) : 0;
                }

                CheckSplit(set, mask0, mask1, GuardPlacement.After);
                CheckSplit(set, mask1, mask0, GuardPlacement.Before);
                CheckSplit(set, mask0, mask0, GuardPlacement.After);
                CheckSplit(set, mask0, new ulong[words], GuardPlacement.After);
            }
        }
    }

    [Fact]
    public void The_span_forms_check_their_arguments()
    {
        ulong[] mask = new ulong[1];
        TopKResult result = TopKSelect.Select([3, 1, 3, 2], 2, mask, guess: 1000);
        Assert.Equal(0b0101UL, mask[0]);
        Assert.Equal((3, 0, 2), (result.Threshold, result.Above, result.Ties));
        Assert.Throws<ArgumentOutOfRangeException>(() => TopKSelect.Select([1], 0, new ulong[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => TopKSelect.Select([1], 2, new ulong[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => TopKSelect.Select([], 1, new ulong[1]));
        Assert.Throws<ArgumentException>(() => TopKSelect.Select(new sbyte[65], 1, new ulong[1]));

        int[] both = new int[1 + TopKSelect.ListSlack];
        int[] first = new int[1 + TopKSelect.ListSlack];
        int[] second = new int[1 + TopKSelect.ListSlack];
        SplitCounts counts = TopKSelect.Split([0b011], [0b101], both, first, second);
        Assert.Equal((1, 1, 1), (counts.Both, counts.First, counts.Second));
        Assert.Equal((0, 1, 2), (both[0], first[0], second[0]));
        Assert.Throws<ArgumentException>(() => TopKSelect.Split([1], [1, 1], both, first, second));
        Assert.Throws<ArgumentException>(() => TopKSelect.Split([3], [3], both, first, second));
        Assert.Throws<ArgumentException>(() => TopKSelect.Split([3], [0], both, first, second));
        Assert.Throws<ArgumentException>(() => TopKSelect.Split([0], [3], both, first, second));
    }

    private static void Check(InstructionSet set, sbyte[] values, int keep, int guess, GuardPlacement placement)
    {
        int n = values.Length;
        using var scores = new GuardedArray<sbyte>(values, placement);
        using var mask = new GuardedArray<ulong>((n + 63) / 64, placement);
        mask.Span.Fill(0xA5A5A5A5A5A5A5A5);
        TopKResult result;
        KernelVariants.Kernel(TopKSelect.Kernels, set).Select(scores.Pointer, n, keep, guess, mask.Pointer, &result);

        int[] levels = new int[256];
        foreach (sbyte score in values)
        {
            levels[score + 128]++;
        }

        int threshold = 127;
        int above = 0;
        for (; above + levels[threshold + 128] < keep; threshold--)
        {
            above += levels[threshold + 128];
        }

        ulong[] expected = new ulong[mask.Length];
        int ties = keep - above;
        for (int i = n - 1; i >= 0; i--)
        {
            if (values[i] > threshold || (values[i] == threshold && ties-- > 0))
            {
                expected[i / 64] |= 1UL << (i % 64);
            }
        }

        string what = $"n {n}, keep {keep}, guess {guess}";
        Assert.True(mask.Span.SequenceEqual(expected), what);
        Assert.True(threshold == result.Threshold, $"{what}: threshold {result.Threshold}, not {threshold}");
        Assert.Equal(above, result.Above);
        Assert.Equal(levels[threshold + 128], result.Ties);
    }

    private static void CheckSplit(InstructionSet set, ulong[] bits0, ulong[] bits1, GuardPlacement placement)
    {
        var expected = new List<int>[] { [], [], [] };
        for (int i = 0; i < bits0.Length * 64; i++)
        {
            bool in0 = (bits0[i / 64] >> (i % 64) & 1) != 0;
            bool in1 = (bits1[i / 64] >> (i % 64) & 1) != 0;
            if (in0 || in1)
            {
                expected[in0 && in1 ? 0 : in0 ? 1 : 2].Add(i);
            }
        }

        using var mask0 = new GuardedArray<ulong>(bits0, placement);
        using var mask1 = new GuardedArray<ulong>(bits1, placement);
        using var both = new GuardedArray<int>(expected[0].Count + TopKSelect.ListSlack, placement);
        using var first = new GuardedArray<int>(expected[1].Count + TopKSelect.ListSlack, placement);
        using var second = new GuardedArray<int>(expected[2].Count + TopKSelect.ListSlack, placement);
        SplitCounts counts;
        KernelVariants.Kernel(TopKSelect.Kernels, set).Split(
            mask0.Pointer, mask1.Pointer, bits0.Length, both.Pointer, first.Pointer, second.Pointer, &counts);
        Assert.Equal(expected[0], both.Span[..counts.Both].ToArray());
        Assert.Equal(expected[1], first.Span[..counts.First].ToArray());
        Assert.Equal(expected[2], second.Span[..counts.Second].ToArray());
    }

    private static sbyte[] Draw(Random random, Scores kind, int n)
    {
        sbyte[] scores = new sbyte[n];
        for (int i = 0; i < n; i++)
        {
            scores[i] = kind switch
            {
                Scores.Uniform => (sbyte)random.Next(-128, 128),
                Scores.Gaussian => (sbyte)Math.Clamp(42 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                    * Math.Cos(2 * Math.PI * random.NextDouble()), -128, 127),
                Scores.FewLevels => (sbyte)random.Next(-2, 2),
                Scores.TwoExtremes => random.Next(2) == 0 ? sbyte.MinValue : sbyte.MaxValue,
                Scores.SaturatedTop => random.Next(3) == 0 ? sbyte.MaxValue : (sbyte)random.Next(110, 128),
                Scores.AllLowest => sbyte.MinValue,
                Scores.AllHighest => sbyte.MaxValue,
                _ => (sbyte)((i % 256) - 128),
            };
        }

        return scores;
    }
}
