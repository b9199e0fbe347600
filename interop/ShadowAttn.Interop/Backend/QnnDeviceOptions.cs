namespace ShadowAttn.Interop;

/// <summary>Generation of the HTP core, as the API numbers it.</summary>
public enum QnnHtpArch
{
    /// <summary>Not said: the backend takes what it runs on.</summary>
    Unspecified = 0,

    /// <summary>Snapdragon 888 and its like.</summary>
    V68 = 68,

    /// <summary>Snapdragon 8 Gen 1.</summary>
    V69 = 69,

    /// <summary>Snapdragon 8 Gen 2, X Elite.</summary>
    V73 = 73,

    /// <summary>Snapdragon 8 Gen 3.</summary>
    V75 = 75,

    /// <summary>Snapdragon 8 Elite.</summary>
    V79 = 79,

    /// <summary>The generation after V79.</summary>
    V81 = 81,

    /// <summary>The generation after V81.</summary>
    V85 = 85,
}

/// <summary>Which device is used, and as what. All of it is HTP's own; leave it out for other backends.</summary>
public sealed record QnnDeviceOptions
{
    /// <summary>Number of the device among those of <see cref="QnnBackend.GetPlatformInfo"/>; null takes the backend's default.</summary>
    public uint? DeviceId { get; init; }

    /// <summary>SoC model number (<c>Qnn_SocModel_t</c>) to prepare graphs for; null takes what the backend runs on.</summary>
    public uint? SocModel { get; init; }

    /// <summary>HTP generation to prepare graphs for.</summary>
    public QnnHtpArch Arch { get; init; }

    /// <summary>Whether to run in a signed process domain of the DSP.</summary>
    public bool SignedProcessDomain { get; init; }

    internal bool HasHtpOptions => SocModel is not null || Arch != QnnHtpArch.Unspecified || SignedProcessDomain;
}
