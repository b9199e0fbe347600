using System.Diagnostics;
using System.Runtime.CompilerServices;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The whole attention in INT8 on the QNN backend, one graph per block of queries, encodings per tensor and static: calibrated on the first
/// input as post-training quantisation would be.
/// </summary>
internal sealed unsafe class NpuInt8Pipeline : IAttentionPipeline, IWorkerJob
{
    /// <summary>The low end of the logits' encoding lies at least so far below zero, so that masked keys weigh next to nothing.</summary>
    private const float MinLogitRange = 12;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly OwnedResources owned = new();
    private readonly Int8AttentionGraph[] graphs;
    private readonly int blockQueries;
    private readonly int paddedKeys;
    private readonly UnmanagedBuffer q8;
    private readonly UnmanagedBuffer k8;
    private readonly UnmanagedBuffer v8;
    private readonly UnmanagedBuffer o8;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly Int8AttentionSpec scales;
    private Step step;
    private int kvHead;
    private int block;
    private WorkCounter work;
    private long npuTicks;

    public NpuInt8Pipeline(AttentionCall call, WorkerPool pool, StageClock clock, QnnBackend backend)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        blockQueries = ShapeBuckets.Queries(call.Queries);
        paddedKeys = ShapeBuckets.Keys(call.Keys);
        scales = Calibrate();
        long rowBytes = (long)call.Group * blockQueries * call.Dim;
        long keyBytes = (long)call.KvHeads * paddedKeys * call.Dim;
        try
        {
            q8 = owned.Own(UnmanagedBuffer.Allocate(rowBytes));
            o8 = owned.Own(UnmanagedBuffer.Allocate(rowBytes));
            k8 = owned.Own(UnmanagedBuffer.Allocate(keyBytes));
            v8 = owned.Own(UnmanagedBuffer.Allocate(keyBytes));
            graphs = owned.Own(QueryBlock.Count(call.Queries, blockQueries), i => Int8AttentionGraph.Compose(backend, BlockSpec(i)));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    private enum Step
    {
        Keys,
        Queries,
        Output,
    }

    /// <inheritdoc/>
    public void Run()
    {
        npuTicks = 0;
        Start(Step.Keys);
        for (kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            for (block = 0; block < graphs.Length && !call.Cancelled; block++)
            {
                Start(Step.Queries);
                long start = StageClock.Now;
                nint keys = (nint)kvHead * paddedKeys * call.Dim;
                graphs[block].Execute(q8.Pointer, (sbyte*)k8.Pointer + keys, (sbyte*)v8.Pointer + keys, o8.Pointer);
                WorkItem item = WorkItem.Queries(kvHead, block * blockQueries, Math.Min(blockQueries, call.Queries - (block * blockQueries)));
                long end = clock.Staged("wait", start, item);
                npuTicks += end - start;
                clock.Recorder?.NpuStaged("attention", start, end, item);
                Start(Step.Output);
            }
        }
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long start = StageClock.Now;
        switch (step)
        {
            case Step.Keys:
                for (int item = work.Next(); item < 2 * call.KvHeads && !call.Cancelled; item = work.Next())
                {
                    clock.At(worker, WorkItem.Keys(item / 2, 0, call.Keys));
                    QuantizeKeys(item / 2, values: item % 2 == 1);
                    start = clock.Add(worker, Stage.Quantize, start);
                }

                break;
            case Step.Queries:
                for (int head = work.Next(); head < call.Group && !call.Cancelled; head = work.Next())
                {
                    clock.At(worker, Item(head));
                    QuantizeQueries(head);
                    start = clock.Add(worker, Stage.Quantize, start);
                }

                break;
            default:
                for (int head = work.Next(); head < call.Group && !call.Cancelled; head = work.Next())
                {
                    clock.At(worker, Item(head));
                    DequantizeOutput(head);
                    start = clock.Add(worker, Stage.Dequantize, start);
                }

                break;
        }
    }

    /// <inheritdoc/>
    public void Report(AttentionReport report)
    {
        double npu = npuTicks * 1000.0 / Stopwatch.Frequency;
        report.KeptKeys = report.VisibleKeys;
        report.ExposedEstimateMilliseconds = npu;
        report.Add("quantize", "cpu", clock.Milliseconds(Stage.Quantize));
        report.Add("attention", "npu", npu);
        report.Add("dequantize", "cpu", clock.Milliseconds(Stage.Dequantize));
        call.Kept?.MarkVisible(call);
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    private Int8AttentionSpec BlockSpec(int index)
    {
        int last = Math.Min((index + 1) * blockQueries, call.Queries) - 1;
        return scales with { Keys = ShapeBuckets.Keys(call.Visible(last)), FirstVisible = call.Visible(index * blockQueries) };
    }

    private void Start(Step next)
    {
        step = next;
        work.Restart();
        pool.Run(this);
    }

    private WorkItem Item(int head) =>
        new(kvHead, (kvHead * call.Group) + head, block * blockQueries, Math.Min(blockQueries, call.Queries - (block * blockQueries)));

    private void QuantizeKeys(int head, bool values)
    {
        KvRows source = values ? call.ValueRows(head) : call.KeyRows(head);
        float scale = values ? scales.ValueScale : scales.KeyScale;
        sbyte* target = (sbyte*)(values ? v8 : k8).Pointer + ((nint)head * paddedKeys * call.Dim);
        quantize.Keys(source.Floats, source.Stride, call.Keys, call.Dim, null, 1 / scale, target, call.Dim, null);
    }

    private void QuantizeQueries(int head)
    {
        int first = block * blockQueries;
        int rows = Math.Min(blockQueries, call.Queries - first);
        byte* target = q8.Pointer + ((nint)head * blockQueries * call.Dim);
        float* source = call.Query((kvHead * call.Group) + head, first);
        quantize.Keys(source, call.QRowStride, rows, call.Dim, null, call.Scale / scales.QueryScale, (sbyte*)target, call.Dim, null);
        foreach (ref byte x in new Span<byte>(target, rows * call.Dim))
        {
            x ^= 0x80;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DequantizeOutput(int head)
    {
        int first = block * blockQueries;
        int rows = Math.Min(blockQueries, call.Queries - first);
        for (int row = 0; row < rows; row++)
        {
            byte* source = o8.Pointer + ((((nint)head * blockQueries) + row) * call.Dim);
            float* target = call.Output((kvHead * call.Group) + head, first + row);
            for (int d = 0; d < call.Dim; d++)
            {
                target[d] = (source[d] - 128) * scales.OutputScale;
            }
        }

        call.Progress.Done((kvHead * call.Group) + head, rows);
    }

    /// <summary>Ranges of Q, K and V as they are, of the logits by their exact products, of O by exact attention; one scale for all heads.</summary>
    private Int8AttentionSpec Calibrate()
    {
        float query = AbsMax(head => new KvRows(call.Query(head, 0), call.QRowStride), call.Heads, call.Queries) * MathF.Abs(call.Scale) / 127;
        float logit = 0;
        float output = 0;
        float[] logits = new float[call.Keys];
        double[] row = new double[call.Dim];
        for (int head = 0; head < call.Heads; head++)
        {
            KvRows keys = call.KeyRows(head / call.Group);
            KvRows values = call.ValueRows(head / call.Group);
            for (int i = 0; i < call.Queries; i++)
            {
                int visible = call.Visible(i);
                for (int key = 0; key < visible; key++)
                {
                    logits[key] = VectorDot.Float(call.Query(head, i), keys.From(key).Floats, call.Dim) * call.Scale;
                    logit = MathF.Max(logit, MathF.Abs(logits[key]));
                }

                // Every sixteenth row says enough about the range of O.
                output = i % 16 == 15 || i == call.Queries - 1 ? MathF.Max(output, OutputRange(logits.AsSpan(0, visible), values, row)) : output;
            }
        }

        return new Int8AttentionSpec(
            call.Group,
            blockQueries,
            paddedKeys,
            call.Dim,
            call.Visible(0),
            call.Causal ? 1 : 0,
            Positive(query),
            Positive(AbsMax(call.KeyRows, call.KvHeads, call.Keys) / 127),
            Positive(MathF.Max(logit, MinLogitRange) / 127),
            Positive(AbsMax(call.ValueRows, call.KvHeads, call.Keys) / 127),
            Positive(output / 127));
    }

    private float OutputRange(Span<float> logits, in KvRows values, double[] row)
    {
        float top = float.NegativeInfinity;
        foreach (float l in logits)
        {
            top = MathF.Max(top, l);
        }

        Array.Clear(row);
        double sum = 0;
        for (int key = 0; key < logits.Length; key++)
        {
            double weight = Math.Exp(logits[key] - top);
            sum += weight;
            float* value = values.From(key).Floats;
            for (int d = 0; d < row.Length; d++)
            {
                row[d] += weight * value[d];
            }
        }

        double range = 0;
        foreach (double x in row)
        {
            range = Math.Max(range, Math.Abs(x / sum));
        }

        return (float)range;
    }

    private float AbsMax(Func<int, KvRows> rowsOfHead, int heads, int rows)
    {
        ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
        float max = 0;
        for (int head = 0; head < heads; head++)
        {
            KvRows x = rowsOfHead(head);
            max = MathF.Max(max, stats.AbsMax(x.Floats, x.Stride, rows, call.Dim, null));
        }

        return max;
    }

    private static float Positive(float scale) => scale > Quantize.MinScale && float.IsFinite(scale) ? scale : 1;
}
