using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the log area.</summary>
internal static unsafe class LogCalls
{
    internal static ulong Create(
        SoftHtpInstance? instance,
        delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> callback,
        QnnLog_Level_t level,
        void** log)
    {
        try
        {
            if (instance is null || instance.IsShut)
            {
                return (ulong)QnnLog_Error_t.QNN_LOG_ERROR_INITIALIZATION;
            }
            CallGate.Outcome fault = instance.Gate.Enter(QnnCall.LogCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (log == null || !IsLevel(level))
            {
                return Status.LogInvalidArgument;
            }
            *log = fault.NullResult ? null : HandleTable.Add(new LogObject(instance, callback, level));
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetLogLevel(void* handle, QnnLog_Level_t level)
    {
        if (!HandleTable.TryEnter(handle, out LogObject? log))
        {
            return Status.LogInvalidHandle;
        }
        using var _ = new Leave(log);
        CallGate.Outcome fault = log.Instance.Gate.Enter(QnnCall.LogSetLogLevel);
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (!IsLevel(level))
        {
            return Status.LogInvalidArgument;
        }
        log.Level = level;
        return Status.Success;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle)
    {
        if (!HandleTable.TryEnter(handle, out LogObject? log))
        {
            return Status.LogInvalidHandle;
        }
        using var _ = new Leave(log);
        CallGate.Outcome fault = log.Instance.Gate.Enter(QnnCall.LogFree);
        return log.Close() ? fault.Code : Status.LogInvalidHandle;
    }

    static bool IsLevel(QnnLog_Level_t level) => level is QnnLog_Level_t.QNN_LOG_LEVEL_MAX
        or (>= QnnLog_Level_t.QNN_LOG_LEVEL_ERROR and <= QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG);
}
