using System.Runtime.InteropServices;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Conformance.Reference;

/// <summary>A tensor of a check: type, shape, encoding and, once it has some, its contents.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Lengths of the axes, outermost first.</param>
/// <param name="Scale">Real value of one step, for fixed-point types.</param>
/// <param name="Offset">Real = scale · (stored + offset).</param>
internal sealed record Operand(QnnDataType Type, int[] Shape, float Scale = 0, int Offset = 0)
{
    /// <summary>Row-major contents; for an output, what the backend wrote.</summary>
    public byte[]? Data { get; init; }

    /// <summary>A tensor whose type's whole range stands for about -range to range.</summary>
    public static Operand Spanning(double range, QnnDataType type, params int[] shape) => type switch
    {
        QnnDataType.UFixed8 => new Operand(type, shape, (float)(range / 128), -128),
        QnnDataType.SFixed8 => new Operand(type, shape, (float)(range / 128)),
        QnnDataType.UFixed16 => new Operand(type, shape, (float)(range / 32768), -32768),
        QnnDataType.SFixed16 => new Operand(type, shape, (float)(range / 32768)),
        QnnDataType.SFixed32 or QnnDataType.UFixed32 => new Operand(type, shape, (float)(range / 2147483648)),
        _ => new Operand(type, shape),
    };

    public int Elements => Shape.Aggregate(1, (product, length) => product * length);

    public int Bytes => Elements * Type.ElementBytes();

    public int LastAxis => Shape[^1];

    /// <summary>With random contents over the whole range of an integer type, or of a normal distribution.</summary>
    public Operand Filled(int seed)
    {
        var random = new Random(seed);
        byte[] data = new byte[Bytes];
        switch (Type)
        {
            case QnnDataType.Float32:
                foreach (ref float value in MemoryMarshal.Cast<byte, float>(data.AsSpan()))
                {
                    value = (float)Normal(random);
                }

                break;
            case QnnDataType.Float16:
                foreach (ref Half value in MemoryMarshal.Cast<byte, Half>(data.AsSpan()))
                {
                    value = (Half)Normal(random);
                }

                break;
            case QnnDataType.Int32:
                // Products and sums of two stay far from the type's ends.
                foreach (ref int value in MemoryMarshal.Cast<byte, int>(data.AsSpan()))
                {
                    value = random.Next(-20_000, 20_001);
                }

                break;
            case QnnDataType.Bool8:
                foreach (ref byte value in data.AsSpan())
                {
                    value = (byte)random.Next(2);
                }

                break;
            default:
                random.NextBytes(data);
                break;
        }

        return this with { Data = data };
    }

    /// <summary>The element as it is stored; a float's own value.</summary>
    public double Stored(int index)
    {
        byte[] data = Data!;
        return Type switch
        {
            QnnDataType.SFixed8 => (sbyte)data[index],
            QnnDataType.UFixed8 or QnnDataType.Bool8 => data[index],
            QnnDataType.SFixed16 => MemoryMarshal.Cast<byte, short>(data)[index],
            QnnDataType.UFixed16 => MemoryMarshal.Cast<byte, ushort>(data)[index],
            QnnDataType.Float16 => (double)MemoryMarshal.Cast<byte, Half>(data)[index],
            QnnDataType.Float32 => MemoryMarshal.Cast<byte, float>(data)[index],
            QnnDataType.UInt32 => MemoryMarshal.Cast<byte, uint>(data)[index],
            _ => MemoryMarshal.Cast<byte, int>(data)[index],
        };
    }

    /// <summary>What the element means.</summary>
    public double Real(int index) => Type.IsQuantised() ? (double)Scale * (Stored(index) + Offset) : Stored(index);

    /// <summary>A real value in steps of this tensor, not rounded, within the type's range; for others than fixed-point types the value itself.</summary>
    public double InSteps(double real) => Type.IsQuantised() ? Math.Clamp(real / Scale - Offset, Least, Most) : real;

    public double Least => Type switch
    {
        QnnDataType.SFixed8 => sbyte.MinValue,
        QnnDataType.SFixed16 => short.MinValue,
        QnnDataType.Int32 => int.MinValue,
        _ => 0,
    };

    public double Most => Type switch
    {
        QnnDataType.SFixed8 => sbyte.MaxValue,
        QnnDataType.UFixed8 => byte.MaxValue,
        QnnDataType.SFixed16 => short.MaxValue,
        QnnDataType.UFixed16 => ushort.MaxValue,
        QnnDataType.UInt32 => uint.MaxValue,
        _ => int.MaxValue,
    };

    /// <inheritdoc/>
    public override string ToString() => $"{Name(Type)} [{string.Join(", ", Shape)}]";

    /// <summary>The type's short name.</summary>
    public static string Name(QnnDataType type) => type switch
    {
        QnnDataType.UFixed8 => "u8",
        QnnDataType.SFixed8 => "s8",
        QnnDataType.UFixed16 => "u16",
        QnnDataType.SFixed16 => "s16",
        QnnDataType.SFixed32 => "s32",
        QnnDataType.UFixed32 => "u32",
        QnnDataType.Float16 => "f16",
        QnnDataType.Float32 => "f32",
        QnnDataType.Int32 => "int32",
        QnnDataType.UInt32 => "uint32",
        QnnDataType.Bool8 => "bool",
        _ => type.ToString(),
    };

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
