using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the device area.</summary>
internal static unsafe class DeviceCalls
{
    /// <summary>Platform infos that clients hold.</summary>
    static readonly ConcurrentDictionary<nint, NativeRegion> Handed = new();

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
            Platform platform = Platform.Of(instance.Options);
            ulong status = DeviceConfig.Apply(config, logObject, ref platform);
            if (status == Status.Success)
            {
                *device = HandleTable.Add(new DeviceObject(instance, logObject, platform));
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnDevice_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out DeviceObject? device))
            {
                return Status.DeviceInvalidHandle;
            }
            using var _ = new Leave(device);
            CallGate.Outcome fault = device.Instance.Gate.Enter(QnnCall.DeviceSetConfig);
            if (fault.Fails)
            {
                return fault.Code;
            }
            Platform platform = device.Platform;
            ulong status = DeviceConfig.Apply(config, device.Log, ref platform);
            if (status == Status.Success)
            {
                device.Platform = platform;
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetInfo(void* handle, QnnDevice_PlatformInfo_t** info)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out DeviceObject? device))
            {
                return Status.DeviceInvalidHandle;
            }
            using var _ = new Leave(device);
            CallGate.Outcome fault = device.Instance.Gate.Enter(QnnCall.DeviceGetInfo);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (info == null)
            {
                return Status.InvalidArgument;
            }
            *info = fault.NullResult ? null : device.Info();
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong GetPlatformInfo(SoftHtpInstance? instance, void* log, QnnDevice_PlatformInfo_t** info)
    {
        try
        {
            if (instance is null || instance.IsShut)
            {
                return (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_HARDWARE_UNAVAILABLE;
            }
            CallGate.Outcome fault = instance.Gate.Enter(QnnCall.DeviceGetPlatformInfo);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (info == null)
            {
                return Status.InvalidArgument;
            }
            *info = null;
            if (!fault.NullResult)
            {
                var region = new NativeRegion();
                *info = PlatformInfo.Write(region, Platform.Of(instance.Options));
                Handed[(nint)(*info)] = region;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong FreePlatformInfo(SoftHtpInstance? instance, void* log, QnnDevice_PlatformInfo_t* info)
    {
        try
        {
            CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.DeviceFreePlatformInfo) ?? default;
            if (info == null || !Handed.TryRemove((nint)info, out NativeRegion? region))
            {
                return Status.InvalidArgument;
            }
            region.Free();
            return fault.Code;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong GetInfrastructure(
        SoftHtpInstance? instance, QnnHtpDevice_Infrastructure_t* own, QnnHtpDevice_Infrastructure_t** infrastructure)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.DeviceGetInfrastructure) ?? default;
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (infrastructure == null)
        {
            return Status.InvalidArgument;
        }
        *infrastructure = fault.NullResult ? null : own;
        return Status.Success;
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

/// <summary>Reads device configurations: which SoC the device is to stand for.</summary>
internal static unsafe class DeviceConfig
{
    internal static ulong Apply(QnnDevice_Config_t** config, LogObject? log, ref Platform platform)
    {
        for (int i = 0; config != null && config[i] != null; i++)
        {
            ulong status = config[i]->option switch
            {
                QnnDevice_ConfigOption_t.QNN_DEVICE_CONFIG_OPTION_CUSTOM =>
                    ApplyCustom((QnnHtpDevice_CustomConfig_t*)config[i]->Anonymous.customConfig, log, ref platform),
                QnnDevice_ConfigOption_t.QNN_DEVICE_CONFIG_OPTION_PLATFORM_INFO =>
                    ApplyPlatform(config[i]->Anonymous.hardwareInfo, log, ref platform),
                _ => Status.DeviceInvalidConfig,
            };
            if (status != Status.Success)
            {
                return status;
            }
        }
        return Status.Success;
    }

    static ulong ApplyCustom(QnnHtpDevice_CustomConfig_t* custom, LogObject? log, ref Platform platform)
    {
        if (custom == null)
        {
            return Status.InvalidArgument;
        }
        switch (custom->option)
        {
            case QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SOC:
                platform = platform with { SocModel = custom->Anonymous.socModel };
                return Status.Success;
            case QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_ARCH:
                return SetArch((uint)custom->Anonymous.arch.arch, log, ref platform);
            case QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SIGNEDPD:
            case QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SECUREPD:
                return Status.Success;
            default:
                return Status.DeviceInvalidConfig;
        }
    }

    static ulong ApplyPlatform(QnnDevice_PlatformInfo_t* info, LogObject? log, ref Platform platform)
    {
        if (info == null)
        {
            return Status.InvalidArgument;
        }
        if (info->version != QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1 || info->Anonymous.v1.numHwDevices != 1
            || info->Anonymous.v1.hwDevices == null)
        {
            LogObject.Write(log, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "device: the platform info must have version 1 and one device");
            return Status.DeviceInvalidConfig;
        }
        QnnHtpDevice_DeviceInfoExtension_t* extension = info->Anonymous.v1.hwDevices[0].Anonymous.v1.deviceInfoExtension;
        if (extension == null || extension->devType != QnnHtpDevice_DeviceType_t.QNN_HTP_DEVICE_TYPE_ON_CHIP)
        {
            return Status.Success;
        }
        ref QnnHtpDevice_OnChipDeviceInfoExtension_t chip = ref extension->Anonymous.onChipDevice;
        platform = platform with { SocModel = chip.socModel, VtcmMib = (uint)chip.vtcmSize };
        return SetArch((uint)chip.arch, log, ref platform);
    }

    static ulong SetArch(uint arch, LogObject? log, ref Platform platform)
    {
        if (!Enum.IsDefined((QnnHtpDevice_Arch_t)arch) || arch == (uint)QnnHtpDevice_Arch_t.QNN_HTP_DEVICE_ARCH_UNKNOWN)
        {
            LogObject.Write(log, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, $"device: HTP architecture {arch} is unknown");
            return Status.DeviceInvalidConfig;
        }
        platform = arch == 0 ? platform : platform with { Arch = arch };
        return Status.Success;
    }
}
