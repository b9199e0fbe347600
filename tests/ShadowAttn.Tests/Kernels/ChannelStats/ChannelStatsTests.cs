using CsCheck;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class ChannelStatsTests
{
    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(ChannelStats.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_dim(InstructionSet set)
    {
        var random = new Random(1);
        foreach (int dim in new[] { 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 80, 96, 100, 128, 160, 256, 300 })
        {
            Check(set, random, 5, dim, dim, GuardPlacement.After);
            Check(set, random, 3, dim, dim + 5, GuardPlacement.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Any_shape(InstructionSet set) =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 150], Gen.Int[0, 9], Gen.Bool).Sample(
            (rows, dim, gap, after) =>
                Check(set, new Random(rows + dim), rows, dim, dim + gap, after ? GuardPlacement.After : GuardPlacement.Before),
            iter: 40,
            threads: 1);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Absmax_finds_each_position_and_sign(InstructionSet set)
    {
        ChannelStatsKernel kernel = KernelVariants.Kernel(ChannelStats.Kernels, set);
        const int Rows = 2, Dim = 83;
        using var x = new GuardedArray<float>(Rows * Dim, GuardPlacement.After);
        for (int i = 0; i < x.Length; i++)
        {
            x.Span.Fill(0.5f);
            x.Span[i] = (i & 1) == 0 ? 3 : -3;
            Assert.Equal(3, kernel.AbsMax(x.Pointer, Dim, Rows, Dim, null));
        }

        x.Span.Fill(-0f);
        Assert.Equal(0, kernel.AbsMax(x.Pointer, Dim, Rows, Dim, null));
        x.Span[40] = -float.Epsilon;
        Assert.Equal(float.Epsilon, kernel.AbsMax(x.Pointer, Dim, Rows, Dim, null));
    }

    [Fact]
    public void The_span_forms_check_shapes()
    {
        float[] mean = new float[2];
        ChannelStats.Mean([1, 2, 9, 3, 6], 3, 2, mean);
        Assert.Equal([2f, 4f], mean);
        Assert.Equal(2, ChannelStats.AbsMax([1, 2, 9, 3, 6], 3, 2, 2, mean));
        Assert.Equal(6, ChannelStats.AbsMax([1, 2, 9, 3, 6], 3, 2, 2));
        Assert.Throws<ArgumentException>(() => ChannelStats.Mean(new float[4], 3, 2, new float[2]));
        Assert.Throws<ArgumentException>(() => ChannelStats.AbsMax(new float[5], 3, 2, 2, new float[3]));
    }

    private static void Check(InstructionSet set, Random random, int rows, int dim, int stride, GuardPlacement placement)
    {
        ChannelStatsKernel kernel = KernelVariants.Kernel(ChannelStats.Kernels, set);
        using var x = new GuardedArray<float>(((rows - 1) * stride) + dim, placement);
        using var mean = new GuardedArray<float>(dim, placement);
        using var sums = new GuardedArray<double>(dim, placement);
        for (int i = 0; i < x.Length; i++)
        {
            x.Span[i] = (float)((random.NextDouble() - 0.4) * Math.Pow(10, random.Next(-3, 3)));
            if (i % stride >= dim)
            {
                x.Span[i] = float.NaN;
            }
        }

        for (int d = 0; d < dim; d++)
        {
            mean.Span[d] = random.NextSingle();
            sums.Span[d] = d;
        }

        kernel.AddSums(x.Pointer, stride, rows, dim, sums.Pointer);
        float absMax = 0, centred = 0;
        for (int d = 0; d < dim; d++)
        {
            double sum = d, magnitudes = d;
            for (int r = 0; r < rows; r++)
            {
                float value = x.Span[(r * stride) + d];
                sum += value;
                magnitudes += Math.Abs(value);
                absMax = MathF.Max(absMax, MathF.Abs(value));
                centred = MathF.Max(centred, MathF.Abs(value - mean.Span[d]));
            }

            Assert.Equal(sum, sums.Span[d], 1e-14 * (magnitudes + 1));
        }

        Assert.Equal(absMax, kernel.AbsMax(x.Pointer, stride, rows, dim, null));
        Assert.Equal(centred, kernel.AbsMax(x.Pointer, stride, rows, dim, mean.Pointer));
    }
}
