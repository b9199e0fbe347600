using System.Runtime.InteropServices;
using System.Text;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>Native memory of a check: descriptors, names, shapes and buffers, freed together.</summary>
internal sealed unsafe class RawMemory : IDisposable
{
    private const nuint AlignmentBytes = 64;

    private readonly Lock _gate = new();
    private readonly List<nint> _blocks = [];

    /// <summary>A zeroed block of whole 64 bytes, aligned to 64 bytes.</summary>
    public byte* Allocate(int bytes)
    {
        nuint size = ((nuint)Math.Max(bytes, 1) + (AlignmentBytes - 1)) / AlignmentBytes * AlignmentBytes;
        byte* block = (byte*)NativeMemory.AlignedAlloc(size, AlignmentBytes);
        NativeMemory.Clear(block, size);
        lock (_gate)
        {
            _blocks.Add((nint)block);
        }

        return block;
    }

    /// <summary>A copy of values.</summary>
    public T* Copy<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        byte* copy = Allocate(values.Length * sizeof(T));
        values.CopyTo(new Span<T>(copy, values.Length));
        return (T*)copy;
    }

    /// <summary>A zero-terminated UTF-8 string.</summary>
    public sbyte* Text(string text) => (sbyte*)Copy<byte>(Encoding.UTF8.GetBytes(text + '\0'));

    public void Dispose()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.AlignedFree((void*)block);
        }

        _blocks.Clear();
    }
}
