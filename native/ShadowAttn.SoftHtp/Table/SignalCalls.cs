using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the signal area.</summary>
internal static unsafe class SignalCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Create(void* backendHandle, QnnSignal_Config_t** config, void** signal)
    {
        if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
        {
            return Status.SignalInvalidHandle;
        }
        using var _ = new Leave(backend);
        CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.SignalCreate);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnSignal_Config_t** config) => Status.SignalInvalidHandle;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Trigger(void* handle) => Status.SignalInvalidHandle;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle) => Status.SignalInvalidHandle;
}
