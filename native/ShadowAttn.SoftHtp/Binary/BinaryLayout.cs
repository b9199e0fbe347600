using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace ShadowAttn.SoftHtp.Binary;

/// <summary>
/// This backend's context binaries, little-endian:
/// <code>magic[8]  format u32  reserved u32  total bytes u64  checksum of the body u64  |  body</code>
/// The body holds who made it, for which SoC, and per graph its tensors and nodes as they were composed; loading composes and
/// finalises again, with all checks. A text is its UTF-8 length (7 bits per byte) and its bytes.
/// </summary>
internal static class BinaryLayout
{
    internal const int HeaderBytes = 32;
    internal const uint Format = 1;

    internal static ReadOnlySpan<byte> Magic => "SHTPCTX\n"u8;

    /// <summary>Writes the header in front of <paramref name="binary"/>'s body.</summary>
    internal static void Seal(Span<byte> binary)
    {
        Magic.CopyTo(binary);
        BinaryPrimitives.WriteUInt32LittleEndian(binary[8..], Format);
        BinaryPrimitives.WriteUInt32LittleEndian(binary[12..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(binary[16..], (ulong)binary.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(binary[24..], Checksum(binary[HeaderBytes..]));
    }

    /// <summary>Whether <paramref name="binary"/> begins with a whole and intact binary of this format.</summary>
    internal static BinaryState Examine(ReadOnlySpan<byte> binary, out ReadOnlySpan<byte> body)
    {
        body = default;
        if (binary.Length < Magic.Length || !binary[..Magic.Length].SequenceEqual(Magic))
        {
            return BinaryState.Foreign;
        }
        if (binary.Length < HeaderBytes)
        {
            return BinaryState.Damaged;
        }
        if (BinaryPrimitives.ReadUInt32LittleEndian(binary[8..]) != Format)
        {
            return BinaryState.OtherVersion;
        }
        ulong total = BinaryPrimitives.ReadUInt64LittleEndian(binary[16..]);
        if (total < HeaderBytes || total > (ulong)binary.Length)
        {
            return BinaryState.Damaged;
        }
        body = binary[HeaderBytes..(int)total];
        return BinaryPrimitives.ReadUInt64LittleEndian(binary[24..]) == Checksum(body) ? BinaryState.Intact : BinaryState.Damaged;
    }

    /// <summary>Mixes eight bytes at a time: every single flipped bit changes it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static ulong Checksum(ReadOnlySpan<byte> bytes)
    {
        const ulong Prime = 0x9E37_79B9_7F4A_7C15;
        ulong state = (ulong)bytes.Length * Prime;
        while (bytes.Length >= sizeof(ulong))
        {
            state = Mix(state ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }
        ulong rest = 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            rest = (rest << 8) | bytes[i];
        }
        return Mix(state ^ rest);

        // A bijection, so different words keep different states.
        static ulong Mix(ulong word)
        {
            word = (word ^ (word >> 32)) * Prime;
            return word ^ (word >> 29);
        }
    }
}

/// <summary>What a context binary turned out to be.</summary>
internal enum BinaryState
{
    Intact,
    Foreign,
    OtherVersion,
    Damaged,
}
