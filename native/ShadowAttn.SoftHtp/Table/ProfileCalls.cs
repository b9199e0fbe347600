using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the profile area.</summary>
internal static unsafe class ProfileCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Create(void* backendHandle, uint level, void** profile)
    {
        if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
        {
            return Status.ProfileInvalidHandle;
        }
        using var _ = new Leave(backend);
        CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.ProfileCreate);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnProfile_Config_t** config) => Status.ProfileInvalidHandle;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetEvents(void* handle, ulong** events, uint* count) => Status.ProfileInvalidHandle;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetSubEvents(ulong id, ulong** events, uint* count) => Status.InvalidArgument;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetEventData(ulong id, QnnProfile_EventData_t* data) => Status.InvalidArgument;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetExtendedEventData(ulong id, QnnProfile_ExtendedEventData_t* data) => Status.InvalidArgument;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle) => Status.ProfileInvalidHandle;
}
