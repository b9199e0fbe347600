using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the memory area.</summary>
internal static unsafe class MemoryCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Register(void* contextHandle, Qnn_MemDescriptor_t* descriptors, uint count, void** handles)
    {
        if (!HandleTable.TryEnter(contextHandle, out ContextObject? context))
        {
            return Status.MemInvalidHandle;
        }
        using var _ = new Leave(context);
        CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.MemRegister);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong DeRegister(void** handles, uint count) => handles == null ? Status.MemInvalidArgument : Status.MemInvalidHandle;
}
