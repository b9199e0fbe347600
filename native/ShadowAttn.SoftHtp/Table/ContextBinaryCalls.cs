using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the context area that deal with context binaries.</summary>
internal static unsafe class ContextBinaryCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySize(void* handle, ulong* bytes)
    {
        if (!HandleTable.TryEnter(handle, out ContextObject? context))
        {
            return Status.ContextInvalidHandle;
        }
        using var _ = new Leave(context);
        CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.ContextGetBinarySize);
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (bytes == null)
        {
            return Status.ContextInvalidArgument;
        }
        return IsFinalised(context) ? Status.NotSupported : Status.ContextNotFinalized;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinary(void* handle, void* buffer, ulong bytes, ulong* written) => Unsupported(handle, QnnCall.ContextGetBinary);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinary(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile) =>
        UnsupportedOnBackend(backend, QnnCall.ContextCreateFromBinary);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinaryWithSignal(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile, void* signal) =>
        UnsupportedOnBackend(backend, QnnCall.ContextCreateFromBinaryWithSignal);

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
        void* signal) => UnsupportedOnBackend(backend, QnnCall.ContextCreateFromBinaryWithCallback);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinaryListAsync(
        void* backend, void* device, QnnContext_Params_t** parameters, QnnContext_Config_t** config, void* signal) =>
        UnsupportedOnBackend(backend, QnnCall.ContextCreateFromBinaryListAsync);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ValidateBinary(void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes) =>
        UnsupportedOnBackend(backend, QnnCall.ContextValidateBinary);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Finalize(void* handle, void* profile) => Unsupported(handle, QnnCall.ContextFinalize);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySectionSize(void* handle, void* graph, QnnContext_SectionType_t section, ulong* bytes) =>
        Unsupported(handle, QnnCall.ContextGetBinarySectionSize);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySection(
        void* handle, void* graph, QnnContext_SectionType_t section, QnnContext_Buffer_t* buffer, ulong* written, void* profile, void* signal) =>
        Unsupported(handle, QnnCall.ContextGetBinarySection);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ApplyBinarySection(
        void* handle, void* graph, QnnContext_SectionType_t section, QnnContext_Buffer_t* buffer, void* profile, void* signal) =>
        Unsupported(handle, QnnCall.ContextApplyBinarySection);

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
    internal static ulong GetProperty(void* handle, QnnContext_Property_t** properties) => Unsupported(handle, QnnCall.ContextGetProperty);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetIncrementalBinary(void* handle, void** binary, ulong* start, ulong* written) =>
        Unsupported(handle, QnnCall.ContextGetIncrementalBinary);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ReleaseIncrementalBinary(void* handle, void* binary, ulong start) =>
        Unsupported(handle, QnnCall.ContextReleaseIncrementalBinary);

    static bool IsFinalised(ContextObject context)
    {
        GraphObject[] graphs = context.Graphs();
        return graphs.Length > 0 && Array.TrueForAll(graphs, graph => graph.Plan is not null);
    }

    internal static ulong Unsupported(void* handle, QnnCall call)
    {
        if (!HandleTable.TryEnter(handle, out ContextObject? context))
        {
            return Status.ContextInvalidHandle;
        }
        using var _ = new Leave(context);
        CallGate.Outcome fault = context.Instance.Gate.Enter(call);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    static ulong UnsupportedOnBackend(void* handle, QnnCall call)
    {
        if (!HandleTable.TryEnter(handle, out BackendObject? backend))
        {
            return Status.ContextInvalidHandle;
        }
        using var _ = new Leave(backend);
        CallGate.Outcome fault = backend.Instance.Gate.Enter(call);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }
}
