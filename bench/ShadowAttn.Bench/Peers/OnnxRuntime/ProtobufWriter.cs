using System.Buffers.Binary;
using System.Text;

namespace ShadowAttn.Bench.Peers.OnnxRuntime;

/// <summary>Writes protocol buffer fields: the three wire types that ONNX models need.</summary>
public sealed class ProtobufWriter
{
    private const int Varint = 0;
    private const int LengthDelimited = 2;
    private const int Fixed32 = 5;

    private readonly List<byte> bytes = [];

    /// <summary>A number field, wire type 0.</summary>
    /// <param name="field">The field's number.</param>
    /// <param name="value">The number; negative ones take ten bytes, as int64 fields have it.</param>
    public void Number(int field, long value)
    {
        WriteVarint((ulong)((field << 3) | Varint));
        WriteVarint((ulong)value);
    }

    /// <summary>A float field, wire type 5.</summary>
    /// <param name="field">The field's number.</param>
    /// <param name="value">The value.</param>
    public void Float(int field, float value)
    {
        WriteVarint((ulong)((field << 3) | Fixed32));
        Span<byte> buffer = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(buffer, value);
        bytes.AddRange(buffer);
    }

    /// <summary>A string field, UTF-8, wire type 2.</summary>
    /// <param name="field">The field's number.</param>
    /// <param name="value">The string.</param>
    public void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    /// <summary>An embedded message, wire type 2.</summary>
    /// <param name="field">The field's number.</param>
    /// <param name="fill">Writes the message's fields.</param>
    public void Message(int field, Action<ProtobufWriter> fill)
    {
        var inner = new ProtobufWriter();
        fill(inner);
        Bytes(field, inner.ToArray());
    }

    /// <summary>What has been written.</summary>
    public byte[] ToArray() => [.. bytes];

    private void Bytes(int field, ReadOnlySpan<byte> value)
    {
        WriteVarint((ulong)((field << 3) | LengthDelimited));
        WriteVarint((ulong)value.Length);
        bytes.AddRange(value);
    }

    private void WriteVarint(ulong value)
    {
        while (value >= 0x80)
        {
            bytes.Add((byte)(value | 0x80));
            value >>= 7;
        }

        bytes.Add((byte)value);
    }
}
