using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Backends;

/// <summary>Which QNN backend a command uses, and how.</summary>
public sealed record BackendOptions
{
    /// <summary>The name of the backend that is built in.</summary>
    public const string BuiltIn = "soft";

    /// <summary>Path of a QNN backend library, or null for the built-in one.</summary>
    public string? Path { get; init; }

    /// <summary>Whether the path is from the environment variable and not from the command line: messages then name the variable.</summary>
    public bool IsPathFromVariable { get; init; }

    /// <summary>Power vote for the time of the command.</summary>
    public QnnPowerProfile Power { get; init; } = QnnPowerProfile.Default;

    /// <summary>Time for which the caller's core polls for results instead of sleeping, in microseconds.</summary>
    public int RpcPollingMicroseconds { get; init; }

    /// <summary>Options of the device.</summary>
    public QnnDeviceOptions Device { get; init; } = new();

    /// <summary>Options of contexts.</summary>
    public QnnContextOptions Context { get; init; } = new();

    /// <summary>Options of graphs.</summary>
    public QnnGraphOptions Graph { get; init; } = new();

    /// <summary>How closely the backend profiles; null for not at all.</summary>
    public QnnProfileLevel? Profile { get; init; }

    /// <summary>Folder of the context cache; null for the default folder.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Whether contexts are cached; null for what suits the backend.</summary>
    public bool? UseCache { get; init; }

    /// <summary>Loads the library at <see cref="Path"/>.</summary>
    /// <exception cref="QnnLoadException">It is missing or unsuitable.</exception>
    /// <exception cref="InvalidOperationException">The backend is the built-in one.</exception>
    public QnnLibrary LoadLibrary() => Path switch
    {
        null => throw new InvalidOperationException("the built-in backend is in no library"),
        { } path when IsPathFromVariable => QnnSearch.Open(new QnnSearchPlaces { VariablePath = path }),
        { } path => QnnLibrary.Load(path),
    };
}
