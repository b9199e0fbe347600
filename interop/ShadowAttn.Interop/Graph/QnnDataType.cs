using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>Element type of a tensor. <c>SFixed</c> and <c>UFixed</c> are quantised integers with an encoding.</summary>
public enum QnnDataType
{
    /// <summary>Signed 8-bit integer.</summary>
    Int8 = (int)Qnn_DataType_t.QNN_DATATYPE_INT_8,

    /// <summary>Signed 16-bit integer.</summary>
    Int16 = (int)Qnn_DataType_t.QNN_DATATYPE_INT_16,

    /// <summary>Signed 32-bit integer.</summary>
    Int32 = (int)Qnn_DataType_t.QNN_DATATYPE_INT_32,

    /// <summary>Signed 64-bit integer.</summary>
    Int64 = (int)Qnn_DataType_t.QNN_DATATYPE_INT_64,

    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8 = (int)Qnn_DataType_t.QNN_DATATYPE_UINT_8,

    /// <summary>Unsigned 16-bit integer.</summary>
    UInt16 = (int)Qnn_DataType_t.QNN_DATATYPE_UINT_16,

    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32 = (int)Qnn_DataType_t.QNN_DATATYPE_UINT_32,

    /// <summary>Unsigned 64-bit integer.</summary>
    UInt64 = (int)Qnn_DataType_t.QNN_DATATYPE_UINT_64,

    /// <summary>IEEE half.</summary>
    Float16 = (int)Qnn_DataType_t.QNN_DATATYPE_FLOAT_16,

    /// <summary>The upper half of a single.</summary>
    BFloat16 = (int)Qnn_DataType_t.QNN_DATATYPE_BFLOAT_16,

    /// <summary>IEEE single.</summary>
    Float32 = (int)Qnn_DataType_t.QNN_DATATYPE_FLOAT_32,

    /// <summary>IEEE double.</summary>
    Float64 = (int)Qnn_DataType_t.QNN_DATATYPE_FLOAT_64,

    /// <summary>Quantised, signed, 8 bits.</summary>
    SFixed8 = (int)Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8,

    /// <summary>Quantised, signed, 16 bits.</summary>
    SFixed16 = (int)Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_16,

    /// <summary>Quantised, signed, 32 bits.</summary>
    SFixed32 = (int)Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_32,

    /// <summary>Quantised, unsigned, 8 bits.</summary>
    UFixed8 = (int)Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_8,

    /// <summary>Quantised, unsigned, 16 bits.</summary>
    UFixed16 = (int)Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_16,

    /// <summary>Quantised, unsigned, 32 bits.</summary>
    UFixed32 = (int)Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_32,

    /// <summary>A truth value in 8 bits.</summary>
    Bool8 = (int)Qnn_DataType_t.QNN_DATATYPE_BOOL_8,
}

/// <summary>Facts about data types.</summary>
public static class QnnDataTypes
{
    /// <summary>Bytes of one element in a buffer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not a type of whole bytes.</exception>
    public static int ElementBytes(this QnnDataType type) => type switch
    {
        QnnDataType.Int8 or QnnDataType.UInt8 or QnnDataType.SFixed8 or QnnDataType.UFixed8 or QnnDataType.Bool8 => 1,
        QnnDataType.Int16 or QnnDataType.UInt16 or QnnDataType.SFixed16 or QnnDataType.UFixed16
            or QnnDataType.Float16 or QnnDataType.BFloat16 => 2,
        QnnDataType.Int32 or QnnDataType.UInt32 or QnnDataType.SFixed32 or QnnDataType.UFixed32 or QnnDataType.Float32 => 4,
        QnnDataType.Int64 or QnnDataType.UInt64 or QnnDataType.Float64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a QNN data type of whole bytes."),
    };

    /// <summary>Whether the type is a quantised integer, which needs an encoding.</summary>
    public static bool IsQuantised(this QnnDataType type) => type is QnnDataType.SFixed8 or QnnDataType.SFixed16 or QnnDataType.SFixed32
        or QnnDataType.UFixed8 or QnnDataType.UFixed16 or QnnDataType.UFixed32;
}
