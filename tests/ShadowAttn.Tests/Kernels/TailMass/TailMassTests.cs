using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class TailMassTests
{
    private static readonly float[] Steps = [0, 1e-4f, 1e-3f, 0.01f, 0.03f, 0.0625f, 0.09f, 0.1f, 0.2f, 0.35f, 0.5f, 0.7f, 1, 1.5f, 2, 3, 5, 12, 60];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(TailMass.Kernels);

    [Fact]
    public void Scalar_equals_the_formula()
    {
        var random = new Random(1);
        foreach (float step in Steps)
        {
            for (int n = 1; n <= 300; n += 23)
            {
                sbyte[] scores = Uniform(random, n, -128, 128);
                ulong[] mask = Above(scores, 50);
                Check(InstructionSet.Scalar, scores, mask, 50, step, 2e-6, GuardPlacement.After);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_length_and_step(InstructionSet set)
    {
        var random = new Random(2);
        for (int n = 1; n <= 200; n += n < 70 ? 1 : 13)
        {
            sbyte[] scores = Uniform(random, n, -128, 128);
            int threshold = random.Next(-128, 128);
            ulong[] mask = Above(scores, threshold);
            Check(set, scores, mask, threshold, Steps[n % Steps.Length], 1e-3, n % 2 == 0 ? GuardPlacement.After : GuardPlacement.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Long_rows_of_gaussian_scores(InstructionSet set)
    {
        var random = new Random(3);
        sbyte[] scores = Gaussian(random, 5000, 42);
        foreach (float step in Steps)
        {
            foreach (int threshold in new[] { 127, 36, 0, -60, -128 })
            {
                Check(set, scores, Above(scores, threshold), threshold, step, 1e-3, GuardPlacement.After);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void All_mass_far_below_the_reference(InstructionSet set)
    {
        var random = new Random(4);
        foreach (float step in Steps)
        {
            foreach ((int low, int high) in new[] { (-128, -127), (-128, -100), (-20, -10), (100, 127) })
            {
                sbyte[] scores = Uniform(random, 700, low, high);
                Check(set, scores, new ulong[11], 127, step, 1e-3, GuardPlacement.After);

                scores[random.Next(700)] = 127;
                Check(set, scores, new ulong[11], 127, step, 1e-3, GuardPlacement.After);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Many_equal_keys_add_up(InstructionSet set)
    {
        sbyte[] scores = new sbyte[200_001];
        scores.AsSpan().Fill(-3);
        Check(set, scores, new ulong[(scores.Length + 63) / 64], 0, 0.1f, 1e-4, GuardPlacement.After);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Kept_keys_carry_nothing(InstructionSet set)
    {
        sbyte[] scores = Uniform(new Random(5), 333, -128, 128);
        ulong[] mask = new ulong[6];
        mask.AsSpan().Fill(ulong.MaxValue);
        fixed (sbyte* ps = scores)
        fixed (ulong* pm = mask)
        {
            TailMassKernel kernel = KernelVariants.Kernel(TailMass.Kernels, set);
            foreach (float step in Steps)
            {
                Assert.Equal(0, kernel.Sum(ps, pm, scores.Length, 127, step));
                Assert.Equal(0, kernel.Sum(ps, pm, scores.Length, -128, step));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Kept_keys_below_the_reference_carry_nothing(InstructionSet set)
    {
        var random = new Random(6);
        foreach (float step in Steps)
        {
            foreach (int reference in new[] { 127, 20, -90 })
            {
                sbyte[] scores = Gaussian(random, 700, 42);
                ulong[] mask = Above(scores, reference);
                mask[0] |= 0xF;
                mask[5] |= (ulong)random.NextInt64();
                mask[10] |= ulong.MaxValue >> 8;
                Check(set, scores, mask, reference, step, 1e-3, GuardPlacement.After);
            }
        }
    }

    [Fact]
    public void The_span_form_checks_its_arguments()
    {
        Assert.Equal(1 + Math.Exp(-1), TailMass.Sum([5, 9, 3], [0b010], 5, 0.5f), 1e-4);
        Assert.Throws<ArgumentException>(() => TailMass.Sum(new sbyte[65], new ulong[1], 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TailMass.Sum(new sbyte[1], new ulong[1], 0, -1));
    }

    private static void Check(
        InstructionSet set, sbyte[] values, ulong[] bits, int reference, float step, double tolerance, GuardPlacement placement)
    {
        using var scores = new GuardedArray<sbyte>(values, placement);
        using var mask = new GuardedArray<ulong>(bits, placement);
        float sum = KernelVariants.Kernel(TailMass.Kernels, set).Sum(scores.Pointer, mask.Pointer, values.Length, reference, step);

        double exact = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if ((bits[i / 64] >> (i % 64) & 1) == 0)
            {
                exact += Math.Exp((double)step * (values[i] - reference));
            }
        }

        // Weights below the smallest normal number may be flushed.
        double flushed = values.Length * 1.2e-38;
        Assert.True(Math.Abs(sum - exact) <= (tolerance * exact) + flushed,
            $"n {values.Length}, reference {reference}, step {step}: {sum}, not {exact}");
    }

    private static ulong[] Above(sbyte[] scores, int threshold)
    {
        ulong[] mask = new ulong[(scores.Length + 63) / 64];
        for (int i = 0; i < scores.Length; i++)
        {
            mask[i / 64] |= scores[i] > threshold || (scores[i] == threshold && i % 3 == 0) ? 1UL << (i % 64) : 0;
        }

        return mask;
    }

    private static sbyte[] Uniform(Random random, int n, int low, int high)
    {
        sbyte[] scores = new sbyte[n];
        for (int i = 0; i < n; i++)
        {
            scores[i] = (sbyte)random.Next(low, high);
        }

        return scores;
    }

    private static sbyte[] Gaussian(Random random, int n, double sigma)
    {
        sbyte[] scores = new sbyte[n];
        for (int i = 0; i < n; i++)
        {
            scores[i] = (sbyte)Math.Clamp(
                sigma * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()), -128, 127);
        }

        return scores;
    }
}
