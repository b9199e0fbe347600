using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Binary;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Table;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.SystemLibrary;

/// <summary>A client's system context: owns the descriptions handed out, until it is freed.</summary>
internal sealed unsafe class SystemContextObject(SoftHtpInstance instance) : QnnObject(instance, HandleKind.System)
{
    readonly Lock _gate = new();
    readonly NativeRegion _region = new();

    /// <summary>Describes a binary in structs of version 3.</summary>
    internal QnnSystemContext_BinaryInfo_t* Describe(ContextBinary binary, ulong bytes)
    {
        lock (_gate)
        {
            var info = _region.Allocate<QnnSystemContext_BinaryInfo_t>(1);
            info->version = QnnSystemContext_BinaryInfoVersion_t.QNN_SYSTEM_CONTEXT_BINARY_INFO_VERSION_3;
            QnnSystemContext_BinaryInfoV3_t* v3 = &info->Anonymous.contextBinaryInfoV3;
            v3->backendId = QnnApi.QNN_BACKEND_ID_HTP;
            v3->buildId = _region.Text(binary.BuildId);
            v3->coreApiVersion = ProviderTable.ApiVersion.coreApiVersion;
            v3->backendApiVersion = ProviderTable.ApiVersion.backendApiVersion;
            v3->socVersion = _region.Text($"soc {binary.Platform.SocModel}, v{binary.Platform.Arch}");
            v3->contextBlobVersion = new Qnn_Version_t { major = BinaryLayout.Format };
            v3->contextBlobSize = bytes;
            v3->platformInfo = PlatformInfo.Write(_region, binary.Platform);
            v3->socModel = binary.Platform.SocModel;
            v3->numGraphs = (uint)binary.Graphs.Length;
            v3->graphs = _region.Allocate<QnnSystemContext_GraphInfo_t>(binary.Graphs.Length);
            for (int i = 0; i < binary.Graphs.Length; i++)
            {
                BinaryGraph graph = binary.Graphs[i];
                v3->graphs[i].version = QnnSystemContext_GraphInfoVersion_t.QNN_SYSTEM_CONTEXT_GRAPH_INFO_VERSION_3;
                QnnSystemContext_GraphInfoV3_t* described = &v3->graphs[i].Anonymous.graphInfoV3;
                described->graphName = _region.Text(graph.Name);
                described->graphInputs = Tensors(Array.FindAll(graph.Tensors, tensor => tensor.IsInput), out described->numGraphInputs);
                described->graphOutputs = Tensors(Array.FindAll(graph.Tensors, tensor => tensor.IsOutput), out described->numGraphOutputs);
            }
            return info;
        }
    }

    Qnn_Tensor_t* Tensors(TensorInfo[] tensors, out uint count)
    {
        count = (uint)tensors.Length;
        Qnn_Tensor_t* written = _region.Allocate<Qnn_Tensor_t>(tensors.Length);
        for (int i = 0; i < tensors.Length; i++)
        {
            TensorInfo tensor = tensors[i];
            written[i].version = Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1;
            ref Qnn_TensorV1_t v1 = ref written[i].Anonymous.v1;
            v1.id = tensor.Id;
            v1.name = _region.Text(tensor.Name);
            v1.type = tensor.Type;
            v1.dataType = tensor.DataType;
            v1.rank = (uint)tensor.Rank;
            v1.dimensions = _region.Copy(tensor.Dimensions);
            v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_UNDEFINED;
            v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_UNDEFINED;
            if (tensor.Encoding.Form == EncodingForm.PerTensor)
            {
                v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_DEFINED;
                v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET;
                v1.quantizeParams.Anonymous.scaleOffsetEncoding.scale = tensor.Encoding.Scale;
                v1.quantizeParams.Anonymous.scaleOffsetEncoding.offset = tensor.Encoding.Offset;
            }
        }
        return written;
    }

    protected override void Destroy() => _region.Free();
}
