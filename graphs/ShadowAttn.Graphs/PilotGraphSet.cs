using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>How the graphs of a <see cref="PilotGraphSet"/> came about.</summary>
/// <param name="FromCache">Graphs taken from cached contexts.</param>
/// <param name="Composed">Graphs composed and finalised.</param>
/// <param name="Milliseconds">Time for both.</param>
public readonly record struct PilotPreparation(int FromCache, int Composed, double Milliseconds);

/// <summary>
/// The pilot graphs of one backend: those that a plan asks for together share a context, which comes from the disk cache when it is there.
/// </summary>
public sealed class PilotGraphSet : IDisposable
{
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(60);

    private readonly QnnBackend backend;
    private readonly PilotOptions options;
    private readonly ContextCache? cache;
    private readonly ILogger log;
    private readonly Lazy<ContextIdentity> identity;
    private readonly Dictionary<PilotGraphSpec, PilotGraph> graphs = [];
    private readonly List<QnnContext> contexts = [];
    private bool disposed;

    /// <summary>An empty set.</summary>
    /// <param name="backend">The backend; must outlive the set.</param>
    /// <param name="options">How graphs are prepared and kept; null for the defaults.</param>
    public PilotGraphSet(QnnBackend backend, PilotOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        this.backend = backend;
        this.options = options ?? new PilotOptions();
        cache = this.options.Cache;
        log = this.options.Logger ?? NullLogger.Instance;
        identity = new Lazy<ContextIdentity>(() => ContextIdentity.Of(backend));
    }

    /// <summary>How the graphs so far came about.</summary>
    public PilotPreparation Preparation { get; private set; }

    /// <summary>The graphs for some specs. Not for the path of a call: composing takes milliseconds and allocates.</summary>
    /// <param name="specs">Shapes and encodings; repeats are fine.</param>
    /// <returns>A graph per spec, in the order of <paramref name="specs"/>.</returns>
    /// <exception cref="QnnException">The backend refuses a graph.</exception>
    /// <exception cref="ObjectDisposedException">The set has been disposed.</exception>
    public PilotGraph[] Get(IReadOnlyList<PilotGraphSpec> specs)
    {
        ArgumentNullException.ThrowIfNull(specs);
        ObjectDisposedException.ThrowIf(disposed, this);
        PilotGraphSpec[] missing = Missing(specs);
        if (missing.Length > 0)
        {
            Prepare(missing);
        }

        return [.. specs.Select(s => graphs[s])];
    }

    /// <summary>What the cached context of graphs depends on, for <see cref="ContextCache.TryRead"/> and <see cref="ContextCache.EntryPath"/>.</summary>
    /// <param name="specs">Shapes and encodings; repeats are fine. Those that the set has already are left out, as <see cref="Get"/> does.</param>
    public string Describe(IReadOnlyList<PilotGraphSpec> specs)
    {
        ArgumentNullException.ThrowIfNull(specs);
        return identity.Value.Describe(Missing(specs), options);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        foreach (PilotGraph graph in graphs.Values)
        {
            graph.Dispose();
        }

        foreach (QnnContext context in contexts)
        {
            context.Dispose();
        }

        graphs.Clear();
        contexts.Clear();
    }

    /// <summary>What a context is made of, in the order that is part of its key.</summary>
    private PilotGraphSpec[] Missing(IReadOnlyList<PilotGraphSpec> specs) =>
    [
        .. specs.Where(s => !graphs.ContainsKey(s)).Distinct().OrderBy(s => s.Keys).ThenBy(s => s.Name, StringComparer.Ordinal),
    ];

    private void Prepare(PilotGraphSpec[] specs)
    {
        long start = Stopwatch.GetTimestamp();
        string description = cache is null ? string.Empty : identity.Value.Describe(specs, options);
        bool cached = TryFromCache(specs, description);
        if (!cached)
        {
            using IDisposable? held = cache?.Lock(description, LockWait);

            // Another process may have finished the same context while this one waited.
            cached = TryFromCache(specs, description);
            if (!cached)
            {
                Compose(specs, description);
            }
        }

        double milliseconds = Preparation.Milliseconds + Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Preparation = cached
            ? Preparation with { FromCache = Preparation.FromCache + specs.Length, Milliseconds = milliseconds }
            : Preparation with { Composed = Preparation.Composed + specs.Length, Milliseconds = milliseconds };
        log.LogInformation("{Count} pilot graphs {Way}", specs.Length, cached ? "from the cache" : "composed");
    }

    private void Compose(PilotGraphSpec[] specs, string description)
    {
        QnnContext context = backend.CreateContext(options.Context);
        List<PilotGraph> composed = [];
        try
        {
            foreach (PilotGraphSpec spec in specs)
            {
                composed.Add(PilotGraph.Compose(context, spec, options.Graph));
            }

            if (cache is not null)
            {
                Store(context, description);
            }
        }
        catch
        {
            composed.ForEach(g => g.Dispose());
            context.Dispose();
            throw;
        }

        Keep(context, composed);
    }

    private void Store(QnnContext context, string description)
    {
        try
        {
            cache!.Write(description, context.GetBinary());
        }
        catch (QnnException e)
        {
            log.LogWarning("not cached: {Reason}", e.Message);
        }
    }

    private bool TryFromCache(PilotGraphSpec[] specs, string description)
    {
        if (cache?.TryRead(description) is not { } binary)
        {
            return false;
        }

        QnnContext? context = null;
        List<PilotGraph> retrieved = [];
        try
        {
            QnnBinaryInfo info = backend.Library.SystemLibrary.ReadBinary(binary.Span);
            context = backend.CreateContext(binary.Span, options.Context);
            foreach (PilotGraphSpec spec in specs)
            {
                retrieved.Add(PilotGraph.Retrieve(context, info, spec));
            }

            Keep(context, retrieved);
            return true;
        }
        catch (QnnException e)
        {
            retrieved.ForEach(g => g.Dispose());
            context?.Dispose();
            if (e is QnnLoadException or QnnNotSupportedException)
            {
                log.LogWarning("cached contexts cannot be used: {Reason}", e.Message);
            }
            else
            {
                cache.Reject(description, e.Message);
            }

            return false;
        }
    }

    private void Keep(QnnContext context, List<PilotGraph> added)
    {
        contexts.Add(context);
        added.ForEach(g => graphs.Add(g.Spec, g));
    }
}
