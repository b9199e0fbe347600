using System.Numerics;
using System.Runtime.CompilerServices;

namespace ShadowAttn.Memory;

/// <summary>
/// Memory outside the managed heap, zeroed when created, aligned to at least 64 bytes. It lives until its creator has disposed it and
/// every added reference has been released; then it is freed, once, with the address and size that were allocated.
/// </summary>
/// <remarks>
/// There is no finaliser: a buffer that nobody disposes stays in <see cref="Live"/>. Reference counts are thread-safe. Who reads
/// <see cref="Pointer"/>, a span or a view must hold a reference for as long as it uses them.
/// </remarks>
public sealed unsafe partial class UnmanagedBuffer : IDisposable
{
    // Twice the number of added references, plus one while the creator has not disposed. Zero: freed.
    private const int CreatorReference = 1;
    private const int AddedReference = 2;

    private static long s_liveCount;
    private static long s_liveBytes;

    private readonly Allocation _allocation;
    private int _references = CreatorReference;

    private UnmanagedBuffer(BufferKind kind, bool isGuarded, long byteLength, Allocation allocation)
    {
        Kind = kind;
        IsGuarded = isGuarded;
        ByteLength = byteLength;
        _allocation = allocation;
        Interlocked.Increment(ref s_liveCount);
        Interlocked.Add(ref s_liveBytes, byteLength);
    }

    /// <summary>The buffers of this process that are not freed yet.</summary>
    public static LiveAllocations Live => new(Interlocked.Read(ref s_liveCount), Interlocked.Read(ref s_liveBytes));

    /// <summary>Where the bytes come from.</summary>
    public BufferKind Kind { get; }

    /// <summary>Whether inaccessible pages surround the bytes.</summary>
    public bool IsGuarded { get; }

    /// <summary>Size in bytes, as asked for.</summary>
    public long ByteLength { get; }

    /// <summary>Whether the memory is freed: the creator has disposed it and no reference is left.</summary>
    public bool IsDisposed => Volatile.Read(ref _references) == 0;

    /// <summary>The first byte.</summary>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    public byte* Pointer
    {
        get
        {
            ThrowIfDisposed();
            return _allocation.Pointer;
        }
    }

    /// <summary>
    /// A descriptor that others can map, of kinds <see cref="BufferKind.MemFd"/>, <see cref="BufferKind.RpcMem"/> and
    /// <see cref="BufferKind.DmaBufHeap"/>; -1 for the others. It belongs to the buffer: duplicate it to keep it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    public int FileDescriptor
    {
        get
        {
            ThrowIfDisposed();
            return _allocation.FileDescriptor;
        }
    }

    /// <summary>Takes one more reference, so that the memory survives the creator's <see cref="Dispose"/>.</summary>
    /// <returns>This buffer.</returns>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    public UnmanagedBuffer AddReference()
    {
        int seen = Volatile.Read(ref _references);
        while (true)
        {
            ObjectDisposedException.ThrowIf(seen == 0, this);
            int previous = Interlocked.CompareExchange(ref _references, checked(seen + AddedReference), seen);
            if (previous == seen)
            {
                return this;
            }

            seen = previous;
        }
    }

    /// <summary>Gives back one reference of <see cref="AddReference"/>; the last one of all frees the memory.</summary>
    /// <exception cref="InvalidOperationException">No added reference is left to release.</exception>
    public void Release()
    {
        int seen = Volatile.Read(ref _references);
        while (true)
        {
            if (seen < AddedReference)
            {
                throw new InvalidOperationException(
                    $"a buffer of {ByteLength} bytes ({Kind}) had more references released than were added");
            }

            int previous = Interlocked.CompareExchange(ref _references, seen - AddedReference, seen);
            if (previous == seen)
            {
                FreeIfLast(seen - AddedReference);
                return;
            }

            seen = previous;
        }
    }

    /// <summary>Gives back the creator's reference. Calling it again does nothing.</summary>
    /// <exception cref="InvalidOperationException">The buffer is guarded and something has written beside it; the memory is freed.</exception>
    public void Dispose()
    {
        int before = Interlocked.And(ref _references, ~CreatorReference);
        if ((before & CreatorReference) != 0)
        {
            FreeIfLast(before & ~CreatorReference);
        }
    }

    /// <summary>The whole buffer as elements; bytes behind the last whole element are left out.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    /// <exception cref="InvalidOperationException">There are more elements than a span can hold.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        long count = ByteLength / sizeof(T);
        return count <= int.MaxValue ? AsSpan<T>(0, (int)count) : throw new InvalidOperationException(
            $"a buffer of {ByteLength} bytes has {count} elements of {typeof(T).Name}, more than a span can hold");
    }

    /// <summary><paramref name="count"/> elements from byte <paramref name="byteOffset"/> on.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="byteOffset">Where the first element starts, in bytes.</param>
    /// <param name="count">Number of elements.</param>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An argument is negative, or the elements do not lie within the buffer.</exception>
    public Span<T> AsSpan<T>(long byteOffset, int count)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        CheckRange<T>(byteOffset, count);
        return new Span<T>(_allocation.Pointer + byteOffset, count);
    }

    /// <summary>A contiguous view of the first elements.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="shape">One to four lengths, outermost first.</param>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    /// <exception cref="ArgumentException">Rank or a length is wrong, or the elements do not fit the buffer.</exception>
    public TensorView<T> View<T>(params ReadOnlySpan<int> shape)
        where T : unmanaged => ViewAt<T>(0, shape);

    /// <summary>A contiguous view that starts at byte <paramref name="byteOffset"/>.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="byteOffset">Where the first element starts, in bytes; a multiple of the element's alignment.</param>
    /// <param name="shape">One to four lengths, outermost first.</param>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    /// <exception cref="ArgumentException">Rank or a length is wrong, the offset is unaligned, or the elements do not fit the buffer.</exception>
    public TensorView<T> ViewAt<T>(long byteOffset, params ReadOnlySpan<int> shape)
        where T : unmanaged
    {
        TensorView<T> view = new((T*)(Start(byteOffset) + byteOffset), shape);
        CheckRange<T>(byteOffset, view.ElementExtent);
        return view;
    }

    /// <summary>A strided view that starts at byte <paramref name="byteOffset"/>.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="byteOffset">Where the first element starts, in bytes; a multiple of the element's alignment.</param>
    /// <param name="shape">One to four lengths, outermost first.</param>
    /// <param name="strides">As many distances between neighbours, in elements, none negative.</param>
    /// <exception cref="ObjectDisposedException">The memory is freed.</exception>
    /// <exception cref="ArgumentException">
    /// Rank, a length or a stride is wrong, the offset is unaligned, or an element lies outside the buffer.
    /// </exception>
    public TensorView<T> ViewAt<T>(long byteOffset, ReadOnlySpan<int> shape, ReadOnlySpan<nint> strides)
        where T : unmanaged
    {
        TensorView<T> view = new((T*)(Start(byteOffset) + byteOffset), shape, strides);
        CheckRange<T>(byteOffset, view.ElementExtent);
        return view;
    }

    private byte* Start(long byteOffset)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, ByteLength);
        return _allocation.Pointer;
    }

    private void CheckRange<T>(long byteOffset, nint elements)
        where T : unmanaged
    {
        byte* start = Start(byteOffset);
        if (elements > (ByteLength - byteOffset) / sizeof(T))
        {
            throw new ArgumentOutOfRangeException(nameof(elements), $"{elements} elements of {typeof(T).Name} from byte {byteOffset} on "
                + $"do not fit a buffer of {ByteLength} bytes");
        }

        // The alignment of a primitive is its size; of a structure at most the largest power of two in it.
        nint alignment = Math.Min(8, 1 << BitOperations.TrailingZeroCount(sizeof(T)));
        if (((nint)(start + byteOffset) & (alignment - 1)) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(byteOffset), $"{typeof(T).Name} needs an offset that keeps it aligned to "
                + $"{alignment} bytes, not {byteOffset}");
        }
    }

    private void FreeIfLast(int references)
    {
        if (references != 0)
        {
            return;
        }

        Interlocked.Decrement(ref s_liveCount);
        Interlocked.Add(ref s_liveBytes, -ByteLength);
        _allocation.Free();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _references) == 0, this);
}
