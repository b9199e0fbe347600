using Microsoft.Extensions.Logging;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Cli.Backends;

/// <summary>The QNN backend of a command: the built-in one or a loaded library, its log, and the cache of its contexts.</summary>
internal sealed class BackendHost : IDisposable
{
    private readonly SoftHtpBackend? _soft;
    private readonly QnnLibrary _library;

    private BackendHost(SoftHtpBackend? soft, QnnLibrary library, QnnBackend backend, ContextCache? cache, ILogger logger)
    {
        _soft = soft;
        _library = library;
        Backend = backend;
        Cache = cache;
        Logger = logger;
    }

    /// <summary>The open backend.</summary>
    public QnnBackend Backend { get; }

    /// <summary>Where its contexts are kept; null for the built-in one, which composes faster than a disk reads.</summary>
    public ContextCache? Cache { get; }

    /// <summary>Where its log goes.</summary>
    public ILogger Logger { get; }

    /// <summary>Opens the built-in backend.</summary>
    /// <param name="threads">Threads that execute its graphs.</param>
    /// <param name="logger">Gets its log.</param>
    /// <exception cref="InputException">Its options in the environment cannot be read.</exception>
    public static unsafe BackendHost OpenBuiltIn(int threads, ILogger logger)
    {
        SoftHtpBackend soft = SoftHtpBackend.Create(Options(threads));
        QnnLibrary? library = null;
        try
        {
            library = QnnLibrary.FromProviderTable(soft.Providers, soft.ProviderCount, "SoftHtp", soft);
            return new BackendHost(soft, library, QnnBackend.Open(library, logger: logger), cache: null, logger);
        }
        catch
        {
            library?.Dispose();
            soft.Dispose();
            throw;
        }
    }

    /// <summary>Opens the backend of a library; the host takes the library over.</summary>
    /// <param name="library">The library.</param>
    /// <param name="logger">Gets the backend's log.</param>
    /// <exception cref="QnnCallException">The backend could not start.</exception>
    public static BackendHost Open(QnnLibrary library, ILogger logger) => new(
        null, library, QnnBackend.Open(library, logger: logger), new ContextCache(ContextCache.DefaultFolder, logger: logger), logger);

    /// <inheritdoc/>
    public void Dispose()
    {
        Backend.Dispose();
        _library.Dispose();
        _soft?.Dispose();
    }

    private static SoftHtpOptions Options(int threads)
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
