using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A device of a backend: where contexts live. Backends without devices have one that stands for the backend itself.</summary>
public sealed unsafe class QnnDevice : IDisposable
{
    static readonly QnnApiVersion s_widerCustomConfig = new(5, 51, 0);

    readonly QnnHandle? _device;
    readonly QnnHandle _backend;

    QnnDevice(QnnDriver driver, QnnHandle backend, QnnHandle? device, QnnDeviceOptions options)
    {
        Driver = driver;
        _backend = backend;
        _device = device;
        Options = options;
    }

    /// <summary>What the device was made with.</summary>
    public QnnDeviceOptions Options { get; }

    internal QnnDriver Driver { get; }

    /// <summary>What a context must keep alive.</summary>
    internal OwnedHandle Owner => _device is null ? _backend : _device;

    internal QnnHandle Backend => _backend;

    /// <summary>The native handle, null where the backend has no devices; valid while a hold is on <see cref="Owner"/>.</summary>
    internal void* Value => _device is null ? null : _device.Value;

    /// <summary>Creates a context on this device.</summary>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnContext CreateContext(QnnContextOptions? options = null) => QnnContext.Create(this, options ?? new QnnContextOptions());

    /// <summary>Creates a context from a binary that <see cref="QnnContext.GetBinary()"/> made, on this kind of device.</summary>
    /// <exception cref="QnnCallException">The backend refused the binary.</exception>
    public QnnContext CreateContext(ReadOnlySpan<byte> binary, QnnContextOptions? options = null, QnnProfile? profile = null) =>
        QnnContext.CreateFromBinary(this, binary, options ?? new QnnContextOptions(), profile);

    /// <summary>Casts a power vote that holds until it is disposed.</summary>
    /// <exception cref="QnnNotSupportedException">The backend takes no power votes.</exception>
    /// <exception cref="QnnCallException">The backend refused this one.</exception>
    public QnnPowerVote VotePower(QnnPowerProfile profile, int rpcPollingMicroseconds = 0) =>
        QnnPowerVote.Cast(this, profile, rpcPollingMicroseconds);

    /// <summary>Frees the device once no context is on it.</summary>
    public void Dispose() => _device?.Dispose();

    internal static QnnDevice Create(QnnDriver driver, QnnHandle backend, QnnDeviceOptions options)
    {
        if (options.HasHtpOptions)
        {
            driver.RequireHtp("A SoC, an HTP generation or a size of VTCM");
        }
        ref readonly QnnInterface_ImplementationV2_32_t table = ref driver.Table;
        if (table.deviceCreate == null)
        {
            if (!options.IsDefault)
            {
                driver.Require(table.deviceCreate, "deviceCreate");
            }
            return new QnnDevice(driver, backend, device: null, options);
        }
        using var hold = new HandleHold(backend);
        using var arena = new NativeArena();
        QnnDevice_PlatformInfo_t* platform = null;
        try
        {
            QnnDevice_Config_t** configs = null;
            if (!options.IsDefault)
            {
                platform = ReadPlatform(driver);
                configs = WriteConfigs(driver, arena, platform, options);
            }
            void* device = null;
            ulong status = table.deviceCreate(null, configs, &device);
            if (status == (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_UNSUPPORTED_FEATURE && configs == null)
            {
                return new QnnDevice(driver, backend, device: null, options);
            }
            driver.Check(status, "deviceCreate");
            driver.CheckHandle(device, "deviceCreate");
            return new QnnDevice(driver, backend, new QnnHandle(driver, QnnHandleKind.Device, device, backend), options);
        }
        finally
        {
            if (platform != null && table.deviceFreePlatformInfo != null)
            {
                table.deviceFreePlatformInfo(null, platform);
            }
        }
    }

    // A null-terminated array: the platform info with the chosen device only, and what it is taken for. HTP prepares graphs for what
    // the custom options say and ignores the chip in the platform info (measured: SDK 2.51), other backends may do the reverse.
    static QnnDevice_Config_t** WriteConfigs(QnnDriver driver, NativeArena arena, QnnDevice_PlatformInfo_t* platform, QnnDeviceOptions options)
    {
        QnnDevice_HardwareDeviceInfo_t* device = arena.Allocate<QnnDevice_HardwareDeviceInfo_t>();
        *device = *Find(driver, platform, options.DeviceId);
        if (options.HasHtpOptions)
        {
            QnnHtpDevice_DeviceInfoExtension_t* found = device->v1.deviceInfoExtension;
            if (found == null || found->devType != QnnHtpDevice_DeviceType_t.QNN_HTP_DEVICE_TYPE_ON_CHIP)
            {
                throw new QnnNotSupportedException($"The backend '{driver.Name}' does not describe its device, so it cannot be taken for another.");
            }
            QnnHtpDevice_DeviceInfoExtension_t* extension = arena.Allocate<QnnHtpDevice_DeviceInfoExtension_t>();
            *extension = *found;
            extension->onChipDevice.socModel = options.SocModel ?? extension->onChipDevice.socModel;
            if (options.Arch != QnnHtpArch.Unspecified)
            {
                extension->onChipDevice.arch = (QnnHtpDevice_Arch_t)options.Arch;
            }
            if (options.VtcmMegabytes is int megabytes)
            {
                ArgumentOutOfRangeException.ThrowIfNegativeOrZero(megabytes, nameof(options.VtcmMegabytes));
                extension->onChipDevice.vtcmSize = (nuint)megabytes;
            }
            device->v1.deviceInfoExtension = extension;
        }
        var only = arena.Allocate<QnnDevice_PlatformInfo_t>();
        only->version = QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1;
        only->v1.numHwDevices = 1;
        only->v1.hwDevices = device;
        var config = arena.Allocate<QnnDevice_Config_t>();
        config->option = QnnDevice_ConfigOption_t.QNN_DEVICE_CONFIG_OPTION_PLATFORM_INFO;
        config->hardwareInfo = only;
        var configs = (QnnDevice_Config_t**)arena.Allocate<nint>(4);
        int count = 0;
        configs[count++] = config;
        if (options.SocModel is uint soc)
        {
            configs[count++] = WriteCustom(driver, arena, QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SOC, soc);
        }
        if (options.Arch != QnnHtpArch.Unspecified)
        {
            configs[count++] = WriteCustom(driver, arena, QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_ARCH, (uint)options.Arch,
                device->v1.deviceId);
        }
        return configs;
    }

    // The option's value is at byte 4 up to backend API 5.43 (QnnHtpDevice_CustomConfig_t), and at byte 8 in 5.51, whose union has a pointer.
    // A SoC's number is simply written at both. With a generation the older layout has the value where the newer has the device's number, which
    // counts for nothing when graphs are prepared (measured), so the older layout with the value at both places serves all versions below 5.51.
    static QnnDevice_Config_t* WriteCustom(
        QnnDriver driver, NativeArena arena, QnnHtpDevice_ConfigOption_t option, uint value, uint deviceId = 0)
    {
        uint* words = (uint*)arena.Allocate<ulong>(2);
        words[0] = (uint)option;
        if (option == QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SOC)
        {
            words[1] = value;
            words[2] = value;
        }
        else
        {
            words[1] = deviceId;
            words[2] = driver.Provider.Info.BackendApiVersion >= s_widerCustomConfig ? deviceId : value;
            words[3] = value;
        }
        var config = arena.Allocate<QnnDevice_Config_t>();
        config->option = QnnDevice_ConfigOption_t.QNN_DEVICE_CONFIG_OPTION_CUSTOM;
        config->customConfig = words;
        return config;
    }

    internal static QnnDevice_PlatformInfo_t* ReadPlatform(QnnDriver driver)
    {
        ref readonly QnnInterface_ImplementationV2_32_t table = ref driver.Table;
        driver.Require(table.deviceGetPlatformInfo, "deviceGetPlatformInfo");
        QnnDevice_PlatformInfo_t* platform = null;
        driver.Check(table.deviceGetPlatformInfo(null, &platform), "deviceGetPlatformInfo");
        driver.CheckHandle(platform, "deviceGetPlatformInfo");
        return platform;
    }

    static QnnDevice_HardwareDeviceInfo_t* Find(QnnDriver driver, QnnDevice_PlatformInfo_t* platform, uint? deviceId)
    {
        IReadOnlyList<QnnDeviceInfo> known = QnnPlatformReader.Read(platform, driver.IsHtp);
        for (uint i = 0; known.Count > 0 && i < platform->v1.numHwDevices; i++)
        {
            QnnDevice_HardwareDeviceInfo_t* device = &platform->Anonymous.v1.hwDevices[i];
            if (device->version == QnnDevice_HardwareDeviceInfoVersion_t.QNN_DEVICE_HARDWARE_DEVICE_INFO_VERSION_1
                && (deviceId is null || device->v1.deviceId == deviceId))
            {
                return device;
            }
        }
        string there = known.Count == 0 ? "none" : string.Join(", ", known.Select(device => device.DeviceId));
        throw new ArgumentException($"The backend '{driver.Name}' has no device {deviceId}; it has {there}.", nameof(deviceId));
    }
}
