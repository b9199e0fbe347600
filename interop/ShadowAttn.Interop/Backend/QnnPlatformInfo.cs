using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A device of the platform.</summary>
/// <param name="DeviceId">Its number.</param>
/// <param name="DeviceType">Its kind, a number of the backend's own.</param>
/// <param name="Cores">Number of its cores.</param>
/// <param name="Htp">What HTP says of it; null for other backends.</param>
public sealed record QnnDeviceInfo(uint DeviceId, uint DeviceType, int Cores, QnnHtpDeviceInfo? Htp);

/// <summary>What HTP says of a device.</summary>
/// <param name="SocModel">SoC model number (<c>Qnn_SocModel_t</c>).</param>
/// <param name="Arch">HTP generation.</param>
/// <param name="VtcmMegabytes">Size of its tightly coupled memory.</param>
/// <param name="SignedProcessDomain">Whether signed process domains are there.</param>
/// <param name="DlbcSupport">Whether activations can be compressed on the way to memory.</param>
public sealed record QnnHtpDeviceInfo(uint SocModel, QnnHtpArch Arch, int VtcmMegabytes, bool SignedProcessDomain, bool DlbcSupport);

static unsafe class QnnPlatformReader
{
    public static IReadOnlyList<QnnDeviceInfo> Read(QnnDevice_PlatformInfo_t* platform, bool isHtp)
    {
        var devices = new List<QnnDeviceInfo>();
        if (platform == null || platform->version != QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1)
        {
            return devices;
        }
        for (uint i = 0; i < platform->v1.numHwDevices; i++)
        {
            QnnDevice_HardwareDeviceInfo_t* device = &platform->Anonymous.v1.hwDevices[i];
            if (device->version != QnnDevice_HardwareDeviceInfoVersion_t.QNN_DEVICE_HARDWARE_DEVICE_INFO_VERSION_1)
            {
                continue;
            }
            QnnDevice_HardwareDeviceInfoV1_t* info = &device->Anonymous.v1;
            devices.Add(new QnnDeviceInfo(info->deviceId, info->deviceType, (int)info->numCores,
                isHtp ? ReadHtp(info->deviceInfoExtension) : null));
        }
        return devices;
    }

    static QnnHtpDeviceInfo? ReadHtp(QnnHtpDevice_DeviceInfoExtension_t* extension)
    {
        if (extension == null || extension->devType != QnnHtpDevice_DeviceType_t.QNN_HTP_DEVICE_TYPE_ON_CHIP)
        {
            return null;
        }
        QnnHtpDevice_OnChipDeviceInfoExtension_t* chip = &extension->Anonymous.onChipDevice;
        return new QnnHtpDeviceInfo(chip->socModel, (QnnHtpArch)chip->arch, (int)chip->vtcmSize,
            chip->signedPdSupport != 0, chip->dlbcSupport != 0);
    }
}
