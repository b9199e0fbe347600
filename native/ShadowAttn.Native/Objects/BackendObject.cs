using Microsoft.Extensions.Logging;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Native;

/// <summary>An open QNN backend and what goes with it.</summary>
internal sealed class BackendObject : SharedObject
{
    private const string Soft = "soft";

    private readonly SoftHtpBackend? soft;
    private readonly QnnLibrary library;
    private readonly QnnPowerVote? vote;

    /// <exception cref="SaException">An option is wrong.</exception>
    /// <exception cref="QnnException">The library is missing or unsuitable, or the backend does not start.</exception>
    public unsafe BackendObject(string path, in SaBackendOptions options)
    {
        if (options.Power is < 0 or > (int)QnnPowerProfile.Balanced)
        {
            throw SaException.Argument($"power is {options.Power}; it must be one of SA_POWER_*");
        }

        if (options.RpcPollingUs > QnnPowerVote.MostRpcPollingMicroseconds || (options.RpcPollingUs > 0 && options.Power == 0))
        {
            throw SaException.Argument(
                $"rpc_polling_us is {options.RpcPollingUs}; it must be at most {QnnPowerVote.MostRpcPollingMicroseconds}, and 0 with SA_POWER_DEFAULT");
        }

        string? cacheFolder = options.CacheFolder == null ? null : Utf8.Read(options.CacheFolder, "cache_folder");
        if (string.IsNullOrWhiteSpace(path) || cacheFolder is "")
        {
            throw SaException.Argument(cacheFolder is "" ? "cache_folder is empty" : "path is empty; it must be \"soft\" or a QNN library");
        }

        CallbackLog log = CallbackLog.Instance;
        try
        {
            if (path == Soft)
            {
                soft = SoftHtpBackend.Create(SoftOptions(options.Threads));
                library = soft.CreateLibrary();
            }
            else
            {
                library = QnnLibrary.Load(path);
            }

            Backend = QnnBackend.Open(library, new QnnBackendOptions { LogLevel = BackendLevel(log.Level) }, log);
            vote = options.Power == 0 ? null : Backend.Device.VotePower((QnnPowerProfile)options.Power, (int)options.RpcPollingUs);
        }
        catch
        {
            Destroy();
            throw;
        }

        Pilot = new PilotOptions { Cache = cacheFolder is null ? null : new ContextCache(cacheFolder, logger: log), Logger = log };
    }

    public override string Kind => "backend";

    /// <summary>The backend.</summary>
    public QnnBackend Backend { get; }

    /// <summary>How pilot graphs are prepared and kept.</summary>
    public PilotOptions Pilot { get; }

    /// <inheritdoc/>
    protected override void Destroy()
    {
        vote?.Dispose();
        Backend?.Dispose();
        library?.Dispose();
        soft?.Dispose();
    }

    private static SoftHtpOptions SoftOptions(uint threads)
    {
        const uint MaxThreads = 1024;
        if (threads > MaxThreads)
        {
            throw SaException.Argument($"threads is {threads}; it must be at most {MaxThreads}");
        }

        try
        {
            SoftHtpOptions options = SoftHtpOptions.FromEnvironment();
            return threads == 0 ? options : options with { Threads = (int)threads };
        }
        catch (FormatException e)
        {
            throw SaException.Argument(e.Message);
        }
    }

    // HTP warns about every graph that it prepares.
    private static QnnLogLevel BackendLevel(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => QnnLogLevel.Verbose,
        LogLevel.Information => QnnLogLevel.Info,
        LogLevel.Warning => QnnLogLevel.Warn,
        _ => QnnLogLevel.Error,
    };
}
