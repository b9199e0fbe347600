using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the device area.</summary>
internal static unsafe class DeviceCalls
{
    internal static ulong Create(SoftHtpInstance? instance, void* log, QnnDevice_Config_t** config, void** device)
    {
        try
        {
            if (instance is null || instance.IsShut)
            {
                return (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_HARDWARE_UNAVAILABLE;
            }
            CallGate.Outcome fault = instance.Gate.Enter(QnnCall.DeviceCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (device == null)
            {
                return Status.InvalidArgument;
            }
            if (fault.NullResult)
            {
                *device = null;
                return Status.Success;
            }
            LogObject? logObject = null;
            if (log != null)
            {
                if (!HandleTable.TryEnter(log, out logObject))
                {
                    return Status.InvalidArgument;
                }
                logObject.Exit();
            }
            *device = HandleTable.Add(new DeviceObject(instance, logObject, Platform.Of(instance.Options)));
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnDevice_Config_t** config)
    {
        if (!HandleTable.TryEnter(handle, out DeviceObject? device))
        {
            return Status.DeviceInvalidHandle;
        }
        using var _ = new Leave(device);
        return device.Instance.Gate.Enter(QnnCall.DeviceSetConfig).Code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetInfo(void* handle, QnnDevice_PlatformInfo_t** info)
    {
        if (!HandleTable.TryEnter(handle, out DeviceObject? device))
        {
            return Status.DeviceInvalidHandle;
        }
        using var _ = new Leave(device);
        CallGate.Outcome fault = device.Instance.Gate.Enter(QnnCall.DeviceGetInfo);
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    internal static ulong GetPlatformInfo(SoftHtpInstance? instance, void* log, QnnDevice_PlatformInfo_t** info)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.DeviceGetPlatformInfo) ?? default;
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    internal static ulong FreePlatformInfo(SoftHtpInstance? instance, void* log, QnnDevice_PlatformInfo_t* info)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.DeviceFreePlatformInfo) ?? default;
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    internal static ulong GetInfrastructure(SoftHtpInstance? instance, QnnHtpDevice_Infrastructure_t** infrastructure)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.DeviceGetInfrastructure) ?? default;
        return fault.Fails ? fault.Code : Status.NotSupported;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out DeviceObject? device))
            {
                return Status.DeviceInvalidHandle;
            }
            using var _ = new Leave(device);
            CallGate.Outcome fault = device.Instance.Gate.Enter(QnnCall.DeviceFree);
            return device.Close() ? fault.Code : Status.DeviceInvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
