using ShadowAttn.Memory;

namespace ShadowAttn.Tests.Kernels;

/// <summary>Elements between two inaccessible pages: a kernel that reads or writes outside of them on the placed side crashes.</summary>
internal sealed unsafe class GuardedArray<T> : IDisposable
    where T : unmanaged
{
    private readonly UnmanagedBuffer _buffer;

    public GuardedArray(int length, GuardPlacement placement)
    {
        Length = length;
        _buffer = UnmanagedBuffer.AllocateGuarded(Math.Max(1, (long)length * sizeof(T)), placement, sizeof(T));
    }

    public GuardedArray(ReadOnlySpan<T> values, GuardPlacement placement)
        : this(values.Length, placement) => values.CopyTo(Span);

    public int Length { get; }

    public T* Pointer => (T*)_buffer.Pointer;

    public Span<T> Span => new(Pointer, Length);

    public void Dispose() => _buffer.Dispose();
}
