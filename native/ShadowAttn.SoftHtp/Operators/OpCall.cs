using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>One parameter of a node: a scalar (its 8 bytes as given) or a tensor with its contents.</summary>
internal sealed record OpParameter(string Name, Qnn_DataType_t Type, ulong Bits, TensorInfo? Tensor)
{
    internal uint AsUInt => (uint)Bits;

    internal bool AsBool => (byte)Bits != 0;

    internal float AsFloat => BitConverter.UInt32BitsToSingle((uint)Bits);
}

/// <summary>One node: the operator's name, its operands and its parameters, all copied from the client.</summary>
internal sealed class OpCall
{
    internal required string Name { get; init; }

    internal required string TypeName { get; init; }

    internal required TensorInfo[] Inputs { get; init; }

    internal required TensorInfo[] Outputs { get; init; }

    internal required OpParameter[] Parameters { get; init; }

    internal OpParameter? Find(ReadOnlySpan<byte> name)
    {
        foreach (OpParameter parameter in Parameters)
        {
            if (System.Text.Encoding.UTF8.GetString(name) == parameter.Name)
            {
                return parameter;
            }
        }
        return null;
    }

    /// <summary>Value of a BOOL_8 parameter.</summary>
    internal bool Flag(ReadOnlySpan<byte> name, bool absent) => Find(name)?.AsBool ?? absent;

    /// <summary>Null when every parameter is named in <paramref name="known"/> with its type there; else what is wrong.</summary>
    internal string? CheckParameters(params ReadOnlySpan<(string Name, Qnn_DataType_t Type)> known)
    {
        foreach (OpParameter parameter in Parameters)
        {
            bool found = false;
            foreach ((string name, Qnn_DataType_t type) in known)
            {
                if (name == parameter.Name)
                {
                    if (parameter.Type != type || parameter.Tensor is not null)
                    {
                        return $"parameter '{name}' is {(parameter.Tensor is null ? "" : "a tensor of ")}{DataTypes.Name(parameter.Type)}; expected {DataTypes.Name(type)}";
                    }
                    found = true;
                }
            }
            if (!found)
            {
                return $"parameter '{parameter.Name}' is unknown";
            }
        }
        return null;
    }

    internal string? CheckOperands(int inputs, int outputs, int optionalInputs = 0)
    {
        if (Inputs.Length < inputs || Inputs.Length > inputs + optionalInputs)
        {
            return $"{Inputs.Length} inputs; expected {inputs}{(optionalInputs > 0 ? $" to {inputs + optionalInputs}" : "")}";
        }
        return Outputs.Length == outputs ? null : $"{Outputs.Length} outputs; expected {outputs}";
    }

    /// <summary>Copies the parameters of a client's node; null with a reason when one cannot be read.</summary>
    internal static unsafe OpParameter[]? ReadParameters(in Qnn_OpConfigV1_t config, out string refusal)
    {
        refusal = "";
        var parameters = new OpParameter[config.numOfParams];
        for (int i = 0; i < parameters.Length; i++)
        {
            Qnn_Param_t* given = config.@params + i;
            string name = Marshal.PtrToStringUTF8((nint)given->name) ?? "";
            switch (given->paramType)
            {
                case Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR:
                    Qnn_Scalar_t scalar = given->Anonymous.scalarParam;
                    parameters[i] = new OpParameter(name, scalar.dataType, scalar.Anonymous.uint64Value, null);
                    break;
                case Qnn_ParamType_t.QNN_PARAMTYPE_TENSOR:
                    TensorInfo? tensor = TensorInfo.Read(&given->Anonymous.tensorParam, copyData: true, out refusal);
                    if (tensor is null)
                    {
                        refusal = $"parameter '{name}': {refusal}";
                        return null;
                    }
                    parameters[i] = new OpParameter(name, tensor.DataType, 0, tensor);
                    break;
                default:
                    refusal = $"parameter '{name}' is neither scalar nor tensor";
                    return null;
            }
        }
        return parameters;
    }
}
