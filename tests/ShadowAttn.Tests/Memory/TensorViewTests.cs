using CsCheck;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Memory;

public unsafe class TensorViewTests
{
    private static readonly Gen<(int[] Shape, nint[] Strides)> StridedShapes =
        from rank in Gen.Int[1, 4]
        from shape in Gen.Int[0, 5].Array[rank]
        from padding in Gen.Int[0, 3].Array[rank]
        from permutation in Gen.Shuffle(Enumerable.Range(0, rank).ToArray())
        select (shape, Strides(shape, padding, permutation));

    [Fact]
    public void Contiguous_views_index_in_row_major_order() => Gen.Int[1, 4].SelectMany(r => Gen.Int[0, 5].Array[r]).Sample(shape =>
    {
        using UnmanagedBuffer buffer = Numbered(625);
        TensorView<int> view = buffer.View<int>(shape);
        Assert.True(view.IsContiguous);
        Assert.Equal(shape.Length, view.Rank);
        Assert.Equal(shape.Aggregate(1L, (a, b) => a * b), view.ElementCount);
        Assert.Equal(Enumerable.Range(0, (int)view.ElementCount), view.AsSpan().ToArray());
        int expected = 0;
        foreach (int[] index in Indices(shape))
        {
            Assert.Equal(expected++, view[index]);
        }
    }, iter: 200);

    [Fact]
    public void Slices_and_indices_reach_what_naive_index_computation_reaches() =>
        (from strided in StridedShapes
         from dimension in Gen.Int[0, strided.Shape.Length - 1]
         from start in Gen.Int[0, strided.Shape[dimension]]
         from length in Gen.Int[0, strided.Shape[dimension] - start]
         select (strided.Shape, strided.Strides, dimension, start, length)).Sample(c =>
    {
        using UnmanagedBuffer buffer = Numbered(20_000);
        TensorView<int> whole = buffer.ViewAt<int>(0, c.Shape, c.Strides);
        TensorView<int> part = whole.Slice(c.dimension, c.start, c.length);
        int[] partShape = [.. c.Shape];
        partShape[c.dimension] = c.length;
        for (int d = 0; d < partShape.Length; d++)
        {
            Assert.Equal(partShape[d], part.Length(d));
            Assert.Equal(c.Strides[d], part.Stride(d));
        }

        var seen = new List<int>();
        foreach (int[] index in Indices(partShape))
        {
            int[] inWhole = [.. index];
            inWhole[c.dimension] += c.start;
            int naive = (int)inWhole.Zip(c.Strides, (i, s) => i * s).Sum(x => (long)x);
            Assert.Equal(naive, part[index]);
            Assert.Equal(naive, whole[inWhole]);
            seen.Add(naive);
            if (index.Length > 1)
            {
                Assert.Equal(naive, part.Index(index[0])[index.AsSpan(1)]);
                Assert.Equal(part.RowPointer(index[0], index[1]) - part.Pointer, (index[0] * c.Strides[0]) + (index[1] * c.Strides[1]));
            }

            Assert.Equal(part.RowPointer(index[0]) - part.Pointer, index[0] * c.Strides[0]);
        }

        Assert.Equal(seen.Count, part.ElementCount);
        Assert.Equal(seen.SequenceEqual(Enumerable.Range(seen.FirstOrDefault(), seen.Count)), part.IsContiguous);
        if (part.IsContiguous)
        {
            Assert.Equal(seen, part.AsSpan().ToArray());
        }
        else
        {
            Assert.Throws<InvalidOperationException>(() => part.AsSpan().Length);
        }
    }, iter: 2000);

    [Fact]
    public void The_buffer_accepts_a_strided_view_exactly_if_every_element_fits() => StridedShapes.Sample(c =>
    {
        long extent = c.Shape.Contains(0) ? 0 : c.Shape.Zip(c.Strides, (l, s) => (long)(l - 1) * s).Sum() + 1;
        using UnmanagedBuffer exact = UnmanagedBuffer.Allocate(Math.Max(extent, 1) * sizeof(short));
        Assert.Equal(c.Shape.Length, exact.ViewAt<short>(0, c.Shape, c.Strides).Rank);
        if (extent > 1)
        {
            using UnmanagedBuffer small = UnmanagedBuffer.Allocate((extent * sizeof(short)) - 1);
            Assert.Throws<ArgumentOutOfRangeException>(() => small.ViewAt<short>(0, c.Shape, c.Strides).Rank);
        }
    }, iter: 300);

    [Fact]
    public void Elements_are_references_into_the_memory()
    {
        float* memory = stackalloc float[6];
        var view = new TensorView<float>(memory, 2, 3);
        view[1, 2] = 5;
        view.Index(1)[0] = 4;
        Assert.Equal(5, memory[5]);
        Assert.Equal(4, memory[3]);
        Assert.True(view.Pointer == memory);
    }

    [Fact]
    public void Zero_strides_repeat_elements()
    {
        int seven = 7;
        var view = new TensorView<int>(&seven, [1000, 1000], [0, 0]);
        Assert.Equal(1_000_000, view.ElementCount);
        Assert.Equal(7, view[999, 999]);
        Assert.False(view.IsContiguous);
    }

    [Fact]
    public void Wrong_shapes_and_strides_are_refused()
    {
        int* memory = stackalloc int[4];
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory));
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory, 1, 1, 1, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>("shape", () => new TensorView<int>(memory, 2, -1));
        Assert.Throws<ArgumentOutOfRangeException>("strides", () => new TensorView<int>(memory, [2, 2], [-2, 1]));
        Assert.Throws<ArgumentException>("strides", () => new TensorView<int>(memory, [2, 2], [1]));
        Assert.Throws<ArgumentNullException>("pointer", () => new TensorView<int>(null, 1));
        Assert.Equal(0, new TensorView<int>(null, 3, 0).ElementCount);
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory, int.MaxValue, int.MaxValue, int.MaxValue));
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory, int.MaxValue, int.MaxValue));
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory, [2, 2], [nint.MaxValue, nint.MaxValue]));
        Assert.ThrowsAny<ArgumentException>(() => new TensorView<int>(memory, [int.MaxValue, int.MaxValue, int.MaxValue], [0, 0, 0]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void Indices_outside_are_refused(int outside)
    {
        int* memory = stackalloc int[6];
        var view = new TensorView<int>(memory, 2, 3);
        Assert.Throws<ArgumentOutOfRangeException>(() => view[outside, 0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => view[0, outside == 2 ? 3 : outside]);
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Index(outside).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => (nint)view.RowPointer(outside));
        Assert.Throws<ArgumentOutOfRangeException>(() => (nint)view.RowPointer(outside, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => (nint)view.RowPointer(0, outside == 2 ? 3 : outside));
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Length(outside));
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Stride(outside));
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Slice(outside, 0, 1).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Slice(0, outside, 1).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => view.Slice(0, 1, outside).Rank);
    }

    [Fact]
    public void Ranks_that_do_not_fit_are_refused()
    {
        int* memory = stackalloc int[6];
        var view = new TensorView<int>(memory, 6);
        Assert.Throws<ArgumentException>(() => view[0, 0]);
        Assert.Throws<ArgumentException>(() => view[default(ReadOnlySpan<int>)]);
        Assert.Throws<InvalidOperationException>(() => view.Index(0).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => (nint)view.RowPointer(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => (nint)default(TensorView<int>).RowPointer(0));
        Assert.Equal(0, default(TensorView<int>).ElementCount);
    }

    private static UnmanagedBuffer Numbered(int count)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(count * sizeof(int));
        Span<int> values = buffer.AsSpan<int>();
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = i;
        }

        return buffer;
    }

    // Any order of the dimensions in memory, with gaps, never overlapping.
    private static nint[] Strides(int[] shape, int[] padding, int[] order)
    {
        var strides = new nint[shape.Length];
        nint stride = 1;
        foreach (int dimension in order)
        {
            strides[dimension] = stride + padding[dimension];
            stride = strides[dimension] * Math.Max(shape[dimension], 1);
        }

        return strides;
    }

    private static IEnumerable<int[]> Indices(int[] shape)
    {
        if (shape.Contains(0))
        {
            yield break;
        }

        var index = new int[shape.Length];
        while (true)
        {
            yield return (int[])index.Clone();
            int d = shape.Length - 1;
            while (d >= 0 && ++index[d] == shape[d])
            {
                index[d--] = 0;
            }

            if (d < 0)
            {
                yield break;
            }
        }
    }
}
