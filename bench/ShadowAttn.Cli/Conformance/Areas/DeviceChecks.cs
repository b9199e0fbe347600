using System.Globalization;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Devices, what the platform says of them, and power votes.</summary>
internal static unsafe class DeviceChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("platform info", client => Platform(client, run.IsHtp));
        run.Check("platform info of a device", DeviceInfo);
        run.Check("handles", Handles);
        run.Check("a device of each that the platform has", Chosen);
        run.Check("a context without a device", WithoutDevice);
        run.CheckLibrary("power votes", PowerVotes);
    }

    private static Verdict Platform(RawClient client, bool isHtp)
    {
        RawClient.RequireOffered(client.Table.deviceGetPlatformInfo, "deviceGetPlatformInfo");
        RawClient.RequireOffered(client.Table.deviceFreePlatformInfo, "deviceFreePlatformInfo");
        QnnDevice_PlatformInfo_t* platform = null;
        Expect.OkOrNotOffered("deviceGetPlatformInfo", client.Table.deviceGetPlatformInfo(client.Log, &platform));
        Expect.That(platform != null, "deviceGetPlatformInfo: expected an info, actual success with null");
        var texts = new List<string>();
        try
        {
            Expect.Equal("version of the info", QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1, platform->version);
            uint count = platform->Anonymous.v1.numHwDevices;
            Expect.That(count is > 0 and < 1024 && platform->Anonymous.v1.hwDevices != null,
                $"numHwDevices: expected at least one device, actual {count}");
            var ids = new HashSet<uint>();
            for (uint i = 0; i < count; i++)
            {
                QnnDevice_HardwareDeviceInfo_t* device = &platform->Anonymous.v1.hwDevices[i];
                Expect.Equal($"version of device {i}", QnnDevice_HardwareDeviceInfoVersion_t.QNN_DEVICE_HARDWARE_DEVICE_INFO_VERSION_1, device->version);
                ref QnnDevice_HardwareDeviceInfoV1_t v1 = ref device->Anonymous.v1;
                Expect.That(ids.Add(v1.deviceId), $"deviceId: expected one of its own, actual {v1.deviceId} twice");
                Expect.That(v1.numCores > 0 && v1.cores != null, $"cores of device {v1.deviceId}: expected at least one, actual {v1.numCores}");
                texts.Add(isHtp ? Chip(v1) : $"device {v1.deviceId}");
            }
        }
        finally
        {
            ulong status = client.Table.deviceFreePlatformInfo(client.Log, platform);
            Expect.Ok("deviceFreePlatformInfo", status);
        }

        Expect.Status("deviceGetPlatformInfo into null", 1004, client.Table.deviceGetPlatformInfo(client.Log, null));
        return Verdict.Pass(string.Join("; ", texts));
    }

    private static string Chip(in QnnDevice_HardwareDeviceInfoV1_t device)
    {
        QnnHtpDevice_DeviceInfoExtension_t* extension = device.deviceInfoExtension;
        Expect.That(extension != null, $"extension of HTP device {device.deviceId}: expected one, actual null");
        Expect.Equal("kind of HTP device", QnnHtpDevice_DeviceType_t.QNN_HTP_DEVICE_TYPE_ON_CHIP, extension->devType);
        ref QnnHtpDevice_OnChipDeviceInfoExtension_t chip = ref extension->Anonymous.onChipDevice;
        Expect.That(Enum.IsDefined((QnnHtpArch)chip.arch) && (QnnHtpArch)chip.arch != QnnHtpArch.Unspecified,
            $"arch of device {device.deviceId}: expected an HTP generation, actual {(uint)chip.arch}");
        Expect.That(chip.vtcmSize is > 0 and <= 1024, $"VTCM of device {device.deviceId}: expected MiB, actual {chip.vtcmSize}");
        return string.Create(CultureInfo.InvariantCulture,
            $"device {device.deviceId}: {(QnnHtpArch)chip.arch}, SoC {chip.socModel}, {chip.vtcmSize} MiB VTCM");
    }

    private static Verdict DeviceInfo(RawClient client)
    {
        RawClient.RequireOffered(client.Table.deviceGetInfo, "deviceGetInfo");
        if (client.Device == null)
        {
            throw new NotOfferedException("the backend has no devices");
        }

        QnnDevice_PlatformInfo_t* info = null;
        Expect.OkOrNotOffered("deviceGetInfo", client.Table.deviceGetInfo(client.Device, &info));
        Expect.That(info != null && info->Anonymous.v1.numHwDevices > 0, "deviceGetInfo: expected a device, actual none");
        return Verdict.Pass($"{info->Anonymous.v1.numHwDevices} devices");
    }

    private static Verdict Handles(RawClient client)
    {
        if (client.Device == null)
        {
            throw new NotOfferedException("the backend has no devices");
        }

        void* second = null;
        Expect.Ok("deviceCreate", client.Table.deviceCreate(client.Log, null, &second));
        Expect.That(second != null && second != client.Device, "deviceCreate: expected a handle of its own, actual the first one's or null");
        Expect.Ok("deviceFree", client.Table.deviceFree(second));
        Expect.Status("deviceCreate into null", 1004, client.Table.deviceCreate(client.Log, null, null));
        return Verdict.Pass();
    }

    private static Verdict Chosen(RawClient client)
    {
        RawClient.RequireOffered(client.Table.deviceGetPlatformInfo, "deviceGetPlatformInfo");
        QnnDevice_PlatformInfo_t* platform = null;
        Expect.OkOrNotOffered("deviceGetPlatformInfo", client.Table.deviceGetPlatformInfo(client.Log, &platform));
        Expect.That(platform != null, "deviceGetPlatformInfo: expected an info, actual success with null");
        uint count = platform->Anonymous.v1.numHwDevices;
        QnnDevice_Config_t** configs = stackalloc QnnDevice_Config_t*[2];
        configs[1] = null;
        for (uint i = 0; i < count; i++)
        {
            QnnDevice_PlatformInfo_t only = *platform;
            only.Anonymous.v1.numHwDevices = 1;
            only.Anonymous.v1.hwDevices = &platform->Anonymous.v1.hwDevices[i];
            var config = new QnnDevice_Config_t { option = QnnDevice_ConfigOption_t.QNN_DEVICE_CONFIG_OPTION_PLATFORM_INFO };
            config.Anonymous.hardwareInfo = &only;
            configs[0] = &config;
            void* device = null;
            void* context = null;
            Expect.Ok("deviceCreate", client.Table.deviceCreate(client.Log, configs, &device));
            Expect.Ok("contextCreate", client.Table.contextCreate(client.Backend, device, null, &context));
            Expect.Ok("contextFree", client.Table.contextFree(context, null));
            Expect.Ok("deviceFree", client.Table.deviceFree(device));
        }

        if (client.Table.deviceFreePlatformInfo != null)
        {
            client.Table.deviceFreePlatformInfo(client.Log, platform);
        }

        return Verdict.Pass($"{count} devices");
    }

    private static Verdict WithoutDevice(RawClient client)
    {
        void* context = null;
        Expect.Ok("contextCreate with a null device", client.Table.contextCreate(client.Backend, null, null, &context));
        Expect.Ok("contextFree", client.Table.contextFree(context, null));
        return Verdict.Pass();
    }

    private static Verdict PowerVotes(QnnLibrary library)
    {
        using QnnBackend backend = QnnBackend.Open(library, new QnnBackendOptions { LogLevel = QnnLogLevel.Error });
        QnnPowerProfile[] profiles = Enum.GetValues<QnnPowerProfile>();
        foreach (QnnPowerProfile profile in profiles)
        {
            using QnnPowerVote vote = backend.Device.VotePower(profile, rpcPollingMicroseconds: 100);
        }

        return Verdict.Pass(string.Join(", ", profiles));
    }
}
