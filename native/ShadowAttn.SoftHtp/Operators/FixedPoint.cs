using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>Access to elements of any integer type, for code that is not worth a variant per type.</summary>
internal static unsafe class FixedPoint
{
    /// <summary>Stored value of an integer type of up to 32 bits (UINT_32 wraps).</summary>
    internal static int Load(byte* data, Qnn_DataType_t type, long index) => type switch
    {
        QNN_DATATYPE_SFIXED_POINT_8 or QNN_DATATYPE_INT_8 => ((sbyte*)data)[index],
        QNN_DATATYPE_UFIXED_POINT_8 or QNN_DATATYPE_UINT_8 or QNN_DATATYPE_BOOL_8 => data[index],
        QNN_DATATYPE_SFIXED_POINT_16 or QNN_DATATYPE_INT_16 => ((short*)data)[index],
        QNN_DATATYPE_UFIXED_POINT_16 or QNN_DATATYPE_UINT_16 => ((ushort*)data)[index],
        _ => ((int*)data)[index],
    };

    /// <summary>Stores the low bits of <paramref name="value"/>.</summary>
    internal static void Store(byte* data, Qnn_DataType_t type, long index, int value)
    {
        switch (DataTypes.Bytes(type))
        {
            case 1:
                data[index] = (byte)value;
                break;
            case 2:
                ((short*)data)[index] = (short)value;
                break;
            default:
                ((int*)data)[index] = value;
                break;
        }
    }
}
