using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Turns a client's op config into an <see cref="OpCall"/>.</summary>
internal static unsafe class OpConfigReader
{
    // More operands than any operator here takes; a larger count is a struct that was never filled in.
    const uint MaxOperands = 64;

    /// <summary>How an operand of the config becomes a description.</summary>
    internal delegate TensorInfo? Resolve(Qnn_Tensor_t* tensor, out string refusal);

    /// <summary>Operands are what the client's structs say (validation needs no graph).</summary>
    internal static TensorInfo? AsDescribed(Qnn_Tensor_t* tensor, out string refusal) => TensorInfo.Read(tensor, copyData: false, out refusal);

    internal static Operator? FindOperator(in Qnn_OpConfig_t config, out string refusal)
    {
        if (config.version != Qnn_OpConfigVersion_t.QNN_OPCONFIG_VERSION_1)
        {
            refusal = $"op config version {(uint)config.version} is unknown; expected 1";
            return null;
        }
        string? package = Marshal.PtrToStringUTF8((nint)config.Anonymous.v1.packageName);
        string? type = Marshal.PtrToStringUTF8((nint)config.Anonymous.v1.typeName);
        Operator? op = package == "qti.aisw" && type is not null ? Operator.Find(type) : null;
        refusal = op is null ? $"operator '{type}' of package '{package}' is unknown" : "";
        return op;
    }

    internal static OpCall? Read(in Qnn_OpConfig_t config, Resolve resolve, out string refusal)
    {
        ref readonly Qnn_OpConfigV1_t v1 = ref config.Anonymous.v1;
        if (Missing(v1.numOfParams, v1.@params) || Missing(v1.numOfInputs, v1.inputTensors) || Missing(v1.numOfOutputs, v1.outputTensors))
        {
            refusal = $"{v1.numOfParams} parameters, {v1.numOfInputs} inputs and {v1.numOfOutputs} outputs: an array is null or too long";
            return null;
        }
        OpParameter[]? parameters = OpCall.ReadParameters(v1, out refusal);
        TensorInfo[]? inputs = parameters is null ? null : Operands(v1.inputTensors, v1.numOfInputs, resolve, out refusal);
        TensorInfo[]? outputs = inputs is null ? null : Operands(v1.outputTensors, v1.numOfOutputs, resolve, out refusal);
        return outputs is null
            ? null
            : new OpCall
            {
                Name = Marshal.PtrToStringUTF8((nint)v1.name) ?? "",
                TypeName = Marshal.PtrToStringUTF8((nint)v1.typeName) ?? "",
                Inputs = inputs!,
                Outputs = outputs,
                Parameters = parameters!,
            };
    }

    static bool Missing(uint count, void* array) => count > MaxOperands || (count > 0 && array == null);

    static TensorInfo[]? Operands(Qnn_Tensor_t* tensors, uint count, Resolve resolve, out string refusal)
    {
        refusal = "";
        var operands = new TensorInfo[count];
        for (int i = 0; i < operands.Length; i++)
        {
            TensorInfo? operand = resolve(tensors + i, out refusal);
            if (operand is null)
            {
                return null;
            }
            operands[i] = operand;
        }
        return operands;
    }
}
