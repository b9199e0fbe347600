using System.Runtime.InteropServices;
using System.Text;

namespace ShadowAttn.Interop;

/// <summary>Zeroed native memory for descriptors, names and shapes, freed all at once.</summary>
sealed unsafe class NativeArena : OwnedHandle
{
    const nuint ChunkBytes = 4096;
    const nuint AlignmentBytes = 16;

    readonly List<nint> _chunks = [];
    byte* _next;
    nuint _left;

    /// <param name="parent">What must outlive the memory, usually the context whose handles are in it.</param>
    public NativeArena(SafeHandle? parent = null) : base(value: 1, parent)
    {
    }

    /// <summary>Zeroed room for <paramref name="count"/> values, 16-byte aligned.</summary>
    public T* Allocate<T>(int count = 1)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        nuint bytes = checked((nuint)count * (nuint)sizeof(T) + (AlignmentBytes - 1)) & ~(AlignmentBytes - 1);
        if (bytes > _left)
        {
            nuint chunkBytes = Math.Max(bytes, ChunkBytes);
            byte* chunk = (byte*)NativeMemory.AlignedAlloc(chunkBytes, AlignmentBytes);
            NativeMemory.Clear(chunk, chunkBytes);
            _chunks.Add((nint)chunk);
            _next = chunk;
            _left = chunkBytes;
        }
        byte* result = _next;
        _next += bytes;
        _left -= bytes;
        return (T*)result;
    }

    /// <summary>A copy of <paramref name="text"/> as a zero-terminated UTF-8 string.</summary>
    public sbyte* Text(string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        byte* copy = Allocate<byte>(bytes + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(copy, bytes));
        return (sbyte*)copy;
    }

    /// <summary>A copy of <paramref name="values"/>.</summary>
    public T* Copy<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        T* copy = Allocate<T>(values.Length);
        values.CopyTo(new Span<T>(copy, values.Length));
        return copy;
    }

    /// <inheritdoc/>
    protected override void Free()
    {
        foreach (nint chunk in _chunks)
        {
            NativeMemory.AlignedFree((void*)chunk);
        }
        _chunks.Clear();
    }
}
