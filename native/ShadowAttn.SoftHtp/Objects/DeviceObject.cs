using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A created device: what platform it stands for, and the contexts on it.</summary>
internal sealed unsafe class DeviceObject : QnnObject
{
    readonly Offspring _contexts = new();
    readonly NativeRegion _region = new();
    QnnDevice_PlatformInfo_t* _info;
    Platform _described;

    internal DeviceObject(SoftHtpInstance instance, LogObject? log, Platform platform)
        : base(instance, HandleKind.Device)
    {
        Log = log;
        Platform = platform;
    }

    internal LogObject? Log { get; }

    internal Platform Platform { get; set; }

    internal bool Adopt(ContextObject context) => _contexts.Adopt(context);

    internal void Disown(ContextObject context) => _contexts.Disown(context);

    /// <summary>The device's platform in C structs, valid as long as the device.</summary>
    internal QnnDevice_PlatformInfo_t* Info()
    {
        lock (_region)
        {
            if (_info == null || _described != Platform)
            {
                _described = Platform;
                _info = PlatformInfo.Write(_region, Platform);
            }
            return _info;
        }
    }

    protected override void Destroy() => _region.Free();

    // HTP frees a device's contexts with it.
    protected override void OnClosed() => _contexts.CloseAll();
}

/// <summary>The SoC that a device stands for.</summary>
internal readonly record struct Platform(uint SocModel, uint Arch, uint VtcmMib)
{
    internal static Platform Of(SoftHtpOptions options) => new(options.SocModel, options.Arch, options.VtcmMib);
}
