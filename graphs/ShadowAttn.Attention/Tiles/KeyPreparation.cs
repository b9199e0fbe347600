using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Keys to INT8 and the running sums of the values, for all KV heads, by all workers. Sums are taken over fixed chunks and added in order, so
/// that results do not depend on the number of threads.
/// </summary>
internal sealed unsafe class KeyPreparation : KeyTables, IWorkerJob, IDisposable
{
    /// <summary>Keys per work item; a multiple of every variant's key tile.</summary>
    private const int Chunk = 256;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly bool centre;
    private readonly bool valueSums;
    private readonly bool pack;
    private readonly bool quantizeKeys;
    private readonly bool certified;
    private readonly UnmanagedBuffer norms;
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly Int8ScoresKernel scores = Int8Scores.Kernels.Best.Kernel;
    private readonly UnmanagedBuffer[] k8;
    private readonly int chunks;
    private readonly int valueBlocks;
    private readonly nint packedStride;
    private readonly UnmanagedBuffer floats;
    private readonly UnmanagedBuffer doubles;
    private readonly UnmanagedBuffer values;
    private readonly UnmanagedBuffer packedKeys;
    private readonly UnmanagedBuffer widened;
    private Phase phase;
    private WorkCounter work;

    /// <param name="call">The call's tensors.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    /// <param name="k8">Per KV head, receives the quantised keys [keys, dim]; may be longer.</param>
    /// <param name="centre">Whether the channel mean is subtracted.</param>
    /// <param name="valueSums">Whether the prefix sums of the values are wanted.</param>
    /// <param name="pack">Whether the keys are packed for the CPU's score kernel.</param>
    /// <param name="residuals">Whether the norms that a certificate needs are wanted.</param>
    /// <param name="quantizeKeys">False where only means and sums are wanted.</param>
    public KeyPreparation(
        AttentionCall call, WorkerPool pool, StageClock clock, UnmanagedBuffer[] k8, bool centre, bool valueSums, bool pack,
        bool quantizeKeys = true, bool residuals = false)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        this.centre = centre;
        this.valueSums = valueSums;
        this.pack = pack;
        this.quantizeKeys = quantizeKeys;
        norms = UnmanagedBuffer.Allocate(residuals ? 2 * (nint)call.KvHeads * call.Keys * sizeof(float) : 64);
        certified = residuals;
        this.k8 = k8;
        chunks = (call.Keys + Chunk - 1) / Chunk;
        valueBlocks = (call.Keys / ValueBlock) + 1;
        floats = UnmanagedBuffer.Allocate(call.KvHeads * ((2 * (nint)call.Dim) + chunks + 1) * sizeof(float));
        Mean = (float*)floats.Pointer;
        Power = Mean + ((nint)call.KvHeads * call.Dim);
        ChunkMax = Power + ((nint)call.KvHeads * call.Dim);
        KeyScale = ChunkMax + ((nint)call.KvHeads * chunks);
        doubles = UnmanagedBuffer.Allocate((nint)call.KvHeads * chunks * call.Dim * sizeof(double));
        ChunkSums = (double*)doubles.Pointer;
        values = UnmanagedBuffer.Allocate(valueSums ? (nint)call.KvHeads * valueBlocks * call.Dim * sizeof(double) : 64);
        packedStride = pack ? (scores.PackedBytes(call.Keys, call.Dim) + 63) & ~(nint)63 : 64;
        packedKeys = UnmanagedBuffer.Allocate(call.KvHeads * packedStride);
        widened = UnmanagedBuffer.Allocate((nint)pool.Threads * Chunk * call.Dim * sizeof(float));
    }

    private enum Phase
    {
        Sums,
        AbsMax,
        Quantize,
    }

    private float* ChunkMax { get; }

    private double* ChunkSums { get; }

    /// <inheritdoc/>
    public override sbyte* K8(int kvHead) => (sbyte*)k8[kvHead].Pointer;

    /// <inheritdoc/>
    public override float* Residuals(int kvHead) => certified ? (float*)norms.Pointer + (2 * (nint)kvHead * call.Keys) : null;

    /// <inheritdoc/>
    public override float* Norms(int kvHead) => certified ? Residuals(kvHead) + call.Keys : null;

    /// <inheritdoc/>
    public override byte* Packed(int kvHead) => (byte*)packedKeys.Pointer + (kvHead * packedStride);

    /// <inheritdoc/>
    public override double* ValuePrefix(int kvHead, int block) => (double*)values.Pointer + ((((nint)kvHead * valueBlocks) + block) * call.Dim);

    /// <summary>Runs all phases; the scales come from the data, unless keys are not centred: then the caller has set them.</summary>
    public void Run()
    {
        if (centre || valueSums)
        {
            RunPhase(Phase.Sums);
            FinishSums();
        }

        if (!quantizeKeys)
        {
            return;
        }

        if (centre)
        {
            RunPhase(Phase.AbsMax);
            FinishAbsMax();
        }

        RunPhase(Phase.Quantize);
        FinishQuantize();
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long start = StageClock.Now;
        int items = call.KvHeads * chunks;
        for (int item = work.Next(); item < items && !call.Cancelled; item = work.Next())
        {
            int first = item % chunks * Chunk;
            clock.At(worker, WorkItem.Keys(item / chunks, first, Math.Min(Chunk, call.Keys - first)));
            RunItem(worker, item / chunks, item % chunks);
            start = clock.Add(worker, Stage.Quantize, start);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        floats.Dispose();
        doubles.Dispose();
        values.Dispose();
        packedKeys.Dispose();
        widened.Dispose();
        norms.Dispose();
    }

    private void RunPhase(Phase next)
    {
        phase = next;
        work.Restart();
        pool.Run(this);
    }

    private void RunItem(int worker, int kvHead, int chunk)
    {
        int first = chunk * Chunk;
        int count = Math.Min(Chunk, call.Keys - first);
        int dim = call.Dim;
        double* sums = ChunkSums + ((((nint)kvHead * chunks) + chunk) * dim);
        float* mean = Mean + ((nint)kvHead * dim);
        KvRows k = phase == Phase.Sums && !centre ? default : Widen(worker, call.KeyRows(kvHead).From(first), count);
        switch (phase)
        {
            case Phase.Sums:
                if (centre)
                {
                    new Span<double>(sums, dim).Clear();
                    stats.AddSums(k.Floats, k.Stride, count, dim, sums);
                }

                if (valueSums)
                {
                    SumValues(worker, kvHead, first, count);
                }

                break;
            case Phase.AbsMax:
                ChunkMax[((nint)kvHead * chunks) + chunk] = stats.AbsMax(k.Floats, k.Stride, count, dim, mean);
                break;
            default:
                sbyte* rows = K8(kvHead) + ((nint)first * dim);
                new Span<double>(sums, dim).Clear();
                quantize.Keys(k.Floats, k.Stride, count, dim, centre ? mean : null, 1 / KeyScale[kvHead], rows, dim, sums);
                if (certified)
                {
                    FindResiduals(kvHead, k, first, count);
                }

                if (pack)
                {
                    scores.Pack(rows, dim, count, dim, Packed(kvHead) + scores.PackedBytes(first, dim));
                }

                break;
        }
    }

    private void FindResiduals(int kvHead, in KvRows k, int first, int count)
    {
        int dim = call.Dim;
        float* mean = centre ? Mean + ((nint)kvHead * dim) : null;
        for (int i = 0; i < count; i++)
        {
            sbyte* quantised = K8(kvHead) + ((nint)(first + i) * dim);
            (Residuals(kvHead)[first + i], Norms(kvHead)[first + i]) = QuantisationResiduals.Of(
                k.Floats + (i * k.Stride), mean, quantised, KeyScale[kvHead], dim);
        }
    }

    /// <summary>Rows as fp32: themselves, or a copy in the worker's room.</summary>
    private KvRows Widen(int worker, in KvRows rows, int count)
    {
        if (rows.Format == KvFormat.F32)
        {
            return rows;
        }

        float* copy = (float*)widened.Pointer + ((nint)worker * Chunk * call.Dim);
        rows.Widen(count, call.Dim, copy, call.Dim);
        return new KvRows(copy, call.Dim);
    }

    private void SumValues(int worker, int kvHead, int first, int count)
    {
        for (int key = first; key + ValueBlock <= first + count; key += ValueBlock)
        {
            double* sums = ValuePrefix(kvHead, (key / ValueBlock) + 1);
            new Span<double>(sums, call.Dim).Clear();
            KvRows rows = Widen(worker, call.ValueRows(kvHead).From(key), ValueBlock);
            stats.AddSums(rows.Floats, rows.Stride, ValueBlock, call.Dim, sums);
        }
    }

    private void FinishSums()
    {
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            FinishSums(kvHead);
        }
    }

    private void FinishSums(int kvHead)
    {
        int dim = call.Dim;
        for (int d = 0; centre && d < dim; d++)
        {
            double sum = 0;
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                sum += ChunkSums[((((nint)kvHead * chunks) + chunk) * dim) + d];
            }

            Mean[((nint)kvHead * dim) + d] = (float)(sum / call.Keys);
        }

        for (int block = 1; valueSums && block < valueBlocks; block++)
        {
            double* before = ValuePrefix(kvHead, block - 1);
            double* sums = ValuePrefix(kvHead, block);
            for (int d = 0; d < dim; d++)
            {
                sums[d] += before[d];
            }
        }
    }

    private void FinishAbsMax()
    {
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            FinishAbsMax(kvHead);
        }
    }

    private void FinishAbsMax(int kvHead)
    {
        float max = 0;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            max = MathF.Max(max, ChunkMax[((nint)kvHead * chunks) + chunk]);
        }

        KeyScale[kvHead] = MathF.Max(max, Quantize.MinScale) / 127;
    }

    private void FinishQuantize()
    {
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            FinishQuantize(kvHead);
        }
    }

    private void FinishQuantize(int kvHead)
    {
        int dim = call.Dim;
        for (int d = 0; d < dim; d++)
        {
            double sum = 0;
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                sum += ChunkSums[((((nint)kvHead * chunks) + chunk) * dim) + d];
            }

            Power[((nint)kvHead * dim) + d] = (float)(sum / call.Keys);
        }
    }
}
