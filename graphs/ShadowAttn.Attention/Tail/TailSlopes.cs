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
    private readonly KeyPreparation keys;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly DenseProductKernel product = DenseProduct.Kernels.Best.Kernel;
    private readonly UnmanagedBuffer slopes;
    private readonly UnmanagedBuffer keySums;
    private readonly UnmanagedBuffer[] blocks;
    private readonly int firstIndex;
    private readonly int count;
    private readonly int ranges;
    private bool adding;
    private int nextItem;

    /// <param name="call">The call's tensors.</param>
    /// <param name="keys">The means of the keys and the prefix sums of the values.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    public TailSlopes(AttentionCall call, KeyPreparation keys, WorkerPool pool, StageClock clock)
    {
        this.call = call;
        this.keys = keys;
        this.pool = pool;
        this.clock = clock;
        firstIndex = TailBlocks.Index(TailBlocks.Position(call.Visible(0)));
        count = TailBlocks.Index(TailBlocks.Position(call.Visible(call.Queries - 1))) - firstIndex + 1;
        ranges = (call.Dim + Channels - 1) / Channels;
        slopes = UnmanagedBuffer.Allocate(checked((nint)call.KvHeads * count * call.Dim * call.Dim * sizeof(float)));
        keySums = UnmanagedBuffer.Allocate((nint)call.KvHeads * count * call.Dim * sizeof(float));
        blocks = new UnmanagedBuffer[pool.Threads];
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = UnmanagedBuffer.Allocate(TailBlocks.Block * (Channels + (2 * (nint)call.Dim)) * sizeof(float));
        }
    }

    /// <summary>C of a KV head over the first <paramref name="position"/> keys.</summary>
    public float* Slope(int kvHead, int position) => Slot(kvHead, TailBlocks.Index(position) - firstIndex);

    /// <summary>Computes all of them; the keys' means and the values' prefix sums must be there.</summary>
    public void Run()
    {
        Start(add: true);
        Start(add: false);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long start = StageClock.Now;
        float* block = (float*)blocks[worker].Pointer;
        int items = call.KvHeads * ranges * (adding ? count : 1);
        for (int item = Interlocked.Increment(ref nextItem) - 1; item < items; item = Interlocked.Increment(ref nextItem) - 1)
        {
            int range = item % ranges;
            int rest = item / ranges;
            if (adding)
            {
                Add(rest / count, rest % count, range * Channels, block);
            }
            else
            {
                Finish(rest, range * Channels, block);
            }
        }

        clock.Add(worker, Stage.Tail, start);
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
        nextItem = 0;
        pool.Run(this);
    }

    private float* Slot(int kvHead, int slot) => (float*)slopes.Pointer + ((((nint)kvHead * count) + slot) * call.Dim * call.Dim);

    private float* KeySums(int kvHead, int slot) => (float*)keySums.Pointer + ((((nint)kvHead * count) + slot) * call.Dim);

    /// <summary>Σ (k - mean)vᵀ and Σ (k - mean) of the keys between a slot's position and the one before, for a range of key channels.</summary>
    private void Add(int kvHead, int slot, int firstChannel, float* block)
    {
        int dim = call.Dim;
        int channels = Math.Min(Channels, dim - firstChannel);
        float* sums = KeySums(kvHead, slot) + firstChannel;
        float* matrix = Slot(kvHead, slot) + ((nint)firstChannel * dim);
        float* widened = block + (TailBlocks.Block * Channels);
        new Span<float>(sums, channels).Clear();
        new Span<float>(matrix, channels * dim).Clear();
        float* mean = keys.Mean + ((nint)kvHead * dim) + firstChannel;
        int end = TailBlocks.PositionOf(firstIndex + slot);
        for (int key = slot == 0 ? 0 : TailBlocks.PositionOf(firstIndex + slot - 1); key < end; key += TailBlocks.Block)
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
                double* values = keys.ValuePrefix(kvHead, position / KeyPreparation.ValueBlock);
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
    }

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
