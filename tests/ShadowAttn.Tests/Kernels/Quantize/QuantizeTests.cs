using CsCheck;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class QuantizeTests
{
    private static readonly int[] Dims = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 80, 96, 100, 128, 160, 256, 300];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(Quantize.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Keys_of_every_dim(InstructionSet set)
    {
        foreach (int dim in Dims)
        {
            CheckKeys(set, 5, dim, dim, dim, withMean: true, withSums: true, GuardPlacement.After);
            CheckKeys(set, 3, dim, dim + 3, dim + 1, withMean: false, withSums: false, GuardPlacement.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Keys_of_any_shape(InstructionSet set) =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 150], Gen.Int[0, 9], Gen.Int[0, 9], Gen.Bool, Gen.Bool).Sample(
            (keys, dim, gap, gap8, withMean, withSums) => CheckKeys(
                set, keys, dim, dim + gap, dim + gap8, withMean, withSums, (gap & 1) == 0 ? GuardPlacement.After : GuardPlacement.Before),
            iter: 40,
            threads: 1);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Square_sums_are_exact_for_many_keys(InstructionSet set)
    {
        const int Keys = 2100, Dim = 3;
        float[] k = new float[Keys * Dim];
        sbyte[] k8 = new sbyte[Keys * Dim];
        double[] sums = [0.5, 0, 0];
        k.AsSpan().Fill(127);
        fixed (float* pk = k)
        fixed (sbyte* p8 = k8)
        fixed (double* ps = sums)
        {
            KernelVariants.Kernel(Quantize.Kernels, set).Keys(pk, Dim, Keys, Dim, null, 1, p8, Dim, ps);
        }

        Assert.Equal([(127d * 127 * Keys) + 0.5, 127d * 127 * Keys, 127d * 127 * Keys], sums);
        Assert.All(k8, level => Assert.Equal(127, level));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Keys_round_half_to_even_and_are_clamped(InstructionSet set)
    {
        float[] k = [0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 127.5f, -127.5f, 128, -128, 1e9f, -1e9f, 3e38f, -3e38f, 0.49999997f, -0f, 1e-40f, 5.5f];
        sbyte[] expected = [0, 2, 2, 0, -2, 126, 127, -127, 127, -127, 127, -127, 127, -127, 0, 0, 0, 6];
        for (int repeat = 1; repeat <= 5; repeat++)
        {
            float[] all = [.. Enumerable.Repeat(k, repeat).SelectMany(v => v)];
            sbyte[] k8 = new sbyte[all.Length];
            fixed (float* pk = all)
            fixed (sbyte* p8 = k8)
            {
                KernelVariants.Kernel(Quantize.Kernels, set).Keys(pk, all.Length, 1, all.Length, null, 1, p8, all.Length, null);
            }

            Assert.Equal(Enumerable.Repeat(expected, repeat).SelectMany(v => v), k8);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Queries_of_every_dim(InstructionSet set)
    {
        foreach (int dim in Dims)
        {
            CheckQueries(set, 4, dim, dim, dim, 1000, GuardPlacement.After);
            CheckQueries(set, 3, dim, dim + 3, dim + 1, 1e9f, GuardPlacement.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Queries_of_any_shape(InstructionSet set) =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 150], Gen.Int[0, 9], Gen.Int[0, 9], Gen.Float[10, 10000], Gen.Bool).Sample(
            (rows, dim, gap, gap8, sigma0, after) => CheckQueries(
                set, rows, dim, dim + gap, dim + gap8, sigma0, after ? GuardPlacement.After : GuardPlacement.Before),
            iter: 40,
            threads: 1);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Rows_of_zeros_have_the_smallest_scale(InstructionSet set)
    {
        float[] q = new float[70], power = new float[70];
        power.AsSpan().Fill(100);
        sbyte[] q8 = new sbyte[70];
        float scale;
        fixed (float* pq = q, pp = power)
        fixed (sbyte* p8 = q8)
        {
            q8.AsSpan().Fill(9);
            KernelVariants.Kernel(Quantize.Kernels, set).Queries(pq, 70, 1, 70, pp, 1000, p8, 70, &scale);
        }

        Assert.Equal(Quantize.MinScale, scale);
        Assert.All(q8, level => Assert.Equal(0, level));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Nan_and_infinity_stay_within_the_buffers(InstructionSet set)
    {
        QuantizeKernel kernel = KernelVariants.Kernel(Quantize.Kernels, set);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            using var x = new GuardedArray<float>(3 * 83, GuardPlacement.After);
            using var power = new GuardedArray<float>(83, GuardPlacement.After);
            using var levels = new GuardedArray<sbyte>(3 * 83, GuardPlacement.After);
            using var scales = new GuardedArray<float>(3, GuardPlacement.After);
            x.Span.Fill(bad);
            x.Span[..83].Fill(1);
            kernel.Queries(x.Pointer, 83, 3, 83, power.Pointer, 1000, levels.Pointer, 83, scales.Pointer);
            Assert.Equal(1 / 127f, scales.Span[0], 1e-8);
            Assert.All(levels.Span[..83].ToArray(), level => Assert.Equal(127, level));
            kernel.Keys(x.Pointer, 83, 3, 83, null, 100, levels.Pointer, 83, null);
            Assert.All(levels.Span[..83].ToArray(), level => Assert.Equal(100, level));
        }
    }

    [Fact]
    public void The_span_forms_check_shapes()
    {
        sbyte[] k8 = new sbyte[4];
        double[] sums = new double[2];
        Quantize.Keys([1, 2, 3, 4], 2, 2, [1, 1], 10, k8, sums);
        Assert.Equal([0, 10, 20, 30], k8);
        Assert.Equal([400, 1000], sums);
        sbyte[] q8 = new sbyte[2];
        float[] scales = new float[1];
        Quantize.Queries([127, -63.6f], 2, 1, [0, 0], 1, q8, scales);
        Assert.Equal([127, -64], q8);
        Assert.Equal(1, scales[0]);
        Assert.Throws<ArgumentException>(() => Quantize.Keys(new float[3], 2, 2, new float[2], 1, new sbyte[4], new double[2]));
        Assert.Throws<ArgumentException>(() => Quantize.Keys(new float[4], 2, 2, new float[2], 1, new sbyte[3], new double[2]));
        Assert.Throws<ArgumentException>(() => Quantize.Queries(new float[4], 2, 2, new float[2], 1, new sbyte[4], new float[1]));
    }

    private static void CheckKeys(
        InstructionSet set, int keys, int dim, int stride, int stride8, bool withMean, bool withSums, GuardPlacement placement)
    {
        var random = new Random((keys * 1000) + dim);
        float inverseScale = 127 / 2.5f;
        using var k = new GuardedArray<float>(((keys - 1) * stride) + dim, placement);
        using var mean = new GuardedArray<float>(dim, placement);
        using var k8 = new GuardedArray<sbyte>(((keys - 1) * stride8) + dim, placement);
        using var sums = new GuardedArray<double>(dim, placement);
        Fill(random, k.Span, stride, dim);
        Fill(random, mean.Span, dim, dim);
        k8.Span.Fill(77);
        sums.Span.Fill(0.25);
        KernelVariants.Kernel(Quantize.Kernels, set).Keys(
            k.Pointer, stride, keys, dim, withMean ? mean.Pointer : null, inverseScale, k8.Pointer, stride8, withSums ? sums.Pointer : null);
        double[] expectedSums = new double[dim];
        for (int i = 0; i < k8.Length; i++)
        {
            int d = i % stride8;
            if (d >= dim)
            {
                Assert.Equal(77, k8.Span[i]);
                continue;
            }

            double exact = ((double)k.Span[(i / stride8 * stride) + d] - (withMean ? mean.Span[d] : 0)) * inverseScale;
            exact = Math.Clamp(exact, -127, 127);
            Assert.InRange(k8.Span[i], Math.Ceiling(exact - 0.5 - 1e-4), Math.Floor(exact + 0.5 + 1e-4));
            expectedSums[d] += k8.Span[i] * k8.Span[i];
        }

        for (int d = 0; d < dim; d++)
        {
            Assert.Equal(withSums ? expectedSums[d] + 0.25 : 0.25, sums.Span[d]);
        }
    }

    private static void CheckQueries(InstructionSet set, int rows, int dim, int stride, int stride8, float sigma0, GuardPlacement placement)
    {
        var random = new Random((rows * 1000) + dim);
        using var q = new GuardedArray<float>(((rows - 1) * stride) + dim, placement);
        using var power = new GuardedArray<float>(dim, placement);
        using var q8 = new GuardedArray<sbyte>(((rows - 1) * stride8) + dim, placement);
        using var scales = new GuardedArray<float>(rows, placement);
        Fill(random, q.Span, stride, dim);
        for (int d = 0; d < dim; d++)
        {
            power.Span[d] = random.NextSingle() * 500;
        }

        q8.Span.Fill(77);
        KernelVariants.Kernel(Quantize.Kernels, set).Queries(
            q.Pointer, stride, rows, dim, power.Pointer, sigma0, q8.Pointer, stride8, scales.Pointer);
        for (int r = 0; r < rows; r++)
        {
            double max = 0, energy = 0;
            for (int d = 0; d < dim; d++)
            {
                double value = q.Span[(r * stride) + d];
                max = Math.Max(max, Math.Abs(value));
                energy += value * value * power.Span[d];
            }

            double scale = Math.Max(max / 127, Math.Sqrt(energy) / sigma0);
            Assert.Equal(scale, scales.Span[r], 2e-6 * scale);
            for (int d = 0; d < stride8 && (r * stride8) + d < q8.Length; d++)
            {
                if (d >= dim)
                {
                    Assert.Equal(77, q8.Span[(r * stride8) + d]);
                    continue;
                }

                double exact = q.Span[(r * stride) + d] / scale;
                Assert.InRange(q8.Span[(r * stride8) + d], Math.Ceiling(exact - 0.5 - 1e-3), Math.Floor(exact + 0.5 + 1e-3));
            }
        }
    }

    /// <summary>Values up to about ±3, NaN between the rows.</summary>
    private static void Fill(Random random, Span<float> values, int stride, int dim)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = i % stride < dim ? (float)((random.NextDouble() + random.NextDouble() - 1) * 3) : float.NaN;
        }
    }
}
