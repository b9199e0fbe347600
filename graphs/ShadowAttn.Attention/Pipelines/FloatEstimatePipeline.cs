using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The baselines that estimate in fp32 on the CPU: every key's own logit (sparse-cpu), or that of the mean key of each block of 64 (block-sparse).
/// Keys or means are packed as panels [dim, 64]; a worker multiplies a tile of queries with them, turns each row into levels, selects and attends.
/// </summary>
internal sealed unsafe class FloatEstimatePipeline : IAttentionPipeline, IWorkerJob
{
    private const int Panel = 64;

    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly bool byBlocks;
    private readonly KeyPreparation keys;
    private readonly TailSlopes? slopes;
    private readonly TileStage stage;
    private readonly OwnedResources owned = new();
    private readonly UnmanagedBuffer panels;
    private readonly UnmanagedBuffer[] estimates;
    private readonly UnmanagedBuffer[] rows;
    private readonly WorkerScratch[] scratch;
    private readonly TileCounters[] counters;
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly DenseProductKernel product = DenseProduct.Kernels.Best.Kernel;
    private readonly int columns;
    private readonly int panelCount;
    private bool packing;
    private WorkCounter work;

    public FloatEstimatePipeline(AttentionCall call, AttentionOptions options, WorkerPool pool, StageClock clock)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        byBlocks = options.Mode == AttentionMode.BlockSparse;
        columns = byBlocks ? QueryBlock.Count(call.Keys, BlockSelector.Block) : call.Keys;
        panelCount = QueryBlock.Count(columns, Panel);
        bool tail = options.Tail != TailCompensation.None;
        counters = new TileCounters[pool.Threads];
        try
        {
            UnmanagedBuffer[] none = [.. Enumerable.Repeat(owned.Own(UnmanagedBuffer.Allocate(64)), call.KvHeads)];
            keys = owned.Own(new KeyPreparation(call, pool, clock, none, centre: true, valueSums: tail, pack: false, quantizeKeys: false));
            slopes = options.Tail == TailCompensation.Linear ? owned.Own(new TailSlopes(call, pool, clock)) : null;
            var selector = new RowSelector(new HeadKeep(options), options.Tail, call.Dim, call.Scale);
            IRowSelector selection = byBlocks ? new BlockSelector(new HeadKeep(options), selector) : selector;
            stage = new TileStage(call, selection, clock, tail, slopes);
            panels = owned.Own(UnmanagedBuffer.Allocate(checked((nint)call.KvHeads * panelCount * Panel * call.Dim * sizeof(float))));
            int tileRows = Math.Min(call.Queries, QueryBlock.TileRows);
            estimates = owned.Own(pool.Threads, _ => UnmanagedBuffer.Allocate((nint)tileRows * panelCount * Panel * sizeof(float)));
            nint rowFloats = ((nint)tileRows * (call.Dim + 2)) + (BlockSelector.Block * call.Dim);
            rows = owned.Own(pool.Threads, _ => UnmanagedBuffer.Allocate(rowFloats * sizeof(float)));
            scratch = owned.Own(pool.Threads, _ => new WorkerScratch(call.Keys, call.Dim, tileRows, scores: true, dense: null, slopes is not null));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string[] StageNames => Attention.StageNames.FloatEstimate;

    /// <inheritdoc/>
    public void Run()
    {
        Array.Clear(counters);
        call.Tables = keys;
        keys.Run();
        Start(pack: true);
        slopes?.Run();
        Start(pack: false);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        long time = StageClock.Now;
        if (packing)
        {
            for (int item = work.Next(); item < call.KvHeads * panelCount && !call.Cancelled; item = work.Next())
            {
                clock.At(worker, new WorkItem(item / panelCount, -1, 0, 0));
                Pack(item / panelCount, item % panelCount, (float*)rows[worker].Pointer);
                time = clock.Add(worker, Stage.Pack, time);
            }

            return;
        }

        TileCounters local = default;
        int tiles = QueryBlock.Count(call.Queries, QueryBlock.TileRows);
        for (int item = work.Next(); item < call.Heads * tiles && !call.Cancelled; item = work.Next())
        {
            int head = call.Progress.IsWatched ? item / tiles : item % call.Heads;
            int tileIndex = call.Progress.IsWatched ? item % tiles : item / call.Heads;
            Tile tile = new() { Head = head, FirstQuery = (tiles - 1 - tileIndex) * QueryBlock.TileRows };
            tile.Rows = Math.Min(QueryBlock.TileRows, call.Queries - tile.FirstQuery);
            clock.At(worker, new WorkItem(head / call.Group, head, tile.FirstQuery, tile.Rows));
            Estimate(worker, ref tile);
            stage.Process(worker, tile, scratch[worker], ref local);
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

        report.Add("pack", "cpu", clock.Milliseconds(Stage.Pack) + clock.Milliseconds(Stage.Quantize));
        report.Add("estimate", "cpu", clock.Milliseconds(Stage.Scores));
        report.Add("select", "cpu", clock.Milliseconds(Stage.Select));
        report.Add("tail", "cpu", clock.Milliseconds(Stage.Tail));
        report.Add("gather", "cpu", clock.Milliseconds(Stage.Gather));
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    private void Start(bool pack)
    {
        packing = pack;
        work.Restart();
        pool.Run(this);
    }

    private float* PanelOf(int kvHead, int panel) => (float*)panels.Pointer + ((((nint)kvHead * panelCount) + panel) * Panel * call.Dim);

    /// <summary>64 keys, or the means of 64 blocks of keys, transposed.</summary>
    private void Pack(int kvHead, int panel, float* room)
    {
        int dim = call.Dim;
        float* target = PanelOf(kvHead, panel);
        double* sums = stackalloc double[dim];
        for (int column = 0; column < Math.Min(Panel, columns - (panel * Panel)); column++)
        {
            int index = (panel * Panel) + column;
            if (byBlocks)
            {
                int count = Math.Min(BlockSelector.Block, call.Keys - (index * BlockSelector.Block));
                KvRows block = Widen(call.KeyRows(kvHead).From((nint)index * BlockSelector.Block), count, room);
                new Span<double>(sums, dim).Clear();
                stats.AddSums(block.Floats, block.Stride, count, dim, sums);
                for (int d = 0; d < dim; d++)
                {
                    target[(d * Panel) + column] = (float)(sums[d] / count);
                }
            }
            else
            {
                float* key = Widen(call.KeyRows(kvHead).From(index), 1, room).Floats;
                for (int d = 0; d < dim; d++)
                {
                    target[(d * Panel) + column] = key[d];
                }
            }
        }
    }

    private KvRows Widen(in KvRows source, int count, float* room)
    {
        if (source.Format == KvFormat.F32)
        {
            return source;
        }

        source.Widen(count, call.Dim, room, call.Dim);
        return new KvRows(room, call.Dim);
    }

    /// <summary>Logits of the tile's rows, and their levels with what a step of them means.</summary>
    private void Estimate(int worker, ref Tile tile)
    {
        long time = StageClock.Now;
        int dim = call.Dim;
        WorkerScratch s = scratch[worker];
        float* logits = (float*)estimates[worker].Pointer;
        nint stride = (nint)panelCount * Panel;
        float* queries = (float*)rows[worker].Pointer;
        tile.Estimates = logits;
        tile.EstimateStride = stride;
        tile.Steps = queries + ((nint)tile.Rows * dim);
        tile.Origins = tile.Steps + tile.Rows;
        tile.Scores = s.Scores;
        tile.ScoreStride = s.ScoreStride;
        for (int row = 0; row < tile.Rows; row++)
        {
            Scale(call.Query(tile.Head, tile.FirstQuery + row), call.Scale, dim, queries + ((nint)row * dim));
        }

        int unit = byBlocks ? BlockSelector.Block : 1;
        int firstPanel = call.First(tile.FirstQuery) / unit / Panel;
        int lastPanel = QueryBlock.Count(QueryBlock.Count(call.Visible(tile.FirstQuery + tile.Rows - 1), unit), Panel);
        for (int row = 0; row < tile.Rows; row++)
        {
            new Span<float>(logits + (row * stride) + (firstPanel * Panel), (lastPanel - firstPanel) * Panel).Clear();
        }

        for (int panel = firstPanel; panel < lastPanel; panel++)
        {
            float* b = PanelOf(tile.Head / call.Group, panel);
            product.Add(queries, dim, 1, tile.Rows, dim, b, Panel, Panel, logits + (panel * Panel), stride);
        }

        for (int row = 0; row < tile.Rows; row++)
        {
            Levels(tile, row, unit);
        }

        clock.Add(worker, Stage.Scores, time);
    }

    private void Levels(in Tile tile, int row, int unit)
    {
        int query = tile.FirstQuery + row;
        int visible = call.Visible(query);
        int first = call.First(query) / unit;
        int count = QueryBlock.Count(visible, unit) - first;
        float* logits = tile.Estimates + (row * tile.EstimateStride) + first;
        float slope = call.Slope(tile.Head);
        for (int i = 0; slope != 0 && i < count; i++)
        {
            // The last key of a block is its nearest; a block's bias is that of its middle.
            logits[i] += slope * (((first + i) * unit) + ((unit - 1) / 2) - (visible - 1));
        }

        sbyte* levels = tile.Scores + (row * tile.ScoreStride);
        if (unit == 1)
        {
            (tile.Steps[row], tile.Origins[row]) = FloatLevels.Quantize(logits, count, levels + first);
            return;
        }

        sbyte* perBlock = stackalloc sbyte[count];
        (tile.Steps[row], tile.Origins[row]) = FloatLevels.Quantize(logits, count, perBlock);
        for (int block = 0; block < count; block++)
        {
            int start = (first + block) * unit;
            new Span<sbyte>(levels + start, Math.Min(unit, visible - start)).Fill(perBlock[block]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* x, float factor, int dim, float* y)
    {
        int d = 0;
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            (Vector.Load(x + d) * factor).Store(y + d);
        }

        for (; d < dim; d++)
        {
            y[d] = factor * x[d];
        }
    }
}
