using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Native;

/// <summary>
/// An operator that computes one call at a time and refuses others meanwhile. Caches that are freed during a call are disposed when it is done, since
/// the operator's plans know them.
/// </summary>
internal sealed unsafe class AttentionObject : SharedObject
{
    private readonly ShadowAttention attention;
    private readonly BackendObject? backend;
    private readonly WorkersObject? workers;
    private readonly KeyStatistics? statistics;
    private readonly Action<int> headCompleted;
    private UnmanagedBuffer? queryScratch;
    private UnmanagedBuffer? outputScratch;
    private TensorArgument output;
    private CallArguments arguments;
    private CacheObject? retired;
    private int busy;

    /// <summary>Takes over a reference to the backend and the workers, if it succeeds.</summary>
    public AttentionObject(AttentionOptions options, BackendObject? backend, WorkersObject? workers, KeyStatistics? statistics)
    {
        attention = new ShadowAttention(backend?.Backend, options, backend?.Pilot);
        this.backend = backend;
        this.workers = workers;
        this.statistics = statistics;
        headCompleted = CompleteHead;
    }

    public override string Kind => "attention";

    public AttentionOptions Options => attention.Options;

    public int Threads => attention.Threads;

    /// <summary>O = attention(Q, K, V).</summary>
    public void Compute(SaTensor* q, SaTensor* k, SaTensor* v, SaTensor* o, int queries, int keys, in CallArguments call)
    {
        TensorArgument query = TensorArgument.Read(q, nameof(q), Options.Heads, queries, Options.HeadDim);
        KvView key = TensorArgument.Read(k, nameof(k), Options.KvHeads, keys, Options.HeadDim).View();
        KvView value = TensorArgument.Read(v, nameof(v), Options.KvHeads, keys, Options.HeadDim).View();
        TensorArgument result = TensorArgument.Read(o, nameof(o), Options.Heads, queries, Options.HeadDim);
        CheckQueries(queries, keys);
        Enter();
        try
        {
            Compute(query, key, value, null, result, call);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>O = attention(Q, cache).</summary>
    public void Compute(CacheObject cache, SaTensor* q, SaTensor* o, int queries, in CallArguments call)
    {
        TensorArgument query = TensorArgument.Read(q, nameof(q), Options.Heads, queries, Options.HeadDim);
        TensorArgument result = TensorArgument.Read(o, nameof(o), Options.Heads, queries, Options.HeadDim);
        Enter();
        try
        {
            if (cache.Cache.Count == 0)
            {
                throw SaException.Argument("the cache is empty; append keys and values first");
            }

            CheckQueries(queries, cache.Cache.Count);
            Compute(query, default, default, cache.Cache, result, call);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>A cache, which takes over a reference to this.</summary>
    public CacheObject CreateCache(int capacity, KvFormat format)
    {
        if (Options.Mode is not (AttentionMode.Shadow or AttentionMode.ShadowCpu or AttentionMode.Dense))
        {
            throw new SaException(SaStatus.NotSupported, "caches are for SA_MODE_SHADOW, SA_MODE_SHADOW_CPU and SA_MODE_DENSE");
        }

        Enter();
        try
        {
            return new CacheObject(this, attention.CreateCache(capacity, format, statistics));
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Makes a plan for calls on whole tensors.</summary>
    public void Prepare(int queries, int keys)
    {
        if (Options.Mode == AttentionMode.NpuInt8)
        {
            throw new SaException(SaStatus.NotSupported, "SA_MODE_NPU_INT8 has no plans: its scales come from the first call's tensors");
        }

        CheckQueries(queries, keys);
        Enter();
        try
        {
            attention.Prepare(queries, keys);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Makes a plan for calls on a cache.</summary>
    public void Prepare(int queries, CacheObject cache)
    {
        CheckQueries(queries, cache.Cache.Capacity);
        Enter();
        try
        {
            attention.Prepare(queries, cache.Cache);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Takes the operator for a call or a change of a cache.</summary>
    /// <exception cref="SaException">Another thread has it.</exception>
    public void Enter()
    {
        if (!TryEnter())
        {
            throw new SaException(SaStatus.Busy, "the attention is computing for another call; use one attention per thread, or wait");
        }
    }

    /// <summary>Gives the operator back, and disposes the caches that were freed meanwhile.</summary>
    public void Leave()
    {
        Volatile.Write(ref busy, 0);
        Interlocked.MemoryBarrier();
        DisposeRetired();
    }

    /// <summary>A cache whose handle is freed and that nobody uses: disposed at once, or when the call under way is done.</summary>
    public void Retire(CacheObject cache)
    {
        do
        {
            cache.NextRetired = Volatile.Read(ref retired);
        }
        while (Interlocked.CompareExchange(ref retired, cache, cache.NextRetired) != cache.NextRetired);
        DisposeRetired();
    }

    /// <inheritdoc/>
    protected override void Destroy()
    {
        attention.Dispose();
        queryScratch?.Dispose();
        outputScratch?.Dispose();
        workers?.Release();
        backend?.Release();
    }

    private bool TryEnter() => Interlocked.CompareExchange(ref busy, 1, 0) == 0;

    private void DisposeRetired()
    {
        // Each disposed cache gives its reference to this back, and the last one ends this: it must not be touched after that.
        CacheObject? done = null;
        while (Volatile.Read(ref retired) is not null && TryEnter())
        {
            CacheObject? next = Interlocked.Exchange(ref retired, null);
            while (next is not null)
            {
                CacheObject cache = next;
                next = cache.NextRetired;
                cache.Cache.Dispose();
                cache.NextRetired = done;
                done = cache;
            }

            Volatile.Write(ref busy, 0);
            Interlocked.MemoryBarrier();
        }

        for (; done is not null; done = done.NextRetired)
        {
            Release();
        }
    }

    private void CheckQueries(int queries, int keys)
    {
        if (Options.Causal && queries > keys)
        {
            throw SaException.Argument($"there are {queries} queries and {keys} keys; with SA_MASK_CAUSAL the queries are the last ones of the keys");
        }
    }

    private void Compute(in TensorArgument q, in KvView k, in KvView v, KvCache? cache, in TensorArgument o, in CallArguments call)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long converted = 0;
        float* queryRoom = null;
        float* outputRoom = null;
        if (q.Format != KvFormat.F32)
        {
            queryRoom = Room(ref queryScratch, q.Elements);
            q.Widen(queryRoom);
            converted += q.Elements * sizeof(float);
        }

        if (o.Format != KvFormat.F32)
        {
            outputRoom = Room(ref outputScratch, o.Elements);
            converted += o.Elements * sizeof(ushort);
        }

        output = o;
        arguments = call;
        attention.HeadCompleted = call.HeadCompleted == null ? null : headCompleted;
        AttentionReport report = cache is null
            ? attention.Compute(q.Floats(queryRoom), k, v, o.Floats(outputRoom), null, call.Cancellation)
            : attention.Compute(q.Floats(queryRoom), cache, o.Floats(outputRoom), null, call.Cancellation);
        if (o.Format != KvFormat.F32 && call.HeadCompleted == null)
        {
            for (int head = 0; head < Options.Heads; head++)
            {
                o.Narrow(outputRoom, head);
            }
        }

        if (call.Stats != null)
        {
            StatsWriter.Write(call, report, Threads, converted, GC.GetAllocatedBytesForCurrentThread() - allocated);
        }
    }

    /// <summary>The caller hears of a head when its output is in the caller's memory.</summary>
    private void CompleteHead(int head)
    {
        if (output.Format != KvFormat.F32)
        {
            output.Narrow((float*)outputScratch!.Pointer, head);
        }

        arguments.HeadCompleted(arguments.HeadUser, (uint)head);
    }

    private static float* Room(ref UnmanagedBuffer? scratch, long elements)
    {
        if (scratch is null || scratch.ByteLength < elements * sizeof(float))
        {
            scratch?.Dispose();
            scratch = null;
            scratch = UnmanagedBuffer.Allocate(elements * sizeof(float));
        }

        return (float*)scratch.Pointer;
    }
}
