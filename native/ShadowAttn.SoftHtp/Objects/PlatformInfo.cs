using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A platform as the C structs describe it.</summary>
internal static unsafe class PlatformInfo
{
    internal static QnnDevice_PlatformInfo_t* Write(NativeRegion region, Platform platform)
    {
        var extension = region.Allocate<QnnHtpDevice_DeviceInfoExtension_t>(1);
        extension->devType = QnnHtpDevice_DeviceType_t.QNN_HTP_DEVICE_TYPE_ON_CHIP;
        extension->Anonymous.onChipDevice.vtcmSize = platform.VtcmMib;
        extension->Anonymous.onChipDevice.socModel = platform.SocModel;
        extension->Anonymous.onChipDevice.arch = (QnnHtpDevice_Arch_t)platform.Arch;

        var core = region.Allocate<QnnDevice_CoreInfo_t>(1);
        core->version = QnnDevice_CoreInfoVersion_t.QNN_DEVICE_CORE_INFO_VERSION_1;
        core->Anonymous.v1.coreType = (uint)QnnHtpDevice_CoreType_t.QNN_HTP_CORE_TYPE_NSP;

        var device = region.Allocate<QnnDevice_HardwareDeviceInfo_t>(1);
        device->version = QnnDevice_HardwareDeviceInfoVersion_t.QNN_DEVICE_HARDWARE_DEVICE_INFO_VERSION_1;
        device->Anonymous.v1.numCores = 1;
        device->Anonymous.v1.cores = core;
        device->Anonymous.v1.deviceInfoExtension = extension;

        var info = region.Allocate<QnnDevice_PlatformInfo_t>(1);
        info->version = QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1;
        info->Anonymous.v1.numHwDevices = 1;
        info->Anonymous.v1.hwDevices = device;
        return info;
    }
}
