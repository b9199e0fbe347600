using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>The first keys of each KV head in the form that the dense kernel wants them in; packed by all workers.</summary>
internal sealed unsafe class PackedKeys : IWorkerJob, IDisposable
{
    /// <summary>Keys that a worker takes at a time.</summary>
    private const int Chunk = 256;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly DenseAttentionKernel kernel;
    private readonly UnmanagedBuffer packed;
    private readonly nint stride;
    private int keys;
    private WorkCounter work;

    /// <param name="call">The call's tensors.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    /// <param name="kernel">The kernel that reads them.</param>
    /// <param name="capacity">The most keys.</param>
    public PackedKeys(AttentionCall call, WorkerPool pool, StageClock clock, DenseAttentionKernel kernel, int capacity)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        this.kernel = kernel;
        stride = (kernel.PackedFloats(capacity, call.Dim) + 15) & ~(nint)15;
        packed = UnmanagedBuffer.Allocate(checked(call.KvHeads * stride * sizeof(float)));
    }

    /// <summary>The packed keys of a KV head.</summary>
    public float* Of(int kvHead) => (float*)packed.Pointer + (kvHead * stride);

    /// <summary>Packs the call's first keys.</summary>
    /// <param name="count">How many, up to the capacity.</param>
    public void Pack(int count)
    {
        keys = count;
        work.Restart();
        pool.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long time = StageClock.Now;
        int chunks = QueryBlock.Count(keys, Chunk);
        for (int item = work.Next(); item < call.KvHeads * chunks && !call.Cancelled; item = work.Next())
        {
            int kvHead = item / chunks;
            int first = item % chunks * Chunk;
            int count = Math.Min(Chunk, keys - first);
            KvRows rows = call.KeyRows(kvHead);
            clock.At(worker, WorkItem.Keys(kvHead, first, count));
            kernel.PackKeys(&rows, first, count, call.Dim, Of(kvHead));
            time = clock.Add(worker, Stage.Pack, time);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => packed.Dispose();
}
