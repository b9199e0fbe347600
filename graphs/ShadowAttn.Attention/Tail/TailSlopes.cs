using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The first-order tail's C = Σ (k_i - k̄)(v_i - v̄)ᵀ / n over the first n keys of a KV head, [dim, dim], for every n that a row of the call needs
/// (<see cref="TailBlocks"/>). Blocks of keys are multiplied by all workers, then added up in order, so that results do not depend on the
/// number of threads.
/// </summary>
internal sealed unsafe class TailSlopes : IWorkerJob, IDisposable
{
    /// <summary>Rows of C that a worker takes at a time: a multiple of the product kernels' tile.</summary>
    private const int Channels = 48;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly DenseProductKernel product = DenseProduct.Kernels.Best.Kernel;
    private readonly UnmanagedBuffer slopes;
    private readonly UnmanagedBuffer keySums;
    private readonly UnmanagedBuffer[] blocks;
    private readonly int capacity;
    private int firstIndex;
    private int count;
    private int basePosition;
    private bool fromCache;
    private readonly int ranges;
    private bool adding;
    private WorkCounter work;

    /// <param name="call">The call's tensors.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    public TailSlopes(AttentionCall call, WorkerPool pool, StageClock clock)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        capacity = call.Cache is null
            ? TailBlocks.Index(TailBlocks.Position(call.Visible(call.Queries - 1))) - TailBlocks.Index(TailBlocks.Position(call.Visible(0))) + 1
            : (call.Queries / TailBlocks.Block) + 2;
        ranges = (call.Dim + Channels - 1) / Channels;
        slopes = UnmanagedBuffer.Allocate(checked((nint)call.KvHeads * capacity * call.Dim * call.Dim * sizeof(float)));
        keySums = UnmanagedBuffer.Allocate((nint)call.KvHeads * capacity * call.Dim * sizeof(float));
        blocks = new UnmanagedBuffer[pool.Threads];
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = UnmanagedBuffer.Allocate(TailBlocks.Block * (Channels + (2 * (nint)call.Dim)) * sizeof(float));
        }
    }

    /// <summary>C of a KV head over the first <paramref name="position"/> keys.</summary>
    public float* Slope(int kvHead, int position) =>
        fromCache ? call.Cache!.Slopes!.Finished(kvHead) : Slot(kvHead, TailBlocks.Index(position) - firstIndex);

    /// <summary>Computes all of them; the keys' means and the values' prefix sums must be there. A cache's running sums are continued.</summary>
    public void Run()
    {
        int first = TailBlocks.Position(call.Visible(0));
        int last = TailBlocks.Position(call.Visible(call.Queries - 1));
        CachedSlopes? cached = call.Cache?.Slopes;
        fromCache = cached is not null && first == last && cached.FinishedPosition == last;
        if (last == 0 || call.KeepsAll() || fromCache)
        {
            return;
        }

        firstIndex = TailBlocks.Index(first);
        count = TailBlocks.Index(last) - firstIndex + 1;
        basePosition = cached?.Base(first) ?? 0;
        Start(add: true);
        Start(add: false);
        if (call.Cancelled)
        {
            cached?.ForgetNewest();
            return;
        }

        cached?.Finish(first, last);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long start = StageClock.Now;
        float* block = (float*)blocks[worker].Pointer;
        int items = call.KvHeads * ranges * (adding ? count : 1);
        for (int item = work.Next(); item < items && !call.Cancelled; item = work.Next())
        {
            int range = item % ranges;
            int rest = item / ranges;
            clock.At(worker, new WorkItem(adding ? rest / count : rest, -1, 0, 0));
            if (adding)
            {
                Add(rest / count, rest % count, range * Channels, block);
            }
            else
            {
                Finish(rest, range * Channels, block);
            }

            start = clock.Add(worker, Stage.Tail, start);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        slopes.Dispose();
        keySums.Dispose();
        foreach (UnmanagedBuffer buffer in blocks)
        {
            buffer.Dispose();
        }
    }

    private void Start(bool add)
    {
        adding = add;
        work.Restart();
        pool.Run(this);
    }

    private float* Slot(int kvHead, int slot) => (float*)slopes.Pointer + ((((nint)kvHead * capacity) + slot) * call.Dim * call.Dim);

    private float* KeySums(int kvHead, int slot) => (float*)keySums.Pointer + ((((nint)kvHead * capacity) + slot) * call.Dim);

    /// <summary>Σ (k - mean)vᵀ and Σ (k - mean) of the keys between a slot's position and the one before, for a range of key channels.</summary>
    private void Add(int kvHead, int slot, int firstChannel, float* block)
    {
        int dim = call.Dim;
        int channels = Math.Min(Channels, dim - firstChannel);
        float* sums = KeySums(kvHead, slot) + firstChannel;
        float* matrix = Slot(kvHead, slot) + ((nint)firstChannel * dim);
        float* widened = block + (TailBlocks.Block * Channels);
        if (slot == 0 && basePosition > 0)
        {
            float* before = call.Cache!.Slopes!.Sums(kvHead, basePosition);
            Copy(before + ((nint)firstChannel * dim), matrix, channels * dim);
            Copy(before + ((nint)dim * dim) + firstChannel, sums, channels);
        }
        else
        {
            new Span<float>(sums, channels).Clear();
            new Span<float>(matrix, channels * dim).Clear();
        }

        float* mean = call.Tables.Mean + ((nint)kvHead * dim) + firstChannel;
        int end = TailBlocks.PositionOf(firstIndex + slot);
        for (int key = slot == 0 ? basePosition : TailBlocks.PositionOf(firstIndex + slot - 1); key < end; key += TailBlocks.Block)
        {
            KvRows k = Widen(call.KeyRows(kvHead).From(key), widened);
            KvRows v = Widen(call.ValueRows(kvHead).From(key), widened + (TailBlocks.Block * dim));
            for (int i = 0; i < TailBlocks.Block; i++)
            {
                Centre(k.Floats + (i * k.Stride) + firstChannel, mean, channels, block + (i * Channels), sums);
            }

            product.Add(block, 1, Channels, channels, TailBlocks.Block, v.Floats, v.Stride, dim, matrix, dim);
        }
    }

    private KvRows Widen(in KvRows rows, float* copy)
    {
        if (rows.Format == KvFormat.F32)
        {
            return rows;
        }

        rows.Widen(TailBlocks.Block, call.Dim, copy, call.Dim);
        return new KvRows(copy, call.Dim);
    }

    /// <summary>Running sums over the slots, then C = Σ (k - mean)vᵀ / n - (k̄ - mean)v̄ᵀ; a slot is finished when the next has added its sum.</summary>
    private void Finish(int kvHead, int firstChannel, float* valueMeans)
    {
        int dim = call.Dim;
        int channels = Math.Min(Channels, dim - firstChannel);
        for (int slot = 0; slot < count; slot++)
        {
            if (slot + 1 < count)
            {
                nint offset = (nint)firstChannel * dim;
                AddTo(Slot(kvHead, slot + 1) + offset, Slot(kvHead, slot) + offset, channels * dim);
                AddTo(KeySums(kvHead, slot + 1) + firstChannel, KeySums(kvHead, slot) + firstChannel, channels);
            }

            int position = TailBlocks.PositionOf(firstIndex + slot);
            if (position > 0)
            {
                if (call.Cache?.Slopes is { } cached)
                {
                    Store(cached, kvHead, slot, position, firstChannel, channels);
                }

                double* values = call.Tables.ValuePrefix(kvHead, position / KeyTables.ValueBlock);
                for (int d = 0; d < dim; d++)
                {
                    valueMeans[d] = (float)(values[d] / position);
                }

                for (int c = firstChannel; c < firstChannel + channels; c++)
                {
                    FinishRow(Slot(kvHead, slot) + ((nint)c * dim), valueMeans, KeySums(kvHead, slot)[c] / position, 1f / position, dim);
                }
            }
        }

        if (call.Cache?.Slopes is { } finished)
        {
            nint offset = (nint)firstChannel * dim;
            Copy(Slot(kvHead, count - 1) + offset, finished.Finished(kvHead) + offset, channels * dim);
        }
    }

    /// <summary>Running sums that later calls start from.</summary>
    private void Store(CachedSlopes cached, int kvHead, int slot, int position, int firstChannel, int channels)
    {
        int dim = call.Dim;
        nint offset = (nint)firstChannel * dim;
        for (int copy = 0; copy < 2; copy++)
        {
            if (copy == 0 ? slot != count - 1 : !cached.IsCoarse(position))
            {
                continue;
            }

            float* target = copy == 0 ? cached.Newest(kvHead) : cached.Coarsely(kvHead, position);
            Copy(Slot(kvHead, slot) + offset, target + offset, channels * dim);
            Copy(KeySums(kvHead, slot) + firstChannel, target + ((nint)dim * dim) + firstChannel, channels);
        }
    }

    private static void Copy(float* from, float* to, int n) => new ReadOnlySpan<float>(from, n).CopyTo(new Span<float>(to, n));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Centre(float* k, float* mean, int channels, float* row, float* sums)
    {
        int d = 0;
        for (; d <= channels - Vector<float>.Count; d += Vector<float>.Count)
        {
            Vector<float> x = Vector.Load(k + d) - Vector.Load(mean + d);
            x.Store(row + d);
            (Vector.Load(sums + d) + x).Store(sums + d);
        }

        for (; d < channels; d++)
        {
            row[d] = k[d] - mean[d];
            sums[d] += row[d];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTo(float* sum, float* x, int n)
    {
        int i = 0;
        for (; i <= n - Vector<float>.Count; i += Vector<float>.Count)
        {
            (Vector.Load(sum + i) + Vector.Load(x + i)).Store(sum + i);
        }

        for (; i < n; i++)
        {
            sum[i] += x[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishRow(float* row, float* valueMeans, float keyMean, float inverse, int dim)
    {
        int d = 0;
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            ((Vector.Load(row + d) * inverse) - (Vector.Load(valueMeans + d) * keyMean)).Store(row + d);
        }

        for (; d < dim; d++)
        {
            row[d] = (row[d] * inverse) - (valueMeans[d] * keyMean);
        }
    }
}
