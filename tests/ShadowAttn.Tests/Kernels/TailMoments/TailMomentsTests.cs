using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class TailMomentsTests
{
    private static readonly float[] Steps = [0, 1e-4f, 0.01f, 0.0625f, 0.1f, 0.35f, 0.7f, 1.5f, 5, 60];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(TailMoments.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_length_and_step_equals_the_formula(InstructionSet set)
    {
        var random = new Random(2);
        for (int n = 1; n <= 260; n += n < 70 ? 1 : 19)
        {
            sbyte[] scores = [.. Enumerable.Range(0, n).Select(_ => (sbyte)random.Next(-128, 128))];
            int threshold = random.Next(-128, 128);
            Check(set, scores, threshold, Steps[n % Steps.Length], n % 2 == 0 ? GuardPlacement.After : GuardPlacement.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Long_rows_do_not_overflow(InstructionSet set)
    {
        sbyte[] scores = new sbyte[140_001];
        scores.AsSpan().Fill(-128);
        scores[77] = 127;
        foreach (float step in new[] { 0, 0.01f, 0.1f })
        {
            Check(set, scores, -128, step, GuardPlacement.After);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Gaussian_scores_and_kept_keys_below_the_reference(InstructionSet set)
    {
        var random = new Random(4);
        sbyte[] scores = [.. Enumerable.Range(0, 1500).Select(_ => (sbyte)Math.Clamp(
            42 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()), -128, 127))];
        int[] sinks = [0, 1, 2, 3, 700, 1490, 1499];
        foreach (float step in new[] { 0.02f, 0.03f, 0.04f, 0.07f, 0.11f, 0.3f, 0.59f })
        {
            foreach (int reference in new[] { 127, 36, 0, -100 })
            {
                Check(set, scores, reference, step, GuardPlacement.After);
                Check(set, scores, reference, step, GuardPlacement.After, sinks);
            }
        }
    }

    [Fact]
    public void The_span_form_checks_its_arguments()
    {
        TailMomentSums sums = TailMoments.Sum([5, 9, 3], [0b010], 5, 0.5f);
        Assert.Equal(1 + Math.Exp(-1), sums.Mass, 1e-4);
        Assert.Equal(2 * Math.Exp(-1), sums.Distance, 1e-4);
        Assert.Equal((17, 115), (sums.Scores, sums.Squares));
        Assert.Throws<ArgumentException>(() => TailMoments.Sum(new sbyte[65], new ulong[1], 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TailMoments.Sum(new sbyte[1], new ulong[1], 0, -1));
    }

    private static void Check(InstructionSet set, sbyte[] values, int reference, float step, GuardPlacement placement, params int[] alwaysKept)
    {
        ulong[] bits = new ulong[(values.Length + 63) / 64];
        double mass = 0;
        double distance = 0;
        long total = 0;
        long squares = 0;
        for (int i = 0; i < values.Length; i++)
        {
            int e = reference - values[i];
            total += values[i];
            squares += values[i] * values[i];
            if (e < 0 || (e == 0 && i % 3 == 0) || alwaysKept.Contains(i))
            {
                bits[i / 64] |= 1UL << (i % 64);
            }
            else
            {
                mass += Math.Exp(-(double)step * e);
                distance += e * Math.Exp(-(double)step * e);
            }
        }

        using var scores = new GuardedArray<sbyte>(values, placement);
        using var mask = new GuardedArray<ulong>(bits, placement);
        TailMomentSums sums;
        KernelVariants.Kernel(TailMoments.Kernels, set).Sum(scores.Pointer, mask.Pointer, values.Length, reference, step, &sums);
        Assert.Equal(total, sums.Scores);
        Assert.Equal(squares, sums.Squares);

        // Weights below the smallest normal number may be flushed.
        double flushed = values.Length * 255 * 1.2e-38;
        Assert.True(Math.Abs(sums.Mass - mass) <= (1e-3 * mass) + flushed, $"n {values.Length}, step {step}: mass {sums.Mass}, not {mass}");
        Assert.True(
            Math.Abs(sums.Distance - distance) <= (1e-3 * distance) + flushed, $"n {values.Length}, step {step}: distance {sums.Distance}, not {distance}");
    }
}
