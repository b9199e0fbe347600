using System.Runtime.InteropServices;
using System.Text;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>C structs handed to a client, freed together. Not for several threads at once.</summary>
internal sealed unsafe class NativeRegion
{
    readonly List<nint> _blocks = [];

    /// <summary>Zeroed room for <paramref name="count"/> of <typeparamref name="T"/>.</summary>
    internal T* Allocate<T>(int count)
        where T : unmanaged
    {
        void* block = NativeMemory.AllocZeroed((nuint)Math.Max(count, 1), (nuint)sizeof(T));
        _blocks.Add((nint)block);
        return (T*)block;
    }

    internal T* Copy<T>(ReadOnlySpan<T> items)
        where T : unmanaged
    {
        T* copy = Allocate<T>(items.Length);
        items.CopyTo(new Span<T>(copy, items.Length));
        return copy;
    }

    internal uint* Copy(uint[] items) => Copy<uint>(items);

    internal sbyte* Text(string text) => (sbyte*)Copy<byte>(Encoding.UTF8.GetBytes(text + '\0'));

    internal void Free()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.Free((void*)block);
        }
        _blocks.Clear();
    }
}
