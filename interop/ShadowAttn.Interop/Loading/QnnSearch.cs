using System.Runtime.InteropServices;

namespace ShadowAttn.Interop;

/// <summary>Where a candidate backend came from, in the order in which they are tried.</summary>
public enum QnnSearchSource
{
    /// <summary>The path that the user gave.</summary>
    Explicit,

    /// <summary>The environment variable <c>SHADOWATTN_QNN_BACKEND</c>.</summary>
    EnvironmentVariable,

    /// <summary>The application's folder or its <c>runtimes/&lt;rid&gt;/native</c>, where Microsoft.ML.OnnxRuntime.QNN puts its backends.</summary>
    Application,

    /// <summary><c>QNN_SDK_ROOT/lib/&lt;triple&gt;</c> of an installed SDK.</summary>
    Sdk,

    /// <summary>The system's loader, by name.</summary>
    System,
}

/// <summary>A place where a backend may be.</summary>
/// <param name="Source">Why this place is looked at.</param>
/// <param name="Path">Full path; for <see cref="QnnSearchSource.System"/> the bare name.</param>
public sealed record QnnSearchCandidate(QnnSearchSource Source, string Path);

/// <summary>What a candidate turned out to be.</summary>
/// <param name="Candidate">The place.</param>
/// <param name="Usable">Whether a backend there can be driven.</param>
/// <param name="Detail">Provider and version if usable, else the reason why not, in one line.</param>
/// <param name="Info">The provider that would be used; null if not usable.</param>
public sealed record QnnSearchResult(QnnSearchCandidate Candidate, bool Usable, string Detail, QnnProviderInfo? Info);

/// <summary>What the search looks at; made from the process's surroundings, or by hand.</summary>
public sealed record QnnSearchPlaces
{
    /// <summary>Name of the environment variable with a path of a backend.</summary>
    public const string BackendVariable = "SHADOWATTN_QNN_BACKEND";

    /// <summary>Name of the environment variable with the folder of an installed QNN SDK.</summary>
    public const string SdkVariable = "QNN_SDK_ROOT";

    /// <summary>Path given by the user; if set, nothing else is looked at.</summary>
    public string? ExplicitPath { get; init; }

    /// <summary>Value of <see cref="BackendVariable"/>; if set and no explicit path is, nothing else is looked at.</summary>
    public string? VariablePath { get; init; } = Environment.GetEnvironmentVariable(BackendVariable);

    /// <summary>Folder of the application.</summary>
    public string ApplicationFolder { get; init; } = AppContext.BaseDirectory;

    /// <summary>Folder of an installed SDK.</summary>
    public string? SdkRoot { get; init; } = Environment.GetEnvironmentVariable(SdkVariable);

    /// <summary>Portable runtime identifier, for example <c>linux-arm64</c>.</summary>
    public string RuntimeIdentifier { get; init; } = CurrentRuntimeIdentifier();

    /// <summary>Whether the system's loader is asked at the end.</summary>
    public bool AskSystem { get; init; } = true;

    /// <summary>File name of the HTP backend on this system.</summary>
    public string LibraryName { get; init; } = OperatingSystem.IsWindows() ? "QnnHtp.dll" : "libQnnHtp.so";

    static string CurrentRuntimeIdentifier()
    {
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsAndroid() ? "android" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string processor = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.Arm64 => "arm64",
            Architecture.X64 => "x64",
            Architecture other => other.ToString().ToUpperInvariant(),
        };
        return $"{system}-{processor}";
    }
}

/// <summary>Finds a QNN backend: explicit path, environment variable, application folder, SDK, system.</summary>
public static class QnnSearch
{
    // Folder names of the SDK's lib/, best first, by runtime identifier.
    static string[] SdkTriples(string runtimeIdentifier) => runtimeIdentifier switch
    {
        "linux-x64" => ["x86_64-linux-clang"],
        "linux-arm64" => ["aarch64-ubuntu-gcc9.4", "aarch64-oe-linux-gcc11.2", "aarch64-oe-linux-gcc9.3", "aarch64-oe-linux-gcc8.2"],
        "android-arm64" => ["aarch64-android"],
        "win-arm64" => ["aarch64-windows-msvc", "arm64x-windows-msvc"],
        "win-x64" => ["x86_64-windows-msvc"],
        _ => [],
    };

    /// <summary>The places in the order in which they are tried. An explicit path, or else the variable, excludes the others.</summary>
    public static IReadOnlyList<QnnSearchCandidate> Candidates(QnnSearchPlaces places)
    {
        if (!string.IsNullOrEmpty(places.ExplicitPath))
        {
            return [new(QnnSearchSource.Explicit, places.ExplicitPath)];
        }
        if (!string.IsNullOrEmpty(places.VariablePath))
        {
            return [new(QnnSearchSource.EnvironmentVariable, places.VariablePath)];
        }
        var candidates = new List<QnnSearchCandidate>
        {
            new(QnnSearchSource.Application, Path.Combine(places.ApplicationFolder, places.LibraryName)),
            new(QnnSearchSource.Application,
                Path.Combine(places.ApplicationFolder, "runtimes", places.RuntimeIdentifier, "native", places.LibraryName)),
        };
        if (!string.IsNullOrEmpty(places.SdkRoot))
        {
            foreach (string triple in SdkTriples(places.RuntimeIdentifier))
            {
                candidates.Add(new(QnnSearchSource.Sdk, Path.Combine(places.SdkRoot, "lib", triple, places.LibraryName)));
            }
        }
        if (places.AskSystem)
        {
            candidates.Add(new(QnnSearchSource.System, places.LibraryName));
        }
        return candidates;
    }

    /// <summary>Tries every place and says what is there: for reports.</summary>
    public static IReadOnlyList<QnnSearchResult> Probe(QnnSearchPlaces places)
    {
        var results = new List<QnnSearchResult>();
        foreach (QnnSearchCandidate candidate in Candidates(places))
        {
            try
            {
                using QnnLibrary library = QnnLibrary.Load(candidate.Path);
                results.Add(new(candidate, Usable: true,
                    $"{library.Info}, backend API {library.Info.BackendApiVersion}", library.Info));
            }
            catch (QnnLoadException e)
            {
                results.Add(new(candidate, Usable: false, e.Message, Info: null));
            }
        }
        return results;
    }

    /// <summary>Loads the first usable backend.</summary>
    /// <exception cref="QnnLoadException">
    /// None is usable. For an explicit path or the variable the message is that file's; else it names every place and its reason.
    /// </exception>
    public static QnnLibrary Open(QnnSearchPlaces places)
    {
        IReadOnlyList<QnnSearchCandidate> candidates = Candidates(places);
        if (candidates is [QnnSearchCandidate { Source: QnnSearchSource.Explicit } only])
        {
            return QnnLibrary.Load(only.Path);
        }
        var reasons = new List<string>();
        foreach (QnnSearchCandidate candidate in candidates)
        {
            try
            {
                return QnnLibrary.Load(candidate.Path);
            }
            catch (QnnLoadException e) when (candidate.Source == QnnSearchSource.EnvironmentVariable)
            {
                throw new QnnLoadException(e.Failure, e.Library, $"{QnnSearchPlaces.BackendVariable}: {e.Message}", e);
            }
            catch (QnnLoadException e) when (e.Failure == QnnLoadFailure.FileMissing)
            {
                reasons.Add($"{candidate.Path} (not there)");
            }
            catch (QnnLoadException e)
            {
                reasons.Add($"{candidate.Path} ({e.Message})");
            }
        }
        throw new QnnLoadException(QnnLoadFailure.NothingFound, places.LibraryName,
            $"No usable QNN backend found; looked at {string.Join(", ", reasons)}. Give its path, or set {QnnSearchPlaces.BackendVariable}.");
    }
}
