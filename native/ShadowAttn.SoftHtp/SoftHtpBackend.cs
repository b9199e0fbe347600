using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.SystemLibrary;
using ShadowAttn.SoftHtp.Table;

namespace ShadowAttn.SoftHtp;

/// <summary>
/// A QNN backend in software: a provider table of API 2.32 whose calls behave as HTP's do, for machines without the NPU. Operators
/// compute with HTP's integer arithmetic; what HTP's validation refuses, addNode refuses here too; buffers that are too small are an
/// error and are not read past their end.
/// </summary>
/// <remarks>
/// A client uses it through the table only, as it would use a loaded library. Several instances live side by side; each has its own
/// options, faults and handles.
/// </remarks>
public sealed unsafe class SoftHtpBackend : IDisposable
{
    readonly SoftHtpInstance _instance;
    readonly ProviderPort _port;
    bool _disposed;

    SoftHtpBackend(SoftHtpOptions options)
    {
        _instance = new SoftHtpInstance(options);
        _port = ProviderPort.Open(_instance);
    }

    /// <summary>A backend with <paramref name="options"/>, or with the defaults.</summary>
    /// <exception cref="ArgumentException">An option is negative, or a fault names a call that does not exist.</exception>
    public static SoftHtpBackend Create(SoftHtpOptions? options = null) => new(options ?? new SoftHtpOptions());

    /// <summary>The options it was made with.</summary>
    public SoftHtpOptions Options => _instance.Options;

    /// <summary>Array of <see cref="ProviderCount"/> provider pointers, as <c>QnnInterface_getProviders</c> hands out. Valid until disposal.</summary>
    public QnnInterface_t** Providers => _port.List;

    /// <summary>Providers in <see cref="Providers"/>: 1.</summary>
    public uint ProviderCount { get; } = 1;

    /// <summary>
    /// <c>QnnInterface_getProviders</c> of this instance: hands out <see cref="Providers"/>, unless a fault on <c>getProviders</c> strikes.
    /// </summary>
    /// <returns>QNN status.</returns>
    public ulong GetProviders(QnnInterface_t*** list, uint* count)
    {
        CallGate.Outcome fault = _instance.Gate.Enter(QnnCall.GetProviders);
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (list == null || count == null)
        {
            return Status.InvalidArgument;
        }
        *list = fault.NullResult ? null : Providers;
        *count = fault.NullResult ? 0 : ProviderCount;
        return Status.Success;
    }

    /// <summary>Array of <see cref="SystemProviderCount"/> providers of the system interface, which reads this backend's context binaries.</summary>
    public static QnnSystemInterface_t** SystemProviders => SystemTable.Providers;

    /// <summary>Providers in <see cref="SystemProviders"/>: 1.</summary>
    public static uint SystemProviderCount => 1;

    /// <summary>The power votes of clients that are in force, oldest first.</summary>
    public IReadOnlyList<SoftHtpPowerVote> PowerVotes => _instance.Power.Standing();

    /// <summary>This backend and its system interface as a library that <see cref="QnnBackend.Open(QnnLibrary, QnnBackendOptions?, Microsoft.Extensions.Logging.ILogger?, bool)"/> takes.</summary>
    /// <returns>To be disposed before the backend.</returns>
    public QnnLibrary CreateLibrary() =>
        QnnLibrary.FromProviderTable(Providers, ProviderCount, "SoftHtp", this, SystemProviders, SystemProviderCount);

    /// <summary>Handles that the client has not freed, by kind.</summary>
    public SoftHtpHandleCounts LiveHandles => new(
        _instance.Live(HandleKind.Log),
        _instance.Live(HandleKind.Backend),
        _instance.Live(HandleKind.Device),
        _instance.Live(HandleKind.Context),
        _instance.Live(HandleKind.Graph),
        _instance.Live(HandleKind.Profile),
        _instance.Live(HandleKind.Memory),
        _instance.Live(HandleKind.Signal),
        _instance.Live(HandleKind.Power));

    /// <summary>
    /// Bytes of operands that executions have copied because a kernel needs them in another form (unsigned, transposed, 16 bits). The
    /// pilot's product of signed queries with transposed signed keys reads and writes the client's memory in place and adds nothing.
    /// </summary>
    public long StagedBytes => _instance.StagedBytes;

    /// <summary>Slot names of the calls that faults can name and <see cref="CallCount"/> counts.</summary>
    public static IReadOnlyList<string> CallNames => CallGate.Names;

    /// <summary>How often the call with this slot name, for example <c>graphExecute</c>, has been made with a valid handle.</summary>
    /// <exception cref="ArgumentException">There is no such call.</exception>
    public long CallCount(string call) => _instance.Gate.Count(call);

    /// <summary>Frees what the client has left and makes its table refuse further calls.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        _instance.Shut();
        _port.Close();
    }
}

/// <summary>Numbers of living handles.</summary>
public readonly record struct SoftHtpHandleCounts(
    int Logs, int Backends, int Devices, int Contexts, int Graphs, int Profiles, int Memories, int Signals, int PowerConfigs)
{
    /// <summary>All of them together.</summary>
    public int Total => Logs + Backends + Devices + Contexts + Graphs + Profiles + Memories + Signals + PowerConfigs;
}
