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
        try
        {
            if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
            {
                return Status.SignalInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.SignalCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (signal == null)
            {
                return Status.SignalInvalidArgument;
            }
            *signal = null;
            if (fault.NullResult)
            {
                return Status.Success;
            }
            var made = new SignalObject(backend);
            ulong status = Apply(made, config);
            if (status != Status.Success)
            {
                made.Discard();
                return status;
            }
            HandleTable.Add(made);
            if (!backend.Adopt(made))
            {
                made.Close();
                return Status.SignalInvalidHandle;
            }
            *signal = (void*)made.Handle;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnSignal_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out SignalObject? signal))
            {
                return Status.SignalInvalidHandle;
            }
            using var _ = new Leave(signal);
            CallGate.Outcome fault = signal.Instance.Gate.Enter(QnnCall.SignalSetConfig);
            return fault.Fails ? fault.Code
                : signal.IsBusy ? Status.SignalInUse
                : Apply(signal, config);
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Trigger(void* handle)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out SignalObject? signal))
            {
                return Status.SignalInvalidHandle;
            }
            using var _ = new Leave(signal);
            CallGate.Outcome fault = signal.Instance.Gate.Enter(QnnCall.SignalTrigger);
            return fault.Fails ? fault.Code : signal.Trigger();
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out SignalObject? signal))
            {
                return Status.SignalInvalidHandle;
            }
            using var _ = new Leave(signal);
            CallGate.Outcome fault = signal.Instance.Gate.Enter(QnnCall.SignalFree);
            if (signal.IsBusy)
            {
                return Status.SignalInUse;
            }
            return signal.Close() ? fault.Code : Status.SignalInvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    static ulong Apply(SignalObject signal, QnnSignal_Config_t** config)
    {
        for (int i = 0; config != null && config[i] != null; i++)
        {
            switch (config[i]->option)
            {
                case QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_ABORT:
                    signal.TimeoutUs = null;
                    break;
                case QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_TIMEOUT:
                    signal.TimeoutUs = config[i]->Anonymous.timeoutDurationUs;
                    break;
                default:
                    return Status.NotSupported;
            }
        }
        return Status.Success;
    }
}
