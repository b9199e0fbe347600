using System.Diagnostics;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
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
    private IAttentionPipeline? pipeline;
    private (int Queries, int Keys) shape;
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

        pool = new WorkerPool(options.Threads == 0 ? Environment.ProcessorCount : options.Threads);
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

    /// <summary>O = attention(Q, K, V). The queries are the last ones of the keys. All tensors are used in place.</summary>
    /// <param name="q">fp32 [heads, queries, headDim]; any strides with adjacent channels.</param>
    /// <param name="k">[kvHeads, keys, headDim] of any format, as above; keys ≥ queries when causal. A TensorView of float or Half will do.</param>
    /// <param name="v">[kvHeads, keys, headDim] of any format, as above.</param>
    /// <param name="o">Receives fp32 [heads, queries, headDim]; must not overlap the inputs.</param>
    /// <param name="kept">Receives the kept keys of every row when given; its shape must be the call's.</param>
    /// <returns>What the call did; the object is filled anew by the next call.</returns>
    /// <exception cref="ArgumentException">A tensor's shape or strides do not fit the options or each other.</exception>
    /// <exception cref="QnnException">The backend reports an error.</exception>
    /// <exception cref="InvalidOperationException">Another call of this operator is under way.</exception>
    /// <exception cref="ObjectDisposedException">The operator has been disposed.</exception>
    public AttentionReport Compute(
        in TensorView<float> q, in KvView k, in KvView v, in TensorView<float> o, KeptKeys? kept = null)
    {
        if (Interlocked.Exchange(ref busy, 1) != 0)
        {
            throw new InvalidOperationException("another call of this operator is under way; use one ShadowAttention per caller");
        }

        try
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            AttentionShapes.Check(Options, q, k, v, o, kept);
            call.Bind(Options, q, k, v, o);
            call.Kept = kept;
            long start = Stopwatch.GetTimestamp();
            Plan();
            if (pipeline is ShadowPipeline shadow)
            {
                shadow.Profile = Profile;
            }

            clock.Clear();
            start = Stopwatch.GetTimestamp();
            pipeline!.Run();
            Finish(start);
            return report;
        }
        finally
        {
            call.Kept = null;
            Volatile.Write(ref busy, 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        pipeline?.Dispose();
        graphs?.Dispose();
        pool.Dispose();
    }

    private void Plan()
    {
        if (pipeline is not null && shape == (call.Queries, call.Keys))
        {
            return;
        }

        pipeline?.Dispose();
        pipeline = null;
        pipeline = Options.Mode switch
        {
            AttentionMode.Dense => new DensePipeline(call, pool, clock),
            AttentionMode.ShadowCpu => new ShadowCpuPipeline(call, Options, pool, clock),
            AttentionMode.NpuInt8 => new NpuInt8Pipeline(call, pool, clock, backend!),
            _ => new ShadowPipeline(call, Options, pool, clock, graphs!),
        };
        shape = (call.Queries, call.Keys);
    }

    private void Finish(long start)
    {
        long end = Stopwatch.GetTimestamp();
        report.Clear();
        report.TotalMilliseconds = (end - start) * 1000.0 / Stopwatch.Frequency;
        report.VisibleKeys = call.Causal
            ? call.Heads * ((long)call.Visible(0) + call.Visible(call.Queries - 1)) * call.Queries / 2
            : (long)call.Heads * call.Queries * call.Keys;
        pipeline!.Report(report);
    }
}
