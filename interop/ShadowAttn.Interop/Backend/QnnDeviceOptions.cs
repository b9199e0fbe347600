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

/// <summary>
/// Which device is used, and what it is taken for. Without any of it the backend takes what it runs on; with it, the backend
/// is handed its own platform info with these values in it, and HTP's custom options for SoC and generation. What HTP prepares graphs
/// for is decided by the SoC where it is given: its generation and size of memory are then the backend's own idea of that SoC
/// (measured on the simulator of SDK 2.51).
/// </summary>
public sealed record QnnDeviceOptions
{
    /// <summary>Number of the device among those of <see cref="QnnBackend.GetPlatformInfo"/>; null takes the first.</summary>
    public uint? DeviceId { get; init; }

    /// <summary>HTP only: SoC model number (<c>Qnn_SocModel_t</c>) to prepare graphs for.</summary>
    public uint? SocModel { get; init; }

    /// <summary>HTP only: generation to prepare graphs for, or the oldest that they may need where a SoC is given.</summary>
    public QnnHtpArch Arch { get; init; }

    /// <summary>HTP only: size of the device's tightly coupled memory in MiB, as its platform info has it.</summary>
    public int? VtcmMegabytes { get; init; }

    internal bool HasHtpOptions => SocModel is not null || Arch != QnnHtpArch.Unspecified || VtcmMegabytes is not null;

    internal bool IsDefault => DeviceId is null && !HasHtpOptions;
}
