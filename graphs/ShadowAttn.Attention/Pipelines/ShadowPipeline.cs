using System.Diagnostics;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Shadow attention as a two-stage pipeline: while the QNN backend scores the next block of queries (or the next KV head), the CPU's workers
/// select and attend this one. A unit of work is a KV head and a block of queries, the heads of its group stacked as rows.
/// </summary>
internal sealed unsafe class ShadowPipeline : IAttentionPipeline, IWorkerJob
{
    private const int Slots = 2;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly KeyPreparation? keys;
    private readonly TailSlopes? slopes;
    private readonly bool certified;
    private readonly TileStage stage;
    private readonly PilotQueue queue;
    private readonly PilotScales? scales;
    private readonly Unit[] units;
    private readonly int blockQueries;
    private readonly OwnedResources owned = new();
    private readonly PilotMemory memory = new();
    private readonly string memoryDescription;
    private readonly Dictionary<KvCache, PilotBinding[]> cacheBindings = [];
    private readonly int[] rungs;
    private readonly Predicate<int> fits;
    private PilotBinding[] bindings;
    private int rung;
    private readonly UnmanagedBuffer[] q8;
    private readonly UnmanagedBuffer[] rowScales;
    private readonly UnmanagedBuffer[] scores;
    private readonly WorkerScratch[] scratch;
    private readonly TileCounters[] counters;
    private readonly PilotBucketUse[][] buckets;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly float sigma0;
    private int current;
    private bool quantizing;
    private int nextItem;
    private long exposedTicks;

    public ShadowPipeline(AttentionCall call, AttentionOptions options, WorkerPool pool, StageClock clock, PilotGraphSet graphs)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        certified = options.ExactTopK != ExactTopK.None;
        fits = keyCount => keyCount >= call.Keys;
        bool tail = options.Tail != TailCompensation.None;
        scales = options.Buckets == PilotBuckets.Paper ? PilotScales.Calibrate(call) : null;
        sigma0 = UniversalPilot.Sigma0(call.Dim);
        int capacity = call.Cache?.Capacity ?? call.Keys;
        PilotShape shape = new(call.Heads, call.KvHeads, call.Queries, capacity, call.Dim, call.Causal && call.Cache is null);
        blockQueries = shape.BlockQueries;
        int rows = shape.Rows;
        int paddedKeys = shape.PaddedKeys;
        rungs = call.Cache is null ? [0] : Rungs(capacity);
        units = Plan(shape, graphs);
        buckets = [.. rungs.Select((_, rung) => Uses(units, rung))];
        counters = new TileCounters[pool.Threads];
        try
        {
            q8 = owned.Own(Slots, _ => memory.Allocate((long)rows * call.Dim));
            scores = owned.Own(Slots, _ => memory.Allocate((long)rows * paddedKeys));
            rowScales = owned.Own(Slots, _ => UnmanagedBuffer.Allocate((long)rows * sizeof(float)));
            if (call.Cache is null)
            {
                UnmanagedBuffer[] k8 = owned.Own(call.KvHeads, _ => memory.Allocate((long)paddedKeys * call.Dim));
                keys = owned.Own(new KeyPreparation(call, pool, clock, k8, centre: scales is null, valueSums: tail, pack: false, residuals: certified));
                bindings = owned.Own(units.Length, i => Bind(i, k8[units[i].KvHead]));
            }
            else
            {
                bindings = BindCache(call.Cache);
            }

            memoryDescription = memory.Description;
            slopes = options.Tail == TailCompensation.Linear ? owned.Own(new TailSlopes(call, pool, clock)) : null;
            stage = new TileStage(call, new RowSelector(new HeadKeep(options), options.Tail, call.Dim, call.Scale, options.ExactTopK), clock, tail, slopes);
            scratch = owned.Own(
                pool.Threads, _ => new WorkerScratch(capacity, call.Dim, QueryBlock.TileRows, scores: false, dense: null, slopes is not null, options.ExactTopK != ExactTopK.None));
            queue = owned.Own(new PilotQueue(Slots));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Gets the events of the backend's executions while it is set.</summary>
    public QnnProfile? Profile { get; set; }

    /// <inheritdoc/>
    public void Run()
    {
        Array.Clear(counters);
        exposedTicks = 0;
        queue.Restart(Profile, clock.Recorder);
        if (keys is not null)
        {
            call.Tables = keys;
            scales?.Key.CopyTo(new Span<float>(keys.KeyScale, call.KvHeads));
            long start = StageClock.Now;
            keys.Run();
            clock.Staged("keys", start, WorkItem.None);
        }
        else
        {
            bindings = cacheBindings.TryGetValue(call.Cache!, out PilotBinding[]? bound) ? bound : BindCache(call.Cache!);
            rung = Array.FindLastIndex(rungs, fits);
        }

        try
        {
            Submit(0);
            long start = StageClock.Now;
            slopes?.Run();
            clock.Staged("tail", start, WorkItem.None);
            for (int unit = 0; unit < units.Length && !call.Cancelled; unit++)
            {
                if (unit + 1 < units.Length)
                {
                    Submit(unit + 1);
                }

                Await(unit);
                Start(unit, forQuantizing: false);
            }
        }
        finally
        {
            queue.Drain();
        }
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        if (quantizing)
        {
            QuantizeQueries(worker);
        }
        else
        {
            Attend(worker);
        }
    }

    /// <inheritdoc/>
    public void Report(AttentionReport report)
    {
        foreach (TileCounters c in counters)
        {
            report.Add(c);
        }

        report.ExposedEstimateMilliseconds = exposedTicks * 1000.0 / Stopwatch.Frequency;
        report.Buckets = buckets[rung];
        report.PilotMemory = memoryDescription;
        report.Add("quantize", "cpu", clock.Milliseconds(Stage.Quantize));
        report.Add("pilot", "npu", queue.BusyTicks * 1000.0 / Stopwatch.Frequency);
        report.Add("select", "cpu", clock.Milliseconds(Stage.Select));
        if (certified)
        {
            report.Add("certify", "cpu", clock.Milliseconds(Stage.Certify));
        }

        report.Add("tail", "cpu", clock.Milliseconds(Stage.Tail));
        report.Add("gather", "cpu", clock.Milliseconds(Stage.Gather));
    }

    /// <inheritdoc/>
    public void Forget(KvCache cache)
    {
        if (cacheBindings.Remove(cache, out PilotBinding[]? bound))
        {
            Array.ForEach(bound, b => b.Dispose());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PilotBinding[] bound in cacheBindings.Values)
        {
            Array.ForEach(bound, b => b.Dispose());
        }

        cacheBindings.Clear();
        owned.Dispose();
    }

    /// <summary>
    /// The key buckets of a cache's graphs: of its capacity, half, a quarter and an eighth of it, so that a cache which is mostly empty does not cost
    /// what a full one does. A call takes the smallest that holds its keys.
    /// </summary>
    private static int[] Rungs(int capacity) =>
        [.. Enumerable.Range(0, 4).Select(i => ShapeBuckets.Keys(Math.Max(capacity >> i, 1))).Distinct()];

    private static PilotBucketUse[] Uses(Unit[] units, int rung) =>
    [
        .. units.GroupBy(u => u.Graphs[rung].Spec).Select(g => new PilotBucketUse(
            g.Key.Rows, g.Key.Keys, g.Key.QueryScale, g.Key.KeyScale, g.Key.OutputScale, g.Count())),
    ];

    private Unit[] Plan(PilotShape shape, PilotGraphSet graphs)
    {
        int blocks = shape.Blocks;
        var specs = new PilotGraphSpec[call.KvHeads * blocks * rungs.Length];
        for (int i = 0; i < specs.Length; i++)
        {
            int unit = i / rungs.Length;
            specs[i] = Spec(shape, unit / blocks, unit % blocks);
            specs[i] = rungs[i % rungs.Length] > 0 ? specs[i] with { Keys = rungs[i % rungs.Length] } : specs[i];
        }

        PilotGraph[] composed = graphs.Get(specs);
        return
        [
            .. composed.Chunk(rungs.Length).Select((ofUnit, i) =>
            {
                int first = i % blocks * blockQueries;
                return new Unit(i / blocks, first, Math.Min(blockQueries, call.Queries - first), ofUnit);
            }),
        ];
    }

    private PilotBinding Bind(int index, UnmanagedBuffer k8)
    {
        int unit = index / rungs.Length;
        return units[unit].Graphs[index % rungs.Length].Bind(memory, q8[unit % Slots], k8, scores[unit % Slots]);
    }

    /// <summary>Binds the graphs to a cache's keys; once per cache.</summary>
    private PilotBinding[] BindCache(KvCache cache)
    {
        List<PilotBinding> bound = [];
        try
        {
            for (int i = 0; i < units.Length * rungs.Length; i++)
            {
                bound.Add(Bind(i, cache.Tables.K8Buffer(units[i / rungs.Length].KvHead)));
            }
        }
        catch
        {
            bound.ForEach(b => b.Dispose());
            throw;
        }

        PilotBinding[] result = [.. bound];
        cacheBindings.Add(cache, result);
        return result;
    }

    private PilotGraphSpec Spec(PilotShape shape, int kvHead, int block) => scales is { } paper
        ? new PilotGraphSpec(shape.Rows, shape.KeysOfBlock(block), call.Dim, paper.Query[kvHead], paper.Key[kvHead], paper.Output[kvHead])
        : shape.UniversalSpec(block);

    private void Submit(int unit)
    {
        Start(unit, forQuantizing: true);
        queue.Submit(bindings[(unit * rungs.Length) + rung], units[unit].Item);
    }

    /// <summary>Waits for a unit's scores.</summary>
    private void Await(int unit)
    {
        long start = StageClock.Now;
        queue.Wait(unit + 1);
        exposedTicks += clock.Staged("wait", start, units[unit].Item) - start;
    }

    private void Start(int unit, bool forQuantizing)
    {
        long start = StageClock.Now;
        current = unit;
        quantizing = forQuantizing;
        nextItem = 0;
        pool.Run(this);
        clock.Staged(forQuantizing ? "quantize" : "attend", start, units[unit].Item);
    }

    private void QuantizeQueries(int worker)
    {
        long time = StageClock.Now;
        Unit u = units[current];
        int slot = current % Slots;
        int tiles = QueryBlock.Count(u.Queries, QueryBlock.TileRows);
        for (int item = Interlocked.Increment(ref nextItem) - 1; item < call.Group * tiles && !call.Cancelled; item = Interlocked.Increment(ref nextItem) - 1)
        {
            int head = item / tiles;
            int first = item % tiles * QueryBlock.TileRows;
            int rows = Math.Min(QueryBlock.TileRows, u.Queries - first);
            nint row = ((nint)head * blockQueries) + first;
            sbyte* destination = (sbyte*)q8[slot].Pointer + (row * call.Dim);
            float* scale = (float*)rowScales[slot].Pointer + row;
            float* query = call.Query((u.KvHead * call.Group) + head, u.FirstQuery + first);
            clock.At(worker, new WorkItem(u.KvHead, (u.KvHead * call.Group) + head, u.FirstQuery + first, rows));
            if (scales is { } paper)
            {
                new Span<float>(scale, rows).Fill(paper.Query[u.KvHead]);
                quantize.Keys(query, call.QRowStride, rows, call.Dim, null, 1 / paper.Query[u.KvHead], destination, call.Dim, null);
            }
            else
            {
                float* power = call.Tables.Power + ((nint)u.KvHead * call.Dim);
                quantize.Queries(query, call.QRowStride, rows, call.Dim, power, sigma0, destination, call.Dim, scale);
            }

            time = clock.Add(worker, Stage.Quantize, time);
        }
    }

    private void Attend(int worker)
    {
        Unit u = units[current];
        int slot = current % Slots;
        PilotGraphSpec spec = u.Graphs[rung].Spec;
        int tiles = QueryBlock.Count(u.Queries, QueryBlock.TileRows);
        for (int item = Interlocked.Increment(ref nextItem) - 1; item < call.Group * tiles && !call.Cancelled; item = Interlocked.Increment(ref nextItem) - 1)
        {
            int head = item % call.Group;
            int first = (tiles - 1 - (item / call.Group)) * QueryBlock.TileRows;
            nint row = ((nint)head * blockQueries) + first;
            Tile tile = new()
            {
                Head = (u.KvHead * call.Group) + head,
                FirstQuery = u.FirstQuery + first,
                Rows = Math.Min(QueryBlock.TileRows, u.Queries - first),
                Scores = (sbyte*)scores[slot].Pointer + (row * spec.Keys),
                ScoreStride = spec.Keys,
                Q8 = (sbyte*)q8[slot].Pointer + (row * call.Dim),
                RowScales = (float*)rowScales[slot].Pointer + row,
                ScoreUnit = spec.OutputScale / (spec.QueryScale * spec.KeyScale),
            };
            clock.At(worker, new WorkItem(u.KvHead, tile.Head, tile.FirstQuery, tile.Rows));
            stage.Process(worker, tile, scratch[worker], ref counters[worker]);
        }
    }

    private readonly record struct Unit(int KvHead, int FirstQuery, int Queries, PilotGraph[] Graphs)
    {
        public WorkItem Item => WorkItem.Queries(KvHead, FirstQuery, Queries);
    }
}
