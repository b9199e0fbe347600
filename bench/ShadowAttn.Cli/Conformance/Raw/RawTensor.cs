using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>Tensors and nodes as the interface has them.</summary>
internal static unsafe class RawTensor
{
    private const string Package = "qti.aisw";

    /// <summary>A tensor without contents, in the first or the second version of its struct.</summary>
    public static Qnn_Tensor_t Describe(RawMemory memory, string name, Qnn_TensorType_t kind, Operand operand, bool version2 = false)
    {
        // Both versions of the struct begin with the same fields.
        var tensor = new Qnn_Tensor_t
        {
            version = version2 ? Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2 : Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1,
        };
        ref Qnn_TensorV1_t v1 = ref tensor.Anonymous.v1;
        v1.name = memory.Text(name);
        v1.type = kind;
        v1.dataType = (Qnn_DataType_t)operand.Type;
        v1.rank = (uint)operand.Shape.Length;
        v1.dimensions = memory.Copy<uint>(MemoryMarshal.Cast<int, uint>(operand.Shape));
        v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_UNDEFINED;
        v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_UNDEFINED;
        if (operand.Type.IsQuantised())
        {
            v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_DEFINED;
            v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET;
            v1.quantizeParams.Anonymous.scaleOffsetEncoding = new Qnn_ScaleOffset_t { scale = operand.Scale, offset = operand.Offset };
        }

        return tensor;
    }

    /// <summary>The static tensor of a parameter.</summary>
    public static Qnn_Tensor_t DescribeParameter(RawMemory memory, string name, uint[] values)
    {
        var operand = new Operand(QnnDataType.UInt32, [values.Length]);
        Qnn_Tensor_t tensor = Describe(memory, name, Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, operand);
        SetContents(ref tensor, (byte*)memory.Copy<uint>(values), operand.Bytes);
        return tensor;
    }

    /// <summary>Points a tensor at its contents.</summary>
    public static void SetContents(ref Qnn_Tensor_t tensor, byte* data, int bytes)
    {
        tensor.Anonymous.v1.memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW;
        tensor.Anonymous.v1.Anonymous.clientBuf = new Qnn_ClientBuffer_t { data = data, dataSize = (uint)bytes };
    }

    /// <summary>A node.</summary>
    public static Qnn_OpConfig_t Node(
        RawMemory memory,
        string name,
        string op,
        ReadOnlySpan<Qnn_Tensor_t> inputs,
        ReadOnlySpan<Qnn_Tensor_t> outputs,
        ReadOnlySpan<Qnn_Param_t> parameters)
    {
        var node = new Qnn_OpConfig_t { version = Qnn_OpConfigVersion_t.QNN_OPCONFIG_VERSION_1 };
        ref Qnn_OpConfigV1_t v1 = ref node.Anonymous.v1;
        v1.name = memory.Text(name);
        v1.packageName = memory.Text(Package);
        v1.typeName = memory.Text(op);
        v1.numOfParams = (uint)parameters.Length;
        v1.@params = memory.Copy(parameters);
        v1.numOfInputs = (uint)inputs.Length;
        v1.inputTensors = memory.Copy(inputs);
        v1.numOfOutputs = (uint)outputs.Length;
        v1.outputTensors = memory.Copy(outputs);
        return node;
    }
}
