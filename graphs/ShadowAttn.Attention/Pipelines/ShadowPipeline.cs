using System.Diagnostics;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Shadow attention as a two-stage pipeline: while the QNN backend scores the next units, the CPU's workers select and attend this one. A unit of work is a
/// block of queries of one or a few KV heads, the heads of a group stacked as rows. Units whose rows all are computed densely need no scores: the CPU
/// does them while it waits for the first ones.
/// </summary>
internal sealed unsafe class ShadowPipeline : IAttentionPipeline, IWorkerJob
{
    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly KeyPreparation? keys;
    private readonly TailSlopes? slopes;
    private readonly CrossoverRule? rule;
    private readonly DenseRows? dense;
    private readonly bool certified;
    private readonly TileStage stage;
    private readonly PilotStage pilot;
    private readonly PilotQueue queue;
    private readonly PilotScales? scales;
    private readonly UnitSchedule schedule;
    private readonly int[] scored;
    private readonly int blockQueries;
    private readonly OwnedResources owned = new();
    private readonly PilotMemory memory = new();
    private readonly string memoryDescription;
    private readonly int[] rungs;
    private readonly Predicate<int> fits;
    private int rung;
    private readonly WorkerScratch[] scratch;
    private readonly TileCounters[] counters;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly float sigma0;
    private int scoredCount;
    private PilotUnit current;
    private int currentUnit;
    private int currentSlot;
    private bool quantizing;
    private WorkCounter work;
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
        rule = scales is null ? CrossoverRule.Of(options) : null;
        sigma0 = UniversalPilot.Sigma0(call.Dim);
        int capacity = call.Cache?.Capacity ?? call.Keys;
        PilotShape shape = new(call.Heads, call.KvHeads, call.Queries, capacity, call.Dim, call.Causal && call.Cache is null);
        blockQueries = shape.BlockQueries;
        rungs = call.Cache is null ? [0] : Rungs(capacity);
        counters = new TileCounters[pool.Threads];
        try
        {
            // What is registered with the backend must outlive its registration: resources go in reverse order.
            UnmanagedBuffer[] k8 = call.Cache is null ? owned.Own(call.KvHeads, _ => memory.Allocate((long)shape.PaddedKeys * call.Dim)) : [];
            pilot = owned.Own(new PilotStage(call, shape, scales, rungs, graphs, memory, options.HeadsPerGraph));
            if (call.Cache is null)
            {
                keys = owned.Own(new KeyPreparation(call, pool, clock, k8, centre: scales is null, valueSums: tail, pack: false, residuals: certified));
                pilot.UseKeys(k8);
            }
            else
            {
                pilot.UseKeys(call.Cache);
            }

            schedule = new UnitSchedule(options.Schedule, pilot.Units.Length);
            scored = new int[pilot.Units.Length];
            memoryDescription = memory.Description;
            dense = rule is not null && QueryBlock.HeadsPerTile(call.Queries, call.Group, call.KvHeads, pool.Threads) == 1
                ? owned.Own(new DenseRows(call, pool, clock, rule, capacity, call.Cache?.PanelKeys ?? 0))
                : null;
            slopes = options.Tail == TailCompensation.Linear ? owned.Own(new TailSlopes(call, pool, clock)) : null;
            stage = new TileStage(call, new RowSelector(new HeadKeep(options), options.Tail, call.Dim, call.Scale, options.ExactTopK), clock, tail, slopes);
            scratch = owned.Own(
                pool.Threads, _ => new WorkerScratch(capacity, call.Dim, QueryBlock.TileRows, scores: false, dense?.Kernel, slopes is not null, options.ExactTopK != ExactTopK.None));
            queue = owned.Own(new PilotQueue(pilot.Slots));
        }
        catch
        {
            owned.Dispose();
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
        call.Crossover = rule;
        queue.Restart(Profile, clock.Recorder);
        if (keys is not null)
        {
            call.Tables = keys;
            scales?.Key.CopyTo(new Span<float>(keys.KeyScale, call.KvHeads));
        }
        else
        {
            pilot.UseKeys(call.Cache!);
            rung = Array.FindLastIndex(rungs, fits);
        }

        if (keys is not null && !call.KeepsAll())
        {
            long start = StageClock.Now;
            keys.Run();
            clock.Staged("keys", start, WorkItem.None);
        }

        try
        {
            RunUnits();
        }
        finally
        {
            queue.Drain();
        }

        if (!call.Cancelled)
        {
            schedule.End();
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
        report.Buckets = pilot.BucketsOf(rung);
        report.HeadsPerGraph = pilot.HeadsPerGraph;
        report.PilotMemory = memoryDescription;
        if (dense is not null)
        {
            report.Add("pack", "cpu", clock.Milliseconds(Stage.Pack));
            report.Add("dense", "cpu", clock.Milliseconds(Stage.Dense));
        }

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

    /// <summary>What the units took on the two stages, in milliseconds.</summary>
    public PipelineTimes StageTimes()
    {
        const double PerMs = 1000.0;
        return new PipelineTimes(
            pilot.Slots, [.. schedule.Times.ToArray().Select(t => new StageTimes(t.Npu * PerMs / Stopwatch.Frequency, t.Cpu * PerMs / Stopwatch.Frequency))]);
    }

    /// <inheritdoc/>
    public void Forget(KvCache cache) => pilot.Forget(cache);

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    /// <summary>
    /// The key buckets of a cache's graphs: of its capacity, half, a quarter and an eighth of it, so that a cache which is mostly empty does not cost
    /// what a full one does. A call takes the smallest that holds its keys.
    /// </summary>
    private static int[] Rungs(int capacity) =>
        [.. Enumerable.Range(0, 4).Select(i => ShapeBuckets.Keys(Math.Max(capacity >> i, 1))).Distinct()];

    /// <summary>As many units as there are slots are on the NPU or wait for the CPU; the next one is quantised as soon as a slot is free.</summary>
    private void RunUnits()
    {
        schedule.Begin(call.Progress.IsWatched);
        scoredCount = 0;
        foreach (int unit in schedule.Order)
        {
            if (NeedsScores(pilot.Units[unit]))
            {
                scored[scoredCount++] = unit;
            }
        }

        int submitted = 0;
        SubmitUpTo(ref submitted, 1);
        long start = StageClock.Now;
        dense?.Prepare();
        slopes?.Run();
        clock.Staged("tail", start, WorkItem.None);
        SubmitUpTo(ref submitted, pilot.Slots);
        for (int unit = 0; unit < pilot.Units.Length && !call.Cancelled; unit++)
        {
            if (!NeedsScores(pilot.Units[unit]))
            {
                Start(unit, slot: 0, forQuantizing: false);
            }
        }

        for (int place = 0; place < scoredCount && !call.Cancelled; place++)
        {
            SubmitUpTo(ref submitted, place + pilot.Slots);
            int unit = scored[place];
            long waiting = StageClock.Now;
            queue.Wait(place + 1);
            long attending = clock.Staged("wait", waiting, pilot.Units[unit].Item);
            exposedTicks += attending - waiting;
            long npuTicks = queue.Ticks(place);
            Start(unit, place % pilot.Slots, forQuantizing: false);
            schedule.Took(unit, npuTicks, StageClock.Now - attending);
        }
    }

    private bool NeedsScores(in PilotUnit unit)
    {
        int last = unit.FirstQuery + unit.Queries - 1;
        for (int head = unit.KvHead * call.Group; head < (unit.KvHead + unit.KvHeads) * call.Group; head++)
        {
            if (!call.KeepsAll(head, last))
            {
                return true;
            }
        }

        return false;
    }

    private void SubmitUpTo(ref int submitted, int count)
    {
        for (; submitted < Math.Min(count, scoredCount) && !call.Cancelled; submitted++)
        {
            int unit = scored[submitted];
            int slot = submitted % pilot.Slots;
            Start(unit, slot, forQuantizing: true);
            queue.Submit(pilot.Bound(unit, slot, rung), pilot.Units[unit].Item);
        }
    }

    private void Start(int unit, int slot, bool forQuantizing)
    {
        long start = StageClock.Now;
        current = pilot.Units[unit];
        currentUnit = unit;
        currentSlot = slot;
        quantizing = forQuantizing;
        work.Restart();
        pool.Run(this);
        clock.Staged(forQuantizing ? "quantize" : "attend", start, current.Item);
    }

    private void QuantizeQueries(int worker)
    {
        long time = StageClock.Now;
        PilotUnit u = current;
        int tiles = QueryBlock.Count(u.Queries, QueryBlock.TileRows);
        int items = u.KvHeads * call.Group * tiles;
        for (int item = work.Next(); item < items && !call.Cancelled; item = work.Next())
        {
            int inUnit = item / (call.Group * tiles);
            int kvHead = u.KvHead + inUnit;
            int inGroup = item / tiles % call.Group;
            int first = item % tiles * QueryBlock.TileRows;
            int rows = Math.Min(QueryBlock.TileRows, u.Queries - first);
            nint row = ((nint)inGroup * blockQueries) + first;
            sbyte* destination = pilot.Q8(currentSlot, inUnit) + (row * call.Dim);
            float* scale = pilot.RowScales(currentSlot, inUnit) + row;
            int head = (kvHead * call.Group) + inGroup;
            float* query = call.Query(head, u.FirstQuery + first);
            clock.At(worker, new WorkItem(kvHead, head, u.FirstQuery + first, rows));
            if (scales is { } paper)
            {
                new Span<float>(scale, rows).Fill(paper.Query[kvHead]);
                quantize.Keys(query, call.QRowStride, rows, call.Dim, null, 1 / paper.Query[kvHead], destination, call.Dim, null);
            }
            else
            {
                float* power = call.Tables.Power + ((nint)kvHead * call.Dim);
                quantize.Queries(query, call.QRowStride, rows, call.Dim, power, sigma0, destination, call.Dim, scale);
            }

            time = clock.Add(worker, Stage.Quantize, time);
        }
    }

    private void Attend(int worker)
    {
        PilotUnit u = current;
        PilotGraphSpec spec = pilot.SpecOf(currentUnit, rung);
        int tiles = QueryBlock.Count(u.Queries, QueryBlock.TileRows);
        int perHead = u.KvHeads * call.Group;
        for (int item = work.Next(); item < perHead * tiles && !call.Cancelled; item = work.Next())
        {
            int inUnit = item % perHead / call.Group;
            int inGroup = item % call.Group;
            int first = (tiles - 1 - (item / perHead)) * QueryBlock.TileRows;
            nint row = ((nint)inGroup * blockQueries) + first;
            Tile tile = new()
            {
                Head = ((u.KvHead + inUnit) * call.Group) + inGroup,
                FirstQuery = u.FirstQuery + first,
                Rows = Math.Min(QueryBlock.TileRows, u.Queries - first),
                Scores = pilot.Scores(currentSlot, inUnit) + (row * spec.Keys),
                ScoreStride = spec.Keys,
                Q8 = pilot.Q8(currentSlot, inUnit) + (row * call.Dim),
                RowScales = pilot.RowScales(currentSlot, inUnit) + row,
                ScoreUnit = spec.OutputScale / (spec.QueryScale * spec.KeyScale),
            };
            clock.At(worker, new WorkItem(u.KvHead + inUnit, tile.Head, tile.FirstQuery, tile.Rows));
            if (dense is null || dense.Take(worker, ref tile, scratch[worker], ref counters[worker]))
            {
                stage.Process(worker, tile, scratch[worker], ref counters[worker]);
            }
        }
    }
}
