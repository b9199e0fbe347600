using ShadowAttn.Graphs;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// Shadow attention with the pilot by the CPU's INT8 kernels: each worker quantises, scores, selects and attends a tile of rows while its
/// scores are in the cache.
/// </summary>
internal sealed unsafe class ShadowCpuPipeline : IAttentionPipeline, IWorkerJob
{
    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly KeyPreparation keys;
    private readonly TailSlopes? slopes;
    private readonly TileStage stage;
    private readonly OwnedResources owned = new();
    private readonly WorkerScratch[] scratch;
    private readonly TileCounters[] counters;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly Int8ScoresKernel scores = Int8Scores.Kernels.Best.Kernel;
    private readonly int shift;
    private readonly float sigma0;
    private int nextItem;

    public ShadowCpuPipeline(AttentionCall call, AttentionOptions options, WorkerPool pool, StageClock clock)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        bool tail = options.Tail != TailCompensation.None;
        shift = UniversalPilot.Shift(call.Dim);
        sigma0 = UniversalPilot.Sigma0(call.Dim);
        counters = new TileCounters[pool.Threads];
        try
        {
            UnmanagedBuffer[] k8 = owned.Own(call.KvHeads, _ => UnmanagedBuffer.Allocate((long)call.Keys * call.Dim));
            keys = owned.Own(new KeyPreparation(call, pool, clock, k8, centre: true, valueSums: tail, pack: true));
            slopes = options.Tail == TailCompensation.Linear ? owned.Own(new TailSlopes(call, keys, pool, clock)) : null;
            stage = new TileStage(call, keys, new RowSelector(options.Keep, options.MinKeys, options.Tail, call.Dim, call.Scale), clock, tail, slopes);
            scratch = owned.Own(pool.Threads, _ => new WorkerScratch(call.Keys, call.Dim, QueryBlock.TileRows, scores: true, dense: null, slopes is not null));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Run()
    {
        Array.Clear(counters);
        keys.Run();
        slopes?.Run();
        nextItem = 0;
        pool.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        WorkerScratch s = scratch[worker];
        TileCounters local = default;
        int tiles = QueryBlock.Count(call.Queries, QueryBlock.TileRows);
        for (int item = Interlocked.Increment(ref nextItem) - 1; item < call.Heads * tiles; item = Interlocked.Increment(ref nextItem) - 1)
        {
            Tile tile = new()
            {
                Head = item % call.Heads,
                FirstQuery = (tiles - 1 - (item / call.Heads)) * QueryBlock.TileRows,
                Scores = s.Scores,
                ScoreStride = s.ScoreStride,
                Q8 = s.Q8,
                RowScales = s.RowScales,
                ScoreUnit = 1 << shift,
            };
            tile.Rows = Math.Min(QueryBlock.TileRows, call.Queries - tile.FirstQuery);
            Score(worker, tile);
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

        report.Add("quantize", "cpu", clock.Milliseconds(Stage.Quantize));
        report.Add("pilot", "cpu", clock.Milliseconds(Stage.Scores));
        report.Add("select", "cpu", clock.Milliseconds(Stage.Select));
        report.Add("tail", "cpu", clock.Milliseconds(Stage.Tail));
        report.Add("gather", "cpu", clock.Milliseconds(Stage.Gather));
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    private void Score(int worker, in Tile tile)
    {
        int kvHead = tile.Head / call.Group;
        long time = StageClock.Now;
        quantize.Queries(
            call.Query(tile.Head, tile.FirstQuery),
            call.QRowStride,
            tile.Rows,
            call.Dim,
            keys.Power + ((nint)kvHead * call.Dim),
            sigma0,
            tile.Q8,
            call.Dim,
            tile.RowScales);
        time = clock.Add(worker, Stage.Quantize, time);
        scores.Scores(
            tile.Q8,
            call.Dim,
            tile.Rows,
            keys.Packed(kvHead),
            call.Visible(tile.FirstQuery + tile.Rows - 1),
            call.Dim,
            shift,
            tile.Scores,
            tile.ScoreStride);
        clock.Add(worker, Stage.Scores, time);
    }
}
