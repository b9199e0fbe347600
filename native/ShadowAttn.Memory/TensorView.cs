using System.Runtime.CompilerServices;

namespace ShadowAttn.Memory;

/// <summary>
/// One to four dimensions over memory that somebody else keeps alive: pointer, lengths, strides. Slicing copies nothing. Strides count
/// elements, not bytes, and are not negative; zero repeats an element.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly unsafe struct TensorView<T>
    where T : unmanaged
{
    /// <summary>The highest rank.</summary>
    public const int MaxRank = 4;

    private readonly PerDimension _lengths;
    private readonly PerDimension _strides;

    /// <summary>A contiguous view, the last dimension running fastest.</summary>
    /// <param name="pointer">The first element; null only if a length is zero.</param>
    /// <param name="shape">One to four lengths, outermost first, none negative.</param>
    /// <exception cref="ArgumentException">Rank or a length is wrong, the view exceeds the address space, or the pointer is null.</exception>
    public TensorView(T* pointer, params ReadOnlySpan<int> shape)
    {
        CheckShape(shape);
        Pointer = pointer;
        Rank = shape.Length;
        Int128 stride = 1;
        for (int dimension = Rank - 1; dimension >= 0; dimension--)
        {
            _lengths[dimension] = shape[dimension];
            _strides[dimension] = ToStride(stride, shape);
            stride *= Math.Max(shape[dimension], 1);
        }

        CheckExtent();
    }

    /// <summary>A strided view.</summary>
    /// <param name="pointer">The first element; null only if a length is zero.</param>
    /// <param name="shape">One to four lengths, outermost first, none negative.</param>
    /// <param name="strides">As many distances between neighbours, in elements, none negative.</param>
    /// <exception cref="ArgumentException">
    /// Rank, a length or a stride is wrong, the view exceeds the address space, or the pointer is null.
    /// </exception>
    public TensorView(T* pointer, ReadOnlySpan<int> shape, ReadOnlySpan<nint> strides)
    {
        CheckShape(shape);
        if (strides.Length != shape.Length)
        {
            throw new ArgumentException($"a view of rank {shape.Length} needs as many strides, not {strides.Length}", nameof(strides));
        }

        Pointer = pointer;
        Rank = shape.Length;
        for (int dimension = 0; dimension < Rank; dimension++)
        {
            if (strides[dimension] < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(strides), strides[dimension],
                    $"the stride of dimension {dimension} must not be negative");
            }

            _lengths[dimension] = shape[dimension];
            _strides[dimension] = strides[dimension];
        }

        CheckExtent();
    }

    private TensorView(T* pointer, int rank, PerDimension lengths, PerDimension strides)
    {
        Pointer = pointer;
        Rank = rank;
        _lengths = lengths;
        _strides = strides;
    }

    /// <summary>The first element.</summary>
    public T* Pointer { get; }

    /// <summary>Number of dimensions, 1 to 4; 0 for <c>default</c>.</summary>
    public int Rank { get; }

    /// <summary>Number of elements: the product of the lengths.</summary>
    public long ElementCount
    {
        get
        {
            long count = Rank == 0 ? 0 : 1;
            for (int dimension = 0; dimension < Rank; dimension++)
            {
                count *= _lengths[dimension];
            }

            return count;
        }
    }

    /// <summary>Whether the elements lie one behind the other, the last dimension fastest. So do no elements.</summary>
    public bool IsContiguous
    {
        get
        {
            nint expected = 1;
            bool contiguous = true;
            for (int dimension = Rank - 1; dimension >= 0; dimension--)
            {
                nint length = _lengths[dimension];
                if (length == 0)
                {
                    return true;
                }

                contiguous &= length == 1 || _strides[dimension] == expected;
                expected = unchecked(expected * length);
            }

            return contiguous;
        }
    }

    /// <summary>Elements from the first to behind the farthest one, gaps included.</summary>
    internal nint ElementExtent
    {
        get
        {
            Int128 last = 0;
            for (int dimension = 0; dimension < Rank; dimension++)
            {
                if (_lengths[dimension] == 0)
                {
                    return 0;
                }

                last += (Int128)(_lengths[dimension] - 1) * _strides[dimension];
            }

            return last < nint.MaxValue / sizeof(T) ? (nint)last + 1 : throw new ArgumentException(
                $"a view with shape [{string.Join(", ", Shape())}] and strides [{string.Join(", ", Strides())}] exceeds the address space");
        }
    }

    /// <summary>The element at an index of as many numbers as there are dimensions.</summary>
    /// <param name="index">Outermost first.</param>
    /// <exception cref="ArgumentException">There are more or fewer numbers than dimensions.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its dimension.</exception>
    public ref T this[params ReadOnlySpan<int> index]
    {
        get
        {
            if (index.Length != Rank)
            {
                throw new ArgumentException($"a view of rank {Rank} needs as many indices, not {index.Length}", nameof(index));
            }

            nint offset = 0;
            for (int dimension = 0; dimension < index.Length; dimension++)
            {
                CheckIndex(index[dimension], dimension);
                offset += index[dimension] * _strides[dimension];
            }

            return ref Pointer[offset];
        }
    }

    /// <summary>Length of a dimension, in elements.</summary>
    /// <param name="dimension">0 is the outermost.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension.</exception>
    public int Length(int dimension)
    {
        CheckDimension(dimension);
        return (int)_lengths[dimension];
    }

    /// <summary>Distance between neighbours of a dimension, in elements.</summary>
    /// <param name="dimension">0 is the outermost.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension.</exception>
    public nint Stride(int dimension)
    {
        CheckDimension(dimension);
        return _strides[dimension];
    }

    /// <summary>Part of one dimension, everything of the others. Copies nothing.</summary>
    /// <param name="dimension">0 is the outermost.</param>
    /// <param name="start">The first index of the part.</param>
    /// <param name="length">Its length.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension, or the part does not lie within it.</exception>
    public TensorView<T> Slice(int dimension, int start, int length)
    {
        CheckDimension(dimension);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if ((long)start + length > _lengths[dimension])
        {
            throw new ArgumentOutOfRangeException(nameof(length), length,
                $"elements {start} to {(long)start + length} are not all in dimension {dimension} of length {_lengths[dimension]}");
        }

        PerDimension lengths = _lengths;
        lengths[dimension] = length;

        // An empty part has no first element to point at.
        return new TensorView<T>(length == 0 ? Pointer : Pointer + (start * _strides[dimension]), Rank, lengths, _strides);
    }

    /// <summary>One index of the outermost dimension: a view of one rank less. Copies nothing.</summary>
    /// <param name="index">Index in dimension 0.</param>
    /// <exception cref="InvalidOperationException">The view has one dimension only.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The index is outside.</exception>
    public TensorView<T> Index(int index)
    {
        if (Rank < 2)
        {
            throw new InvalidOperationException($"a view of rank {Rank} has no dimension to drop");
        }

        CheckIndex(index, 0);
        PerDimension lengths = default;
        PerDimension strides = default;
        for (int dimension = 1; dimension < Rank; dimension++)
        {
            lengths[dimension - 1] = _lengths[dimension];
            strides[dimension - 1] = _strides[dimension];
        }

        return new TensorView<T>(Pointer + (index * _strides[0]), Rank - 1, lengths, strides);
    }

    /// <summary>The first element at index <paramref name="i"/> of the outermost dimension.</summary>
    /// <param name="i">Index in dimension 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is outside.</exception>
    public T* RowPointer(int i)
    {
        CheckIndex(i, 0);
        return Pointer + (i * _strides[0]);
    }

    /// <summary>The first element at indices <paramref name="i"/>, <paramref name="j"/> of the two outermost dimensions.</summary>
    /// <param name="i">Index in dimension 0.</param>
    /// <param name="j">Index in dimension 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside, or there is no dimension 1.</exception>
    public T* RowPointer(int i, int j)
    {
        CheckIndex(i, 0);
        CheckIndex(j, 1);
        return Pointer + (i * _strides[0]) + (j * _strides[1]);
    }

    /// <summary>All elements, in order.</summary>
    /// <exception cref="InvalidOperationException">The view is not contiguous, or has more elements than a span can hold.</exception>
    public Span<T> AsSpan()
    {
        long count = ElementCount;
        if (!IsContiguous || count > int.MaxValue)
        {
            throw new InvalidOperationException(
                $"a view with shape [{string.Join(", ", Shape())}] and strides [{string.Join(", ", Strides())}] is no span: "
                + (IsContiguous ? "it has too many elements" : "it is not contiguous"));
        }

        return new Span<T>(Pointer, (int)count);
    }

    private static void CheckShape(ReadOnlySpan<int> shape)
    {
        if (shape.Length is < 1 or > MaxRank)
        {
            throw new ArgumentException($"a view has 1 to {MaxRank} dimensions, not {shape.Length}", nameof(shape));
        }

        Int128 count = 1;
        for (int dimension = 0; dimension < shape.Length; dimension++)
        {
            if (shape[dimension] < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(shape), shape[dimension],
                    $"the length of dimension {dimension} must not be negative");
            }

            count *= shape[dimension];
        }

        // Zero strides repeat elements, so the address space does not bound their number.
        if (count > long.MaxValue)
        {
            throw new ArgumentException($"a view with shape [{string.Join(", ", shape.ToArray())}] has too many elements", nameof(shape));
        }
    }

    private static nint ToStride(Int128 stride, ReadOnlySpan<int> shape) => stride <= nint.MaxValue / sizeof(T)
        ? (nint)stride
        : throw new ArgumentException($"a view with shape [{string.Join(", ", shape.ToArray())}] exceeds the address space", nameof(shape));

    private void CheckExtent()
    {
        if (ElementExtent > 0 && Pointer is null)
        {
            throw new ArgumentNullException("pointer", "a view with elements needs memory");
        }
    }

    private void CheckDimension(int dimension)
    {
        if ((uint)dimension >= (uint)Rank)
        {
            throw new ArgumentOutOfRangeException(nameof(dimension), dimension, $"a view of rank {Rank} has no such dimension");
        }
    }

    private void CheckIndex(int index, int dimension)
    {
        if ((uint)dimension >= (uint)Rank || (uint)index >= (ulong)_lengths[dimension])
        {
            ThrowIndex(index, dimension);
        }
    }

    private void ThrowIndex(int index, int dimension)
    {
        CheckDimension(dimension);
        throw new ArgumentOutOfRangeException(nameof(index), index,
            $"index must be at least 0 and less than {_lengths[dimension]}, the length of dimension {dimension}");
    }

    private nint[] Shape() => ((ReadOnlySpan<nint>)_lengths)[..Rank].ToArray();

    private nint[] Strides() => ((ReadOnlySpan<nint>)_strides)[..Rank].ToArray();

    [InlineArray(MaxRank)]
    private struct PerDimension
    {
        private nint _first;
    }
}
