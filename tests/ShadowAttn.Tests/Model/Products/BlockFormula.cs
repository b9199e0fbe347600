using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Tests.Model.Products;

/// <summary>The block formats element by element, as their definition has them.</summary>
internal static class BlockFormula
{
    public static float[] Dequantize(GgufTensorType type, ReadOnlySpan<byte> bytes)
    {
        var values = new List<float>();
        for (int at = 0; at < bytes.Length; at += type.BlockBytes)
        {
            ReadOnlySpan<byte> block = bytes.Slice(at, type.BlockBytes);
            for (int i = 0; i < type.BlockElements; i++)
            {
                values.Add(Element(type.Name, block, i));
            }
        }

        return [.. values];
    }

    private static float Element(string type, ReadOnlySpan<byte> block, int i) => type switch
    {
        "F32" => BitConverter.ToSingle(block),
        "F16" => Half(block, 0),
        "BF16" => BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(block) << 16),
        "Q4_0" => (Nibble(block[2..], i) - 8) * Half(block, 0),
        "Q4_1" => (Nibble(block[4..], i) * Half(block, 0)) + Half(block, 2),
        "Q5_0" => (Nibble(block[6..], i) + (16 * Bit(block[2..], i)) - 16) * Half(block, 0),
        "Q5_1" => ((Nibble(block[8..], i) + (16 * Bit(block[4..], i))) * Half(block, 0)) + Half(block, 2),
        "Q8_0" => (sbyte)block[2 + i] * Half(block, 0),
        "Q4_K" => FourOrFive(block, i, block[16..], 0),
        "Q5_K" => FourOrFive(block, i, block[48..], 16 * ((block[16 + (i % 32)] >> (i / 32)) & 1)),
        "Q6_K" => Six(block, i),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type),
    };

    private static float Half(ReadOnlySpan<byte> block, int at) => (float)BitConverter.ToHalf(block[at..]);

    private static int Nibble(ReadOnlySpan<byte> packed, int i) => i < 16 ? packed[i] & 15 : packed[i - 16] >> 4;

    private static int Bit(ReadOnlySpan<byte> bits, int i) => (bits[i / 8] >> (i % 8)) & 1;

    private static float FourOrFive(ReadOnlySpan<byte> block, int i, ReadOnlySpan<byte> packed, int fifth)
    {
        int group = i / 32;
        byte both = packed[(32 * (group / 2)) + (i % 32)];
        int q = (group % 2 == 0 ? both & 15 : both >> 4) + fifth;
        ReadOnlySpan<byte> s = block.Slice(4, 12);
        int scale = group < 4 ? s[group] & 63 : (s[group + 4] & 15) + (16 * (s[group - 4] >> 6));
        int minimum = group < 4 ? s[group + 4] & 63 : (s[group + 4] >> 4) + (16 * (s[group] >> 6));
        return (Half(block, 0) * scale * q) - (Half(block, 2) * minimum);
    }

    private static float Six(ReadOnlySpan<byte> block, int i)
    {
        int half = i / 128;
        int quarter = i % 128 / 32;
        int l = i % 32;
        byte low = block[(64 * half) + (32 * (quarter % 2)) + l];
        int q = (quarter < 2 ? low & 15 : low >> 4) + (16 * ((block[128 + (32 * half) + l] >> (2 * quarter)) & 3)) - 32;
        return Half(block, 208) * (sbyte)block[192 + (8 * half) + (2 * quarter) + (l / 16)] * q;
    }
}
