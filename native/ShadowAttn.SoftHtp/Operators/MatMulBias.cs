using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>The optional third operand of a fixed-point MatMul, one value per column.</summary>
internal readonly unsafe struct MatMulBias
{
    readonly Qnn_DataType_t _type;
    readonly int _offset;
    readonly double _scale;

    internal MatMulBias(TensorInfo bias, TensorInfo result)
    {
        _type = bias.DataType;
        _offset = bias.Encoding.Offset;
        _scale = (double)bias.Encoding.Scale / result.Encoding.Scale;
    }

    /// <summary>Types that a bias can have.</summary>
    internal static bool Accepts(Qnn_DataType_t type) =>
        type is QNN_DATATYPE_SFIXED_POINT_32 or QNN_DATATYPE_UFIXED_POINT_8;

    /// <summary>Bias of one column in steps of the output.</summary>
    internal double StepsAt(byte* data, long column) => _scale * ((long)FixedPoint.Load(data, _type, column) + _offset);
}
