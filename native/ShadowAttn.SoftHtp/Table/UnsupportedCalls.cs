using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of features that this backend does not have (HTP on Linux x64 has none of them either, or only partly).</summary>
internal static unsafe class UnsupportedCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinaryWithCallback(
        void* backend,
        void* device,
        QnnContext_Config_t** config,
        Qnn_ContextBinaryCallback_t* callback,
        void* binary,
        ulong bytes,
        void** context,
        void* profile,
        void* signal) => Refuse<BackendObject>(backend, QnnCall.ContextCreateFromBinaryWithCallback, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinaryListAsync(
        void* backend, void* device, QnnContext_Params_t** parameters, QnnContext_Config_t** config, void* signal) =>
        Refuse<BackendObject>(backend, QnnCall.ContextCreateFromBinaryListAsync, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ContextFinalize(void* context, void* profile) =>
        Refuse<ContextObject>(context, QnnCall.ContextFinalize, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySectionSize(void* context, void* graph, QnnContext_SectionType_t section, ulong* bytes) =>
        Refuse<ContextObject>(context, QnnCall.ContextGetBinarySectionSize, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySection(
        void* context, void* graph, QnnContext_SectionType_t section, QnnContext_Buffer_t* buffer, ulong* written, void* profile, void* signal) =>
        Refuse<ContextObject>(context, QnnCall.ContextGetBinarySection, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ApplyBinarySection(
        void* context, void* graph, QnnContext_SectionType_t section, QnnContext_Buffer_t* buffer, void* profile, void* signal) =>
        Refuse<ContextObject>(context, QnnCall.ContextApplyBinarySection, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySectionUpdate(
        QnnContext_Buffer_t* buffer,
        QnnContext_Buffer_t* auxiliary,
        Qnn_Tensor_t** tensors,
        ulong count,
        byte keepUpdatable,
        void* log,
        void* profile,
        void* signal,
        QnnContext_Buffer_t* update) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong FreeBinarySectionUpdate(QnnContext_Buffer_t update, void* log) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ContextGetProperty(void* context, QnnContext_Property_t** properties) =>
        Refuse<ContextObject>(context, QnnCall.ContextGetProperty, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetIncrementalBinary(void* context, void** binary, ulong* start, ulong* written) =>
        Refuse<ContextObject>(context, QnnCall.ContextGetIncrementalBinary, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ReleaseIncrementalBinary(void* context, void* binary, ulong start) =>
        Refuse<ContextObject>(context, QnnCall.ContextReleaseIncrementalBinary, Status.ContextInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateSubgraph(void* graph, sbyte* name, void** subgraph) =>
        Refuse<GraphObject>(graph, QnnCall.GraphCreateSubgraph, Status.GraphInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong PrepareExecutionEnvironment(void* graph, QnnGraph_ExecuteEnvironment_t** environments, uint count) =>
        Refuse<GraphObject>(graph, QnnCall.GraphPrepareExecutionEnvironment, Status.GraphInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ReleaseExecutionEnvironment(void* graph, QnnGraph_ExecuteEnvironment_t** environments, uint count) =>
        Refuse<GraphObject>(graph, QnnCall.GraphReleaseExecutionEnvironment, Status.GraphInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GraphGetProperty(void* graph, QnnGraph_Property_t** properties) =>
        Refuse<GraphObject>(graph, QnnCall.GraphGetProperty, Status.GraphInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateContextTensor(void* context, Qnn_Tensor_t* tensor) =>
        Refuse<ContextObject>(context, QnnCall.TensorCreateContextTensor, Status.TensorInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong UpdateGraphTensors(void* graph, Qnn_Tensor_t** tensors, ulong count) =>
        Refuse<GraphObject>(graph, QnnCall.TensorUpdateGraphTensors, Status.TensorInvalidHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong UpdateContextTensors(void* context, Qnn_Tensor_t** tensors, ulong count) =>
        Refuse<ContextObject>(context, QnnCall.TensorUpdateContextTensors, Status.TensorInvalidHandle);

    static ulong Refuse<T>(void* handle, QnnCall call, ulong invalidHandle)
        where T : QnnObject
    {
        if (!HandleTable.TryEnter(handle, out T? found))
        {
            return invalidHandle;
        }
        using var _ = new Leave(found);
        CallGate.Outcome fault = found.Instance.Gate.Enter(call);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }
}
