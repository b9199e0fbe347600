namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A created device: what platform it stands for, and the contexts on it.</summary>
internal sealed class DeviceObject : QnnObject
{
    readonly Offspring _contexts = new();

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

    // HTP frees a device's contexts with it.
    protected override void OnClosed() => _contexts.CloseAll();
}

/// <summary>The SoC that a device stands for.</summary>
internal readonly record struct Platform(uint SocModel, uint Arch, uint VtcmMib)
{
    internal static Platform Of(SoftHtpOptions options) => new(options.SocModel, options.Arch, options.VtcmMib);
}
