using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Tensors;

/// <summary>Sizes and value ranges of the tensor data types.</summary>
internal static class DataTypes
{
    /// <summary>Bytes of one element; 0 for a type that tensors here cannot have.</summary>
    internal static uint Bytes(Qnn_DataType_t type) => type switch
    {
        QNN_DATATYPE_INT_8 or QNN_DATATYPE_UINT_8 or QNN_DATATYPE_SFIXED_POINT_8 or QNN_DATATYPE_UFIXED_POINT_8 or QNN_DATATYPE_BOOL_8 => 1,
        QNN_DATATYPE_INT_16 or QNN_DATATYPE_UINT_16 or QNN_DATATYPE_SFIXED_POINT_16 or QNN_DATATYPE_UFIXED_POINT_16
            or QNN_DATATYPE_FLOAT_16 or QNN_DATATYPE_BFLOAT_16 => 2,
        QNN_DATATYPE_INT_32 or QNN_DATATYPE_UINT_32 or QNN_DATATYPE_SFIXED_POINT_32 or QNN_DATATYPE_UFIXED_POINT_32
            or QNN_DATATYPE_FLOAT_32 => 4,
        QNN_DATATYPE_INT_64 or QNN_DATATYPE_UINT_64 or QNN_DATATYPE_FLOAT_64 => 8,
        _ => 0,
    };

    /// <summary>Whether elements are scale * (stored + offset).</summary>
    internal static bool IsFixedPoint(Qnn_DataType_t type) => type is QNN_DATATYPE_SFIXED_POINT_8 or QNN_DATATYPE_UFIXED_POINT_8
        or QNN_DATATYPE_SFIXED_POINT_16 or QNN_DATATYPE_UFIXED_POINT_16 or QNN_DATATYPE_SFIXED_POINT_32 or QNN_DATATYPE_UFIXED_POINT_32;

    /// <summary>Smallest and largest stored value of an integer type of up to 32 bits.</summary>
    internal static (long Min, long Max) Range(Qnn_DataType_t type) => type switch
    {
        QNN_DATATYPE_INT_8 or QNN_DATATYPE_SFIXED_POINT_8 => (sbyte.MinValue, sbyte.MaxValue),
        QNN_DATATYPE_UINT_8 or QNN_DATATYPE_UFIXED_POINT_8 => (byte.MinValue, byte.MaxValue),
        QNN_DATATYPE_INT_16 or QNN_DATATYPE_SFIXED_POINT_16 => (short.MinValue, short.MaxValue),
        QNN_DATATYPE_UINT_16 or QNN_DATATYPE_UFIXED_POINT_16 => (ushort.MinValue, ushort.MaxValue),
        QNN_DATATYPE_INT_32 or QNN_DATATYPE_SFIXED_POINT_32 => (int.MinValue, int.MaxValue),
        QNN_DATATYPE_UINT_32 or QNN_DATATYPE_UFIXED_POINT_32 => (uint.MinValue, uint.MaxValue),
        QNN_DATATYPE_BOOL_8 => (0, 1),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an integer type of up to 32 bits"),
    };

    /// <summary>Short name for messages, for example <c>SFIXED_POINT_8</c>.</summary>
    internal static string Name(Qnn_DataType_t type) => type.ToString().Replace("QNN_DATATYPE_", "", StringComparison.Ordinal);
}
