using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ShadowAttn.Graphs;

/// <summary>
/// The file format of a cached context: magic, lengths and SHA-256 of everything behind them, the description, the backend's binary. The
/// checksum is ours because HTP accepts binaries with flipped bytes.
/// </summary>
internal static class CacheEntry
{
    public const string Extension = ".qnnctx";

    private const int HeaderBytes = 8 + 4 + 8 + SHA256.HashSizeInBytes;
    private const int MaxDescriptionBytes = 1 << 20;

    private static ReadOnlySpan<byte> Magic => "SATNCTX1"u8;

    /// <summary>The key of a description: what its file is called.</summary>
    public static string Key(string description) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(description)))[..40];

    /// <summary>The bytes of an entry.</summary>
    public static byte[] Write(string description, ReadOnlySpan<byte> binary)
    {
        byte[] text = Encoding.UTF8.GetBytes(description);
        byte[] entry = new byte[HeaderBytes + text.Length + binary.Length];
        Magic.CopyTo(entry);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(8), text.Length);
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(12), binary.Length);
        text.CopyTo(entry.AsSpan(HeaderBytes));
        binary.CopyTo(entry.AsSpan(HeaderBytes + text.Length));
        Hash(entry).CopyTo(entry.AsSpan(20));
        return entry;
    }

    /// <summary>Takes an entry apart; null with a reason when it is not whole.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> entry, out string description, out ReadOnlyMemory<byte> binary, out string reason)
    {
        description = string.Empty;
        binary = default;
        ReadOnlySpan<byte> bytes = entry.Span;
        if (bytes.Length < HeaderBytes || !bytes[..8].SequenceEqual(Magic))
        {
            reason = "not a cached context of this version";
            return false;
        }

        int textBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        long binaryBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[12..]);
        if (textBytes is < 0 or > MaxDescriptionBytes || binaryBytes != (long)bytes.Length - HeaderBytes - textBytes || binaryBytes < 0)
        {
            reason = $"truncated or overlong: {bytes.Length} bytes";
            return false;
        }

        if (!CryptographicOperations.FixedTimeEquals(Hash(bytes), bytes.Slice(20, SHA256.HashSizeInBytes)))
        {
            reason = "checksum does not fit the content";
            return false;
        }

        description = Encoding.UTF8.GetString(bytes.Slice(HeaderBytes, textBytes));
        binary = entry[(HeaderBytes + textBytes)..];
        reason = string.Empty;
        return true;
    }

    private static byte[] Hash(ReadOnlySpan<byte> entry)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(entry[..20]);
        hash.AppendData(entry[HeaderBytes..]);
        return hash.GetHashAndReset();
    }
}
