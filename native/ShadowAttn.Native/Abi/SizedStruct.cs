using System.Runtime.CompilerServices;

namespace ShadowAttn.Native;

/// <summary>Structs that begin with their size in bytes, as a uint32: the caller's may be older or newer than this library's.</summary>
internal static unsafe class SizedStruct
{
    /// <summary>No struct will ever be larger; more is a number that was never set.</summary>
    private const uint MaxBytes = 4096;

    /// <summary>The caller's struct, with zeros for what an older one lacks. Null gives all zeros.</summary>
    /// <typeparam name="T">This library's struct.</typeparam>
    /// <param name="source">The caller's; may be null.</param>
    /// <param name="firstBytes">Its size in the first version of the header.</param>
    /// <param name="name">What the message calls it.</param>
    /// <exception cref="SaException">A size that is too small, or a newer struct with a field that this library does not know.</exception>
    public static T Read<T>(T* source, int firstBytes, string name)
        where T : unmanaged
    {
        T copy = default;
        if (source == null)
        {
            return copy;
        }

        uint size = CheckSize(source, firstBytes, name);
        int known = (int)Math.Min(size, (uint)sizeof(T));
        if (new ReadOnlySpan<byte>((byte*)source + known, (int)size - known).ContainsAnyExcept((byte)0))
        {
            throw new SaException(
                SaStatus.StructSize, $"{name} has {size} bytes, this library knows {sizeof(T)} of them, and the others are not zero: a newer library is needed");
        }

        Buffer.MemoryCopy(source, &copy, sizeof(T), known);
        return copy;
    }

    /// <summary>The caller's size of a struct that is going to be written.</summary>
    /// <exception cref="SaException">The pointer is null, or the size is too small or too large.</exception>
    public static uint CheckSize<T>(T* destination, int firstBytes, string name)
        where T : unmanaged
    {
        if (destination == null)
        {
            throw SaException.Null(name);
        }

        uint size = Unsafe.ReadUnaligned<uint>(destination);
        return size >= firstBytes && size <= MaxBytes ? size : throw new SaException(
            SaStatus.StructSize, $"{name}.size is {size}; it must be sizeof the struct, which is {sizeof(T)} here and {firstBytes} at least");
    }

    /// <summary>Writes as much as the caller knows; its size stays as it is, and what it knows beyond this library becomes zero.</summary>
    /// <param name="destination">The caller's struct.</param>
    /// <param name="size">Its checked size.</param>
    /// <param name="value">This library's; its size is not written.</param>
    public static void Write<T>(T* destination, uint size, in T value)
        where T : unmanaged
    {
        int known = (int)Math.Min(size, (uint)sizeof(T));
        fixed (T* source = &value)
        {
            Buffer.MemoryCopy((byte*)source + sizeof(uint), (byte*)destination + sizeof(uint), known - sizeof(uint), known - sizeof(uint));
        }

        new Span<byte>((byte*)destination + known, (int)size - known).Clear();
    }
}
