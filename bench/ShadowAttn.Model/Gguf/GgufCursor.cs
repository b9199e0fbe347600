using System.Runtime.CompilerServices;
using System.Text;

namespace ShadowAttn.Model.Gguf;

/// <summary>Reads little-endian numbers and strings from a mapped file and never past its end.</summary>
internal unsafe ref struct GgufCursor(string file, byte* start, long length, long position)
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Byte offset of what is read next.</summary>
    public long Position { get; private set; } = position;

    /// <summary>Bytes that follow.</summary>
    public readonly long Remaining => length - Position;

    /// <summary>Reads a number; the machine is little endian like the file.</summary>
    public T Read<T>(string what)
        where T : unmanaged
    {
        Require(sizeof(T), what);
        T value = Unsafe.ReadUnaligned<T>(start + Position);
        Position += sizeof(T);
        return value;
    }

    /// <summary>Reads a length and as many bytes of UTF-8.</summary>
    public string ReadString(string what)
    {
        ReadOnlySpan<byte> bytes = ReadBytes(what);
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelException($"{file}: {what} at byte {Position - bytes.Length} is no valid UTF-8: the file is damaged", e);
        }
    }

    /// <summary>Steps over bytes.</summary>
    public void Skip(long bytes, string what)
    {
        Require(bytes, what);
        Position += bytes;
    }

    /// <summary>Reads a length and as many bytes.</summary>
    public ReadOnlySpan<byte> ReadBytes(string what)
    {
        ulong count = Read<ulong>(what);
        if (count > int.MaxValue || (long)count > Remaining)
        {
            throw new ModelException(
                $"{file}: {what} at byte {Position} is given as {count} bytes long, but only {Remaining} follow: the file is truncated or damaged");
        }

        var bytes = new ReadOnlySpan<byte>(start + Position, (int)count);
        Position += (long)count;
        return bytes;
    }

    private readonly void Require(long bytes, string what)
    {
        if (bytes > Remaining)
        {
            throw new ModelException($"{file}: ends at byte {length}, in {what}: the file is truncated or damaged");
        }
    }
}
