using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class DenseProductTests
{
    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(DenseProduct.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_shape_equals_the_formula(InstructionSet set)
    {
        foreach (int rows in new[] { 1, 2, 5, 6, 7, 13, 48 })
        {
            foreach (int columns in new[] { 1, 3, 4, 7, 16, 17, 63, 64, 80, 128, 135 })
            {
                Check(set, rows, steps: 1 + (columns % 9), columns, padding: columns % 3, byColumns: false, columns % 2 == 0 ? GuardPlacement.After : GuardPlacement.Before);
                Check(set, rows, steps: 1 + (columns % 5), columns, padding: 0, byColumns: true, GuardPlacement.After);
            }
        }
    }

    [Fact]
    public void The_span_form_adds_and_checks()
    {
        float[] output = [1, 1];
        DenseProduct.Add([2, 3], [1, 10, 100, 1000], 1, 2, 2, output);
        Assert.Equal([303f, 3021f], output);
        Assert.Throws<ArgumentException>(() => DenseProduct.Add([2], [1, 10, 100, 1000], 1, 2, 2, output));
    }

    private static void Check(InstructionSet set, int rows, int steps, int columns, int padding, bool byColumns, GuardPlacement placement)
    {
        var random = new Random(rows + columns);
        int aStride = (byColumns ? rows : steps) + padding;
        int bStride = columns + padding;
        using var a = new GuardedArray<float>(((byColumns ? steps : rows) * aStride) - padding, placement);
        using var b = new GuardedArray<float>((steps * bStride) - padding, placement);
        using var output = new GuardedArray<float>((rows * bStride) - padding, placement);
        foreach (GuardedArray<float> array in new[] { a, b, output })
        {
            foreach (ref float x in array.Span)
            {
                x = (float)random.NextDouble() - 0.5f;
            }
        }

        float[] before = output.Span.ToArray();
        (nint rowStride, nint stepStride) = byColumns ? (1, aStride) : (aStride, 1);
        KernelVariants.Kernel(DenseProduct.Kernels, set).Add(
            a.Pointer, rowStride, stepStride, rows, steps, b.Pointer, bStride, columns, output.Pointer, bStride);
        for (int i = 0; i < before.Length; i++)
        {
            (int r, int j) = (i / bStride, i % bStride);
            double expected = before[i];
            for (int t = 0; t < steps && j < columns; t++)
            {
                expected += (double)a.Pointer[(r * rowStride) + (t * stepStride)] * b.Pointer[(t * bStride) + j];
            }

            Assert.True(Math.Abs(expected - output.Span[i]) < 1e-5, $"[{rows}, {steps}] x [{steps}, {columns}] at {r}, {j}: {output.Span[i]}, not {expected}");
        }
    }
}
