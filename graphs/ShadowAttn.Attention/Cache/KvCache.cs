using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Keys and values of one sequence with the pilot's INT8 copy beside them, for chunked prefill and decode. Appending costs as much as there is new;
/// a call reads what is there. Made by <see cref="ShadowAttention.CreateCache"/>; an operator serves any number of caches, one per sequence.
/// </summary>
/// <remarks>
/// The pilot subtracts a fixed vector from the keys: the calibrated mean, or the mean of the first <see cref="StatisticsKeys"/> keys. In the latter
/// case rows that see fewer keys keep all of them. So what a row gets does not depend on how its keys were cut into chunks, up to the rounding of
/// sums. A key that lies beyond the scale of the quantised keys gets a scale of its own. Only where more than a 32nd of the keys (and 8) do must the
/// common scale grow and all keys be quantised again; a row that is computed after that has the coarser pilot, whatever its position.
/// In <see cref="KvFormat.Q16"/> a channel's scale is the least power of two that spans what the channel has had since the cache was empty; where it grows,
/// what is there is rounded to the larger steps.
/// Calls and changes of an operator's caches exclude each other, as calls do.
/// </remarks>
public sealed unsafe class KvCache : IDisposable
{
    /// <summary>Keys whose mean and spread the pilot uses when there is no calibration.</summary>
    public const int StatisticsKeys = 256;

    /// <summary>The most keys that sparse modes keep for dense rows as well: more of them would double the cache.</summary>
    private const int MostPanelKeys = 1024;

    /// <summary>The same for 16-bit caches: beyond it gather attention over all keys is faster on them than dense attention, which widens the values.</summary>
    private const int MostShortPanelKeys = 128;

    /// <summary>New keys times KV heads from which on the operator's threads share the work of appending.</summary>
    private const int ParallelRows = 128;

    private readonly ShadowAttention owner;
    private readonly OwnedResources owned = new();
    private readonly CachedRows keys;
    private readonly CachedRows values;
    private readonly CachedKeys tables;
    private readonly CachedSlopes? slopes;
    private readonly DenseAttentionKernel dense = DenseAttention.Kernels.Best.Kernel;
    private readonly UnmanagedBuffer? panels;
    private readonly UnmanagedBuffer widened;
    private readonly nint panelStride;
    private readonly AppendJob job;
    private bool disposed;

    internal KvCache(ShadowAttention owner, int capacity, KvFormat format, KeyStatistics? statistics)
    {
        AttentionOptions options = owner.Options;
        this.owner = owner;
        Capacity = capacity;
        Format = format;
        try
        {
            keys = owned.Own(new CachedRows(options.KvHeads, capacity, options.HeadDim, format));
            values = owned.Own(new CachedRows(options.KvHeads, capacity, options.HeadDim, format));
            tables = owned.Own(new CachedKeys(options.KvHeads, capacity, options.HeadDim, options.Mode, statistics, options.ExactTopK != ExactTopK.None));
            if (options.UsesPilot && options.Tail == TailCompensation.Linear)
            {
                slopes = owned.Own(new CachedSlopes(options.KvHeads, capacity, options.HeadDim));
            }

            PanelKeys = options.Mode == AttentionMode.Dense ? capacity : Math.Min(capacity, MostSparsePanelKeys(options, format));
            if (PanelKeys > 0)
            {
                panelStride = (dense.PackedFloats(PanelKeys, options.HeadDim) + 15) & ~(nint)15;
                panels = owned.Own(UnmanagedBuffer.Allocate(checked(options.KvHeads * panelStride * sizeof(float))));
            }

            widened = owned.Own(UnmanagedBuffer.Allocate((nint)owner.Threads * KeyTables.ValueBlock * options.HeadDim * sizeof(float)));
        }
        catch
        {
            owned.Dispose();
            throw;
        }

        job = new AppendJob(this);
    }

    /// <summary>The most keys that fit.</summary>
    public int Capacity { get; }

    /// <summary>Keys that are there.</summary>
    public int Count { get; private set; }

    /// <summary>How keys and values are stored.</summary>
    public KvFormat Format { get; }

    /// <summary>KV heads.</summary>
    public int KvHeads => owner.Options.KvHeads;

    /// <summary>Channels of a head.</summary>
    public int HeadDim => owner.Options.HeadDim;

    /// <summary>The keys that are there, [kvHeads, count, headDim]; valid until the cache changes.</summary>
    /// <exception cref="InvalidOperationException">The cache is empty.</exception>
    public KvView Keys => keys.View(CheckNotEmpty());

    /// <summary>The values that are there, [kvHeads, count, headDim]; valid until the cache changes.</summary>
    /// <exception cref="InvalidOperationException">The cache is empty.</exception>
    public KvView Values => values.View(CheckNotEmpty());

    internal ShadowAttention Owner => owner;

    internal CachedKeys Tables => tables;

    internal CachedSlopes? Slopes => slopes;

    internal bool IsDisposed => disposed;

    /// <summary>Appends keys and values; they are copied, converted to <see cref="Format"/> where they have another.</summary>
    /// <param name="k">[kvHeads, new keys, headDim] of any format, adjacent channels. A TensorView of float or Half will do.</param>
    /// <param name="v">The same shape.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit the cache or each other, or more keys than there is room for.</exception>
    /// <exception cref="InvalidOperationException">A call of the operator is under way.</exception>
    /// <exception cref="ObjectDisposedException">The cache has been disposed.</exception>
    public void Append(in KvView k, in KvView v)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        AttentionShapes.CheckAppended(owner.Options, k, v);
        if (k.Keys > Capacity - Count)
        {
            throw new ArgumentException($"{k.Keys} keys do not fit: the cache has {Count} of {Capacity}", nameof(k));
        }

        owner.Enter();
        try
        {
            job.Bind(k, v, Count);
            if (k.Keys * KvHeads >= ParallelRows && KvHeads > 1)
            {
                owner.RunOnWorkers(job);
            }
            else
            {
                job.Run(0);
            }

            Count += k.Keys;
            tables.Finish(Count);
            if (job.Changed)
            {
                slopes?.Truncate(0);
            }
        }
        finally
        {
            owner.Leave();
        }
    }

    /// <summary>Forgets all keys from <paramref name="count"/> on. Costs little, except where the statistics or a grown scale came from them.</summary>
    /// <param name="count">Keys to keep, 0 to <see cref="Count"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many keys.</exception>
    /// <exception cref="InvalidOperationException">A call of the operator is under way.</exception>
    /// <exception cref="ObjectDisposedException">The cache has been disposed.</exception>
    public void Truncate(int count)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        owner.Enter();
        try
        {
            Count = count;
            if (count == 0)
            {
                keys.Clear();
                values.Clear();
            }

            tables.Truncate(count, keys, (float*)widened.Pointer);
            slopes?.Truncate(tables.HasStatistics ? count : 0);
        }
        finally
        {
            owner.Leave();
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
        owner.Forget(this);
        owned.Dispose();
    }

    /// <summary>
    /// So many first keys are there as the dense kernel wants them, too: all in dense mode, else those that rows see which are computed densely.
    /// </summary>
    internal int PanelKeys { get; }

    /// <summary>The first <see cref="PanelKeys"/> keys of one KV head as the dense kernel wants them.</summary>
    internal float* Panels(int kvHead) => (float*)panels!.Pointer + (kvHead * panelStride);

    private static int MostSparsePanelKeys(AttentionOptions options, KvFormat format) =>
        CrossoverRule.Of(options) is { } rule
            ? Math.Min(Math.Max(rule.Most, StatisticsKeys - 1), format == KvFormat.F32 ? MostPanelKeys : MostShortPanelKeys)
            : 0;

    private int CheckNotEmpty() => Count > 0 ? Count : throw new InvalidOperationException("the cache is empty");

    /// <summary>Returns whether keys or values that were there before have changed.</summary>
    private bool AppendHead(int worker, int kvHead, in KvView k, in KvView v, int first)
    {
        int count = first + k.Keys;
        float* room = (float*)widened.Pointer + ((nint)worker * KeyTables.ValueBlock * HeadDim);
        bool changed = keys.Store(kvHead, first, k.Rows(kvHead), k.Keys, room);
        changed |= values.Store(kvHead, first, v.Rows(kvHead), k.Keys, room);
        KvRows stored = keys.Rows(kvHead);
        tables.Append(kvHead, stored, values.Rows(kvHead), first, count, room, changed);
        int start = changed ? 0 : first / dense.PackStep * dense.PackStep;
        int packed = Math.Min(count, PanelKeys) - start;
        if (packed > 0)
        {
            dense.PackKeys(&stored, start, packed, HeadDim, Panels(kvHead));
        }

        return changed;
    }

    /// <summary>Appending, a KV head at a time.</summary>
    private sealed class AppendJob(KvCache cache) : IWorkerJob
    {
        private KvView k;
        private KvView v;
        private int first;
        private WorkCounter work;
        private volatile bool changed;

        /// <summary>Whether keys or values that were there before have changed.</summary>
        public bool Changed => changed;

        public void Bind(in KvView newKeys, in KvView newValues, int at)
        {
            k = newKeys;
            v = newValues;
            first = at;
            work.Restart();
            changed = false;
        }

        public void Run(int worker)
        {
            for (int item = work.Next(); item < cache.KvHeads; item = work.Next())
            {
                if (cache.AppendHead(worker, item, k, v, first))
                {
                    changed = true;
                }
            }
        }
    }
}
