using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>out[..., m, n] = in0[..., m, k] · in1[..., k, n] (+ bias[n]); either operand may be stored transposed.</summary>
internal sealed class MatMulOperator : Operator
{
    const int MaxRank = 5;

    static readonly (Qnn_DataType_t In0, Qnn_DataType_t In1, Qnn_DataType_t Out)[] Accepted =
    [
        (QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8),
        (QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8),
        (QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8),
        (QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_16),
        (QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16),
        (QNN_DATATYPE_FLOAT_16, QNN_DATATYPE_FLOAT_16, QNN_DATATYPE_FLOAT_16),
        (QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_FLOAT_32),
    ];

    internal override string TypeName => "MatMul";

    internal override string? Refuse(OpCall call)
    {
        if ((call.CheckOperands(2, 1, optionalInputs: 1)
            ?? call.CheckParameters(("transpose_in0", QNN_DATATYPE_BOOL_8), ("transpose_in1", QNN_DATATYPE_BOOL_8))) is string wrong)
        {
            return wrong;
        }
        TensorInfo in0 = call.Inputs[0];
        TensorInfo in1 = call.Inputs[1];
        TensorInfo result = call.Outputs[0];
        if (Array.IndexOf(Accepted, (in0.DataType, in1.DataType, result.DataType)) < 0)
        {
            return $"{DataTypes.Name(in0.DataType)} x {DataTypes.Name(in1.DataType)} -> {DataTypes.Name(result.DataType)} is no accepted set of types";
        }
        if (in0.Rank < 2 || in0.Rank > MaxRank || in1.Rank != in0.Rank || result.Rank != in0.Rank)
        {
            return $"ranks {in0.Rank}, {in1.Rank} -> {result.Rank}; expected one rank from 2 to {MaxRank}";
        }
        for (int axis = 0; axis < in0.Rank - 2; axis++)
        {
            if (in0.Dimensions[axis] != in1.Dimensions[axis] || in0.Dimensions[axis] != result.Dimensions[axis])
            {
                return $"batch dimensions of {in0.Shape} x {in1.Shape} -> {result.Shape} differ; stack a group's queries as rows instead";
            }
        }
        MatMulShape shape = MatMulShape.Of(call);
        if (shape.Inner != shape.InnerOf1 || result.DimensionFromEnd(1) != shape.Rows || result.DimensionFromEnd(0) != shape.Columns)
        {
            return $"{in0.Shape}{(shape.Transpose0 ? "ᵀ" : "")} x {in1.Shape}{(shape.Transpose1 ? "ᵀ" : "")} does not give {result.Shape}";
        }
        bool isFloat = !DataTypes.IsFixedPoint(in0.DataType);
        foreach (TensorInfo operand in (ReadOnlySpan<TensorInfo>)[in0, in1, result])
        {
            if (!isFloat && !operand.Encoding.IsUsablePerTensor)
            {
                return $"{operand} needs one finite positive scale for the whole tensor";
            }
        }
        return call.Inputs.Length == 3 ? RefuseBias(call.Inputs[2], shape.Columns, isFloat) : null;
    }

    static string? RefuseBias(TensorInfo bias, long columns, bool isFloat)
    {
        if (bias.Rank == 0 || bias.LastDimension != columns || bias.Elements != columns)
        {
            return $"bias {bias} must have {columns} elements";
        }
        if (isFloat)
        {
            return bias.DataType is QNN_DATATYPE_FLOAT_32 or QNN_DATATYPE_FLOAT_16 ? null : $"bias {bias} must be a float";
        }
        if (!MatMulBias.Accepts(bias.DataType))
        {
            return $"bias {bias} must be SFIXED_POINT_32 or UFIXED_POINT_8";
        }
        return bias.Encoding.IsUsablePerTensor ? null : $"bias {bias} needs one finite positive scale for the whole tensor";
    }

    internal override Step Compile(OpCall call, StepOptions options)
    {
        return call.Inputs[0].DataType switch
        {
            QNN_DATATYPE_FLOAT_16 or QNN_DATATYPE_FLOAT_32 => new FloatMatMulStep(call, options),
            QNN_DATATYPE_UFIXED_POINT_8 or QNN_DATATYPE_SFIXED_POINT_8 => ByteMatMulStep.Create(call, options),
            _ => new WideMatMulStep(call),
        };
    }
}

/// <summary>Sizes of a matrix product; operand matrices follow one another, one per batch index.</summary>
internal readonly record struct MatMulShape(long Batches, long Rows, long Inner, long InnerOf1, long Columns, bool Transpose0, bool Transpose1)
{
    internal static MatMulShape Of(OpCall call)
    {
        TensorInfo in0 = call.Inputs[0];
        TensorInfo in1 = call.Inputs[1];
        bool transpose0 = call.Flag(QnnApi.QNN_OP_MAT_MUL_PARAM_TRANSPOSE_IN0, false);
        bool transpose1 = call.Flag(QnnApi.QNN_OP_MAT_MUL_PARAM_TRANSPOSE_IN1, false);
        long rows = in0.DimensionFromEnd(transpose0 ? 0 : 1);
        long inner = in0.DimensionFromEnd(transpose0 ? 1 : 0);
        return new MatMulShape(
            in0.Elements / (rows * inner),
            rows,
            inner,
            in1.DimensionFromEnd(transpose1 ? 0 : 1),
            in1.DimensionFromEnd(transpose1 ? 1 : 0),
            transpose0,
            transpose1);
    }

    internal ulong Macs => (ulong)(Batches * Rows * Inner * Columns);
}
