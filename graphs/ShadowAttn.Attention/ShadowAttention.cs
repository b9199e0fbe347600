using System.Diagnostics;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The operator: attention of one layer. The pilot guesses in INT8 which keys matter, the CPU computes exact attention over those and adds
/// what the pilot says about the rest.
/// </summary>
/// <remarks>
/// A call of a shape that was not seen before makes its plan: buffers, graphs, threads' scratch. Further calls of the same shape allocate
/// nothing on the managed heap. One call at a time; different objects are independent.
/// </remarks>
public sealed class ShadowAttention : IDisposable
{
    private readonly AttentionCall call = new();
    private readonly AttentionReport report = new();
    private readonly QnnBackend? backend;
    private readonly PilotGraphSet? graphs;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly PlanSet plans;
    private int busy;
    private bool disposed;

    /// <summary>An operator.</summary>
    /// <param name="backend">Scores the keys in mode <see cref="AttentionMode.Shadow"/>, attends in <see cref="AttentionMode.NpuInt8"/>; may be null in other modes.</param>
    /// <param name="options">Shape, mode and knobs.</param>
    /// <param name="pilot">How pilot graphs are prepared and kept; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is wrong, or the mode needs a backend and there is none.</exception>
    public ShadowAttention(QnnBackend? backend, AttentionOptions options, PilotOptions? pilot = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Options = options;
        if (options.Mode is AttentionMode.Shadow or AttentionMode.NpuInt8)
        {
            ArgumentNullException.ThrowIfNull(backend, $"{nameof(backend)} (mode {options.Mode} needs a QNN backend; {AttentionMode.ShadowCpu} needs none)");
            this.backend = backend;
            graphs = new PilotGraphSet(backend, pilot);
        }

        plans = new PlanSet(options.MaxPlans);
        call.Progress = new HeadProgress(options.Heads);
        pool = options.Workers is { } workers
            ? new WorkerPool(workers)
            : new WorkerPool(options.Threads == 0 ? Environment.ProcessorCount : options.Threads);
        clock = new StageClock(pool.Threads);
    }

    /// <summary>The options that the operator was made with.</summary>
    public AttentionOptions Options { get; }

    /// <summary>CPU threads in use, the caller's included.</summary>
    public int Threads => pool.Threads;

    /// <summary>How the pilot graphs so far came about; all zero in modes without a backend.</summary>
    public PilotPreparation Preparation => graphs?.Preparation ?? default;

    /// <summary>
    /// Gets the events of the backend's executions in mode <see cref="AttentionMode.Shadow"/> while it is set; profiling costs time.
    /// </summary>
    public QnnProfile? Profile { get; set; }

    /// <summary>Records the calls while it is set: which worker and which stage did what when. Recording allocates nothing after the first call.</summary>
    public TimelineRecorder? Recorder { get; set; }

    /// <summary>
    /// How long the units of the last plan kept the two stages of mode <see cref="AttentionMode.Shadow"/> busy; null in other modes and before the first
    /// call. What <see cref="FlowShop"/> takes.
    /// </summary>
    public PipelineTimes? StageTimes => plans.Newest is ShadowPipeline shadow ? shadow.StageTimes() : null;

    /// <summary>
    /// Called with a query head as soon as its output is complete, on the worker's thread that completed it: what follows can start with it. While it is
    /// set, heads are computed one after the other. What it throws ends the call. Not called for the heads that a cancelled call leaves undone.
    /// </summary>
    public Action<int>? HeadCompleted { get; set; }

    /// <summary>O = attention(Q, K, V). The queries are the last ones of the keys. All tensors are used in place.</summary>
    /// <param name="q">fp32 [heads, queries, headDim]; any strides with adjacent channels.</param>
    /// <param name="k">[kvHeads, keys, headDim] of any format, as above; keys ≥ queries when causal. A TensorView of float or Half will do.</param>
    /// <param name="v">[kvHeads, keys, headDim] of any format, as above.</param>
    /// <param name="o">Receives fp32 [heads, queries, headDim]; must not overlap the inputs.</param>
    /// <param name="kept">Receives the kept keys of every row when given; its shape must be the call's.</param>
    /// <param name="cancellationToken">
    /// Ends the call between two tiles of a head, in well under a millisecond of each worker's time; an execution of the NPU is waited for. The output
    /// is then partly written, and the operator can be called again.
    /// </param>
    /// <returns>What the call did; the object is filled anew by the next call.</returns>
    /// <exception cref="ArgumentException">A tensor's shape or strides do not fit the options or each other.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="QnnException">The backend reports an error.</exception>
    /// <exception cref="InvalidOperationException">Another call of this operator is under way.</exception>
    /// <exception cref="ObjectDisposedException">The operator has been disposed.</exception>
    public AttentionReport Compute(
        in TensorView<float> q, in KvView k, in KvView v, in TensorView<float> o, KeptKeys? kept = null,
        CancellationToken cancellationToken = default) => Compute(q, k, v, o, kept, null, cancellationToken);

    /// <summary>
    /// O = attention(Q, cache). The queries are the last ones of the cached keys. Reads only what the cache has prepared: nothing is done per key
    /// but the pilot and the attention itself.
    /// </summary>
    /// <param name="q">fp32 [heads, queries, headDim]; any strides with adjacent channels.</param>
    /// <param name="cache">A cache of this operator with at least one key; with at least as many as queries when causal.</param>
    /// <param name="o">Receives fp32 [heads, queries, headDim]; must not overlap the inputs.</param>
    /// <param name="kept">Receives the kept keys of every row when given; its shape must be the call's.</param>
    /// <param name="cancellationToken">
    /// Ends the call between two tiles of a head, in well under a millisecond of each worker's time; an execution of the NPU is waited for. The output
    /// is then partly written, and the operator can be called again.
    /// </param>
    /// <returns>What the call did; the object is filled anew by the next call.</returns>
    /// <exception cref="ArgumentException">A tensor does not fit, or the cache is empty or another operator's.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="QnnException">The backend reports an error.</exception>
    /// <exception cref="InvalidOperationException">Another call of this operator is under way.</exception>
    /// <exception cref="ObjectDisposedException">The operator or the cache has been disposed.</exception>
    public AttentionReport Compute(
        in TensorView<float> q, KvCache cache, in TensorView<float> o, KeptKeys? kept = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ObjectDisposedException.ThrowIf(cache.IsDisposed, cache);
        if (cache.Owner != this || cache.Count == 0)
        {
            throw new ArgumentException(cache.Count == 0 ? "the cache is empty" : "the cache was made by another operator", nameof(cache));
        }

        return Compute(q, cache.Keys, cache.Values, o, kept, cache, cancellationToken);
    }

    /// <summary>A cache for one sequence, of this operator's heads; for chunked prefill and decode.</summary>
    /// <param name="capacity">The most keys, at least 1.</param>
    /// <param name="format">How keys and values are stored: fp32, fp16, bf16, or int16 with a scale per channel that grows as it must.</param>
    /// <param name="statistics">Mean and spread of this layer's keys as measured before; null to take those of the sequence's first keys.</param>
    /// <exception cref="ArgumentException">A capacity below 1, another format, statistics of another shape, or options that caches do not go with.</exception>
    /// <exception cref="ObjectDisposedException">The operator has been disposed.</exception>
    public KvCache CreateCache(int capacity, KvFormat format = KvFormat.F32, KeyStatistics? statistics = null)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        if (!Enum.IsDefined(format))
        {
            throw new ArgumentException($"{format}: is no format of keys and values", nameof(format));
        }

        if (statistics is not null && (statistics.KvHeads != Options.KvHeads || statistics.HeadDim != Options.HeadDim))
        {
            throw new ArgumentException(
                $"the statistics are of [{statistics.KvHeads}, {statistics.HeadDim}], the options say [{Options.KvHeads}, {Options.HeadDim}]", nameof(statistics));
        }

        if (Options.Mode is AttentionMode.SparseCpu or AttentionMode.BlockSparse)
        {
            throw new ArgumentException($"mode {Options.Mode} takes no cache: it is there to compare with, on whole tensors");
        }

        if (Options.Mode == AttentionMode.NpuInt8 || Options.Buckets == PilotBuckets.Paper)
        {
            throw new ArgumentException($"mode {Options.Mode} with {Options.Buckets} buckets takes no cache: its scales are fixed by the first input");
        }

        return new KvCache(this, capacity, format, statistics);
    }

    /// <summary>
    /// Makes the plan for calls of a shape: buffers, graphs, scratch. Calls do this when they meet a new shape; asked for before, the first call is as fast
    /// as the others.
    /// </summary>
    /// <param name="queries">Queries per head.</param>
    /// <param name="keys">Keys of the calls; at least as many as queries when causal.</param>
    /// <exception cref="ArgumentException">No call has this shape.</exception>
    /// <exception cref="InvalidOperationException">A call is under way, or the scales of the mode come from the first input.</exception>
    /// <exception cref="ObjectDisposedException">The operator has been disposed.</exception>
    public void Prepare(int queries, int keys) => Prepare(queries, keys, null);

    /// <summary>The same for calls on a cache, whatever it holds then.</summary>
    /// <param name="queries">Queries per head.</param>
    /// <param name="cache">A cache of this operator.</param>
    /// <exception cref="ArgumentException">No call has this shape, or the cache is another operator's.</exception>
    /// <exception cref="InvalidOperationException">A call is under way.</exception>
    /// <exception cref="ObjectDisposedException">The operator or the cache has been disposed.</exception>
    public void Prepare(int queries, KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ObjectDisposedException.ThrowIf(cache.IsDisposed, cache);
        if (cache.Owner != this)
        {
            throw new ArgumentException("the cache was made by another operator", nameof(cache));
        }

        Prepare(queries, cache.Capacity, cache);
    }

    private void Prepare(int queries, int keys, KvCache? cache)
    {
        PilotShape shape = new(Options.Heads, Options.KvHeads, queries, keys, Options.HeadDim, Options.Causal);
        if (shape.Problem is { } problem)
        {
            throw new ArgumentException(problem);
        }

        if (Options.Mode == AttentionMode.NpuInt8 || (Options.Mode == AttentionMode.Shadow && Options.Buckets == PilotBuckets.Paper))
        {
            throw new InvalidOperationException($"mode {Options.Mode} with {Options.Buckets} buckets takes its scales from the first input");
        }

        Enter();
        try
        {
            call.Shape(Options, queries, keys);
            call.Cache = cache;
            Plan();
        }
        finally
        {
            call.Cache = null;
            Leave();
        }
    }

    /// <summary>Takes the operator for a call or a change of a cache.</summary>
    internal void Enter()
    {
        if (Interlocked.Exchange(ref busy, 1) != 0)
        {
            throw new InvalidOperationException("another call of this operator is under way; use one ShadowAttention per caller");
        }

        if (disposed)
        {
            Leave();
            ObjectDisposedException.ThrowIf(disposed, this);
        }
    }

    internal void Leave() => Volatile.Write(ref busy, 0);

    internal void RunOnWorkers(IWorkerJob job) => pool.Run(job);

    internal void Forget(KvCache cache) => plans.Forget(cache);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        plans.Dispose();
        graphs?.Dispose();
        pool.Dispose();
    }

    private AttentionReport Compute(
        in TensorView<float> q, in KvView k, in KvView v, in TensorView<float> o, KeptKeys? kept, KvCache? cache,
        CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            AttentionShapes.Check(Options, q, k, v, o, kept);
            call.Bind(Options, q, k, v, o);
            call.Kept = kept;
            call.Cache = cache;
            call.KeepAllBelow = 0;
            call.Crossover = null;
            call.Cancellation = cancellationToken;
            call.Progress.Restart(call.Queries, HeadCompleted);
            if (cache is not null)
            {
                call.Tables = cache.Tables;
                call.KeepAllBelow = cache.Tables.KeepAllBelow;
            }

            IAttentionPipeline pipeline = Plan();
            if (pipeline is ShadowPipeline shadow)
            {
                shadow.Profile = Profile;
            }

            long start = clock.Restart(Recorder, pipeline.StageNames);
            pipeline.Run();
            cancellationToken.ThrowIfCancellationRequested();
            Finish(pipeline, start);
            return report;
        }
        finally
        {
            call.Kept = null;
            call.Cache = null;
            call.Cancellation = default;
            Leave();
        }
    }

    private IAttentionPipeline Plan()
    {
        PlanShape shape = new(call.Queries, call.Cache?.Capacity ?? call.Keys, call.Cache is not null);
        if (plans.Find(shape) is { } known)
        {
            return known;
        }

        plans.MakeRoom();
        IAttentionPipeline made = Options.Mode switch
        {
            AttentionMode.Dense when Options.HasMaskBeyondCausal => new ShadowCpuPipeline(call, Options, pool, clock, keepAll: true),
            AttentionMode.Dense => new DensePipeline(call, pool, clock),
            AttentionMode.ShadowCpu => new ShadowCpuPipeline(call, Options, pool, clock),
            AttentionMode.SparseCpu or AttentionMode.BlockSparse => new FloatEstimatePipeline(call, Options, pool, clock),
            AttentionMode.NpuInt8 => new NpuInt8Pipeline(call, pool, clock, backend!),
            _ => new ShadowPipeline(call, Options, pool, clock, graphs!),
        };
        plans.Add(shape, made);
        return made;
    }

    private void Finish(IAttentionPipeline pipeline, long start)
    {
        long end = Stopwatch.GetTimestamp();
        clock.Recorder?.End(end);
        report.Clear();
        report.TotalMilliseconds = (end - start) * 1000.0 / Stopwatch.Frequency;
        for (int query = 0; query < call.Queries; query++)
        {
            report.VisibleKeys += call.Heads * (long)call.Seen(query);
        }

        pipeline.Report(report);
    }
}
