using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>Elements of test tensors as doubles.</summary>
internal static class Elements
{
    internal static double Min(Qnn_DataType_t type) => type switch
    {
        QNN_DATATYPE_SFIXED_POINT_8 => -128,
        QNN_DATATYPE_SFIXED_POINT_16 => -32768,
        QNN_DATATYPE_SFIXED_POINT_32 or QNN_DATATYPE_INT_32 => int.MinValue,
        _ => 0,
    };

    internal static double Max(Qnn_DataType_t type) => type switch
    {
        QNN_DATATYPE_SFIXED_POINT_8 => 127,
        QNN_DATATYPE_UFIXED_POINT_8 => 255,
        QNN_DATATYPE_SFIXED_POINT_16 => 32767,
        QNN_DATATYPE_UFIXED_POINT_16 => 65535,
        _ => int.MaxValue,
    };

    /// <summary>Stored value; a float's own value.</summary>
    internal static double At(TestTensor tensor, int index)
    {
        byte[] data = tensor.Data!;
        return tensor.DataType switch
        {
            QNN_DATATYPE_SFIXED_POINT_8 => (sbyte)data[index],
            QNN_DATATYPE_UFIXED_POINT_8 or QNN_DATATYPE_BOOL_8 => data[index],
            QNN_DATATYPE_SFIXED_POINT_16 => MemoryMarshal.Cast<byte, short>(data)[index],
            QNN_DATATYPE_UFIXED_POINT_16 => MemoryMarshal.Cast<byte, ushort>(data)[index],
            QNN_DATATYPE_FLOAT_16 => (double)MemoryMarshal.Cast<byte, Half>(data)[index],
            QNN_DATATYPE_FLOAT_32 => MemoryMarshal.Cast<byte, float>(data)[index],
            QNN_DATATYPE_UINT_32 => MemoryMarshal.Cast<byte, uint>(data)[index],
            _ => MemoryMarshal.Cast<byte, int>(data)[index],
        };
    }

    /// <summary>Real value: scale * (stored + offset), or the float itself.</summary>
    internal static double RealAt(TestTensor tensor, int index) =>
        tensor.DataType is QNN_DATATYPE_FLOAT_32 or QNN_DATATYPE_FLOAT_16 ? At(tensor, index) : tensor.Scale * (At(tensor, index) + tensor.Offset);

    /// <summary>Random contents: all values of an integer type, a normal distribution for floats.</summary>
    internal static byte[] Draw(Random random, TestTensor tensor)
    {
        byte[] data = new byte[tensor.Bytes];
        switch (tensor.DataType)
        {
            case QNN_DATATYPE_FLOAT_32:
                foreach (ref float value in MemoryMarshal.Cast<byte, float>(data.AsSpan()))
                {
                    value = (float)Normal(random);
                }
                break;
            case QNN_DATATYPE_FLOAT_16:
                foreach (ref Half value in MemoryMarshal.Cast<byte, Half>(data.AsSpan()))
                {
                    value = (Half)Normal(random);
                }
                break;
            default:
                random.NextBytes(data);
                break;
        }
        return data;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
