namespace ShadowAttn.Interop;

/// <summary>How a backend is opened.</summary>
public sealed record QnnBackendOptions
{
    /// <summary>How much the backend logs. HTP warns about every graph that it prepares, so the default is failures only.</summary>
    public QnnLogLevel LogLevel { get; init; } = QnnLogLevel.Error;

    /// <summary>Options of the backend's default device.</summary>
    public QnnDeviceOptions Device { get; init; } = new();
}
