namespace ShadowAttn.Interop;

/// <summary>How a backend is opened.</summary>
public sealed record QnnBackendOptions
{
    /// <summary>How much the backend logs.</summary>
    public QnnLogLevel LogLevel { get; init; } = QnnLogLevel.Warn;

    /// <summary>Options of the backend's default device.</summary>
    public QnnDeviceOptions Device { get; init; } = new();
}
