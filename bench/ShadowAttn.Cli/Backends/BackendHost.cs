using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Cli.Backends;

/// <summary>The QNN backend of a command: the built-in one or a loaded library, its log, its power vote and the cache of its contexts.</summary>
internal sealed class BackendHost : IDisposable
{
    private readonly SoftHtpBackend? _soft;
    private readonly QnnLibrary _library;
    private readonly QnnPowerVote? _vote;

    private BackendHost(SoftHtpBackend? soft, QnnLibrary library, QnnBackend backend, QnnPowerVote? vote, BackendOptions options, ILogger logger)
    {
        _soft = soft;
        _library = library;
        _vote = vote;
        Backend = backend;
        Options = options;

        // The built-in backend composes faster than a disk reads.
        bool useCache = options.UseCache ?? soft is null;
        Pilot = new PilotOptions
        {
            Cache = useCache ? new ContextCache(options.CacheFolder ?? ContextCache.DefaultFolder, logger: logger) : null,
            Graph = options.Graph,
            Context = options.Context,
            Logger = logger,
        };
    }

    /// <summary>The open backend.</summary>
    public QnnBackend Backend { get; }

    /// <summary>What it was opened with.</summary>
    public BackendOptions Options { get; }

    /// <summary>How its pilot graphs are prepared and kept.</summary>
    public PilotOptions Pilot { get; }

    /// <summary>Opens a backend.</summary>
    /// <param name="options">Which, and how.</param>
    /// <param name="threads">Threads that execute graphs of the built-in backend.</param>
    /// <param name="logger">Told what the command itself has to say.</param>
    /// <param name="verbose">Whether the backend's own log goes there too; its last lines are part of errors anyway.</param>
    /// <exception cref="QnnLoadException">The library is missing or unsuitable.</exception>
    /// <exception cref="InputException">The built-in backend's options in the environment cannot be read.</exception>
    /// <exception cref="QnnException">The backend could not start, or refuses an option.</exception>
    public static BackendHost Open(BackendOptions options, int threads, ILogger logger, bool verbose)
    {
        SoftHtpBackend? soft = options.Path is null ? SoftHtpBackend.Create(SoftOptions(threads)) : null;
        QnnLibrary? library = null;
        QnnBackend? backend = null;
        try
        {
            library = soft is null ? options.LoadLibrary() : soft.CreateLibrary();
            backend = QnnBackend.Open(
                library,
                new QnnBackendOptions { LogLevel = verbose ? QnnLogLevel.Info : QnnLogLevel.Warn, Device = options.Device },
                verbose ? logger : NullLogger.Instance);
            QnnPowerVote? vote = options.Power == QnnPowerProfile.Default && options.RpcPollingMicroseconds == 0
                ? null
                : backend.Device.VotePower(options.Power, options.RpcPollingMicroseconds);
            return new BackendHost(soft, library, backend, vote, options, logger);
        }
        catch
        {
            backend?.Dispose();
            library?.Dispose();
            soft?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _vote?.Dispose();
        Backend.Dispose();
        _library.Dispose();
        _soft?.Dispose();
    }

    /// <summary>Options of the built-in backend, from the environment where they are there.</summary>
    /// <param name="threads">Threads that execute graphs, if the environment does not say; 0 for one per logical processor.</param>
    /// <exception cref="InputException">They cannot be read.</exception>
    internal static SoftHtpOptions SoftOptions(int threads)
    {
        try
        {
            SoftHtpOptions options = SoftHtpOptions.FromEnvironment();
            return options.Threads == 0 ? options with { Threads = threads } : options;
        }
        catch (FormatException e)
        {
            throw new InputException($"{SoftHtpOptions.EnvironmentVariable}: {e.Message}", e);
        }
    }
}
