using System.Runtime.Intrinsics.X86;
using ShadowAttn.Graphs;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Shadow attention with the pilot by the CPU's INT8 kernels: each worker quantises, scores, selects and attends a tile of rows while its
/// scores are in the cache. Also dense attention where the dense kernels lack the mask: then every row keeps all that it sees, and there is no pilot.
/// </summary>
internal sealed unsafe class ShadowCpuPipeline : IAttentionPipeline, IWorkerJob
{
    private const int CacheLineFloats = 16;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly KeyPreparation? keys;
    private readonly TailSlopes? slopes;
    private readonly DenseRows? dense;
    private readonly bool certified;
    private readonly TileStage stage;
    private readonly OwnedResources owned = new();
    private readonly WorkerScratch[] scratch;
    private readonly TileCounters[] counters;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly Int8ScoresKernel scores = Int8Scores.Kernels.Best.Kernel;
    private readonly CrossoverRule? rule;
    private readonly bool keepAll;
    private readonly int headsPerTile;
    private readonly int shift;
    private readonly float sigma0;
    private WorkCounter work;

    /// <param name="call">The call's tensors.</param>
    /// <param name="options">Knobs.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    /// <param name="keepAll">Whether every row keeps all that it sees.</param>
    /// <param name="selector">Selects instead of what the options say; must be safe for all workers at once. Null for the options' way.</param>
    public ShadowCpuPipeline(
        AttentionCall call, AttentionOptions options, WorkerPool pool, StageClock clock, bool keepAll = false, IRowSelector? selector = null)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        certified = options.ExactTopK != ExactTopK.None;
        this.keepAll = keepAll;
        rule = keepAll || selector is not null ? null : CrossoverRule.Of(options);
        TailCompensation tailWay = keepAll ? TailCompensation.None : options.Tail;
        bool tail = tailWay != TailCompensation.None;
        shift = UniversalPilot.Shift(call.Dim);
        sigma0 = UniversalPilot.Sigma0(call.Dim);
        counters = new TileCounters[pool.Threads];
        headsPerTile = QueryBlock.HeadsPerTile(call.Queries, call.Group, call.KvHeads, pool.Threads);
        int capacity = call.Cache?.Capacity ?? call.Keys;
        int tileRows = headsPerTile > 1 ? headsPerTile * call.Queries : Math.Min(call.Queries, QueryBlock.TileRows);
        try
        {
            if (call.Cache is null && !keepAll)
            {
                UnmanagedBuffer[] k8 = owned.Own(call.KvHeads, _ => UnmanagedBuffer.Allocate((long)call.Keys * call.Dim));
                keys = owned.Own(new KeyPreparation(call, pool, clock, k8, centre: true, valueSums: tail, pack: true, residuals: certified));
            }

            int panelKeys = call.Cache?.PanelKeys ?? 0;
            dense = rule is not null && (headsPerTile == 1 || panelKeys > 0)
                ? owned.Own(new DenseRows(call, pool, clock, rule, capacity, panelKeys, packs: headsPerTile == 1))
                : null;
            slopes = tailWay == TailCompensation.Linear ? owned.Own(new TailSlopes(call, pool, clock)) : null;
            selector ??= new RowSelector(new HeadKeep(options), tailWay, call.Dim, call.Scale, options.ExactTopK);
            stage = new TileStage(call, selector, clock, tail, slopes);
            scratch = owned.Own(pool.Threads, _ => new WorkerScratch(capacity, call.Dim, tileRows, scores: true, dense?.Kernel, slopes is not null, options.ExactTopK != ExactTopK.None));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string[] StageNames => keepAll ? Attention.StageNames.KeepAll : Attention.StageNames.Pilot;

    /// <inheritdoc/>
    public void Run()
    {
        Array.Clear(counters);
        call.Crossover = rule;
        if (keys is not null)
        {
            call.Tables = keys;
            if (!call.KeepsAll())
            {
                keys.Run();
            }
        }

        if (keepAll)
        {
            call.KeepAllBelow = int.MaxValue;
        }

        dense?.Prepare();
        slopes?.Run();
        work.Restart();
        pool.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        WorkerScratch s = scratch[worker];
        TileCounters local = default;
        int tiles = QueryBlock.Count(call.Queries, QueryBlock.TileRows);
        int parts = QueryBlock.Count(call.Group, headsPerTile);
        int items = call.KvHeads * parts * tiles;
        for (int item = work.Next(); item < items && !call.Cancelled; item = work.Next())
        {
            Tile tile = RowsOf(item, parts, tiles) with
            {
                Scores = s.Scores,
                ScoreStride = s.ScoreStride,
                Q8 = s.Q8,
                RowScales = s.RowScales,
                ScoreUnit = 1 << shift,
            };
            clock.At(worker, new WorkItem(tile.Head / call.Group, tile.Head, tile.FirstQuery, tile.HeadRows));
            if (dense is not null && !dense.Take(worker, ref tile, s, ref local))
            {
                continue;
            }

            if (stage.NeedsScores(tile))
            {
                Score(worker, tile);
                if (item + pool.Threads < items)
                {
                    PrefetchQueries(RowsOf(item + pool.Threads, parts, tiles));
                }
            }

            stage.Process(worker, tile, s, ref local);
        }

        counters[worker] = local;
    }

    /// <inheritdoc/>
    public void Report(AttentionReport report)
    {
        foreach (TileCounters c in counters)
        {
            report.Add(c);
        }

        if (keepAll)
        {
            report.Add("list", "cpu", clock.Milliseconds(Stage.Select));
            report.Add("attention", "cpu", clock.Milliseconds(Stage.Gather));
            return;
        }

        if (dense is not null)
        {
            report.Add("pack", "cpu", clock.Milliseconds(Stage.Pack));
            report.Add("dense", "cpu", clock.Milliseconds(Stage.Dense));
        }

        report.Add("quantize", "cpu", clock.Milliseconds(Stage.Quantize));
        report.Add("pilot", "cpu", clock.Milliseconds(Stage.Scores));
        report.Add("select", "cpu", clock.Milliseconds(Stage.Select));
        if (certified)
        {
            report.Add("certify", "cpu", clock.Milliseconds(Stage.Certify));
        }

        report.Add("tail", "cpu", clock.Milliseconds(Stage.Tail));
        report.Add("gather", "cpu", clock.Milliseconds(Stage.Gather));
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    /// <summary>The rows of an item: some heads of a group and, from the last, some queries.</summary>
    /// <remarks>Somebody who waits for heads gets them one after the other; else long rows come first.</remarks>
    private Tile RowsOf(int item, int parts, int tiles)
    {
        (int part, int tileIndex) = call.Progress.IsWatched
            ? (item / tiles, item % tiles)
            : (item % (call.KvHeads * parts), item / (call.KvHeads * parts));
        int firstHead = part % parts * headsPerTile;
        int firstQuery = (tiles - 1 - tileIndex) * QueryBlock.TileRows;
        int headRows = Math.Min(QueryBlock.TileRows, call.Queries - firstQuery);
        return new Tile
        {
            Head = (part / parts * call.Group) + firstHead,
            FirstQuery = firstQuery,
            HeadRows = headRows,
            Rows = headRows * Math.Min(headsPerTile, call.Group - firstHead),
        };
    }

    /// <summary>
    /// Asks for the queries that this worker will probably quantise next: every tile starts a stream of its own, which would wait for memory.
    /// </summary>
    private void PrefetchQueries(in Tile next)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        for (int row = 0; row < next.HeadRows; row++)
        {
            float* query = call.Query(next.Head, next.FirstQuery + row);
            for (int d = 0; d < call.Dim; d += CacheLineFloats)
            {
                Sse.Prefetch1(query + d);
            }
        }
    }

    private void Score(int worker, in Tile tile)
    {
        int kvHead = tile.Head / call.Group;
        long time = StageClock.Now;
        for (int row = 0; row < tile.Rows; row += tile.HeadRows)
        {
            quantize.Queries(
                call.Query(tile.HeadOf(row), tile.FirstQuery),
                call.QRowStride,
                tile.HeadRows,
                call.Dim,
                call.Tables.Power + ((nint)kvHead * call.Dim),
                sigma0,
                tile.Q8 + ((nint)row * call.Dim),
                call.Dim,
                tile.RowScales + row);
        }

        time = clock.Add(worker, Stage.Quantize, time);
        int from = call.First(tile.FirstQuery) / scores.KeyTile * scores.KeyTile;
        scores.Scores(
            tile.Q8,
            call.Dim,
            tile.Rows,
            call.Tables.Packed(kvHead) + scores.PackedBytes(from, call.Dim),
            call.Visible(tile.FirstQuery + tile.HeadRows - 1) - from,
            call.Dim,
            shift,
            tile.Scores + from,
            tile.ScoreStride);
        clock.Add(worker, Stage.Scores, time);
    }
}
