using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Native;

/// <summary>The functions of shadowattn.h, which documents them. No exception leaves one.</summary>
internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_last_error", CallConvs = [typeof(CallConvCdecl)])]
    static byte* LastErrorText() => LastError.Text;

    [UnmanagedCallersOnly(EntryPoint = "sa_error_name", CallConvs = [typeof(CallConvCdecl)])]
    static byte* ErrorName(int status) => Utf8.Pointer((SaStatus)status switch
    {
        SaStatus.Ok => "SA_OK\0"u8,
        SaStatus.Argument => "SA_ERROR_ARGUMENT\0"u8,
        SaStatus.Handle => "SA_ERROR_HANDLE\0"u8,
        SaStatus.StructSize => "SA_ERROR_STRUCT_SIZE\0"u8,
        SaStatus.Busy => "SA_ERROR_BUSY\0"u8,
        SaStatus.Cancelled => "SA_ERROR_CANCELLED\0"u8,
        SaStatus.BackendLoad => "SA_ERROR_BACKEND_LOAD\0"u8,
        SaStatus.Backend => "SA_ERROR_BACKEND\0"u8,
        SaStatus.NotSupported => "SA_ERROR_NOT_SUPPORTED\0"u8,
        SaStatus.Memory => "SA_ERROR_MEMORY\0"u8,
        SaStatus.File => "SA_ERROR_FILE\0"u8,
        SaStatus.Format => "SA_ERROR_FORMAT\0"u8,
        SaStatus.Capacity => "SA_ERROR_CAPACITY\0"u8,
        SaStatus.Limit => "SA_ERROR_LIMIT\0"u8,
        SaStatus.Internal => "SA_ERROR_INTERNAL\0"u8,
        _ => "SA_ERROR_UNKNOWN\0"u8,
    });

    [UnmanagedCallersOnly(EntryPoint = "sa_version", CallConvs = [typeof(CallConvCdecl)])]
    static byte* Version() => Utf8.Pointer("0.1.0\0"u8);

    [UnmanagedCallersOnly(EntryPoint = "sa_version_number", CallConvs = [typeof(CallConvCdecl)])]
    static uint VersionNumber() => 100;

    [UnmanagedCallersOnly(EntryPoint = "sa_isa", CallConvs = [typeof(CallConvCdecl)])]
    static byte* Isa() => Utf8.Pointer(InstructionSets.Active switch
    {
        InstructionSet.AdvSimd => "advsimd\0"u8,
        InstructionSet.Dp => "dp\0"u8,
        InstructionSet.Avx2 => "avx2\0"u8,
        InstructionSet.AvxVnni => "avxvnni\0"u8,
        InstructionSet.Avx512 => "avx512\0"u8,
        _ => "scalar\0"u8,
    });

    [UnmanagedCallersOnly(EntryPoint = "sa_isa_supported", CallConvs = [typeof(CallConvCdecl)])]
    static int IsaSupported(byte* name)
    {
        try
        {
            return InstructionSets.TryParse(Utf8.Read(name, nameof(name)), out InstructionSet set) && InstructionSets.IsSupported(set) ? 1 : 0;
        }
        catch (SaException)
        {
            return 0;
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_log_set", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus LogSet(delegate* unmanaged[Cdecl]<void*, int, byte*, void> callback, void* user, int level)
    {
        try
        {
            if (level is < (int)LogLevel.Debug or > (int)LogLevel.None)
            {
                throw SaException.Argument($"level is {level}; it must be one of SA_LOG_*");
            }

            CallbackLog.Instance.Set(callback, user, (LogLevel)level);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_log_set");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_usage_get", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus UsageGet(SaUsage* usage)
    {
        try
        {
            uint size = SizedStruct.CheckSize(usage, sizeof(SaUsage), nameof(usage));
            LiveAllocations live = UnmanagedBuffer.Live;
            SizedStruct.Write(usage, size, new SaUsage { Handles = (uint)HandleTable.Count, Buffers = live.Count, Bytes = live.Bytes });
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_usage_get");
        }
    }

    /// <summary>Where a new handle goes: null until it is made.</summary>
    private static void Clear(nint* handle, string name)
    {
        if (handle == null)
        {
            throw SaException.Null(name);
        }

        *handle = 0;
    }
}
