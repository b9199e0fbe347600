using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// The rows of a sparse call that see so few keys, or keep so many, that dense attention is faster, and those that keep all anyway. A cache has the first
/// keys packed already, all others are packed once per call. A single query of several heads of a group goes as one block of rows, from a cache; other tiles of several heads, whose rows
/// are too few to pay for the packing, are left to gather attention.
/// </summary>
internal sealed unsafe class DenseRows : IDisposable
{
    private readonly AttentionCall call;
    private readonly StageClock clock;
    private readonly CrossoverRule rule;
    private readonly PackedKeys? keys;
    private readonly int panelKeys;
    private bool usesPanels;

    /// <param name="call">The call's tensors.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    /// <param name="rule">Which rows they are.</param>
    /// <param name="capacity">The most keys of a call.</param>
    /// <param name="panelKeys">The first keys that the calls' caches have packed; 0 without a cache.</param>
    /// <param name="packs">Whether keys are packed that a cache has not.</param>
    public DenseRows(AttentionCall call, WorkerPool pool, StageClock clock, CrossoverRule rule, int capacity, int panelKeys, bool packs = true)
    {
        this.call = call;
        this.clock = clock;
        this.rule = rule;
        this.panelKeys = panelKeys;
        int most = Math.Max(1, Math.Min(Math.Max(rule.Most, call.Cache is null ? 0 : KvCache.StatisticsKeys - 1), capacity));
        keys = packs && most > panelKeys ? new PackedKeys(call, pool, clock, Kernel, most) : null;
    }

    /// <summary>The kernel, which needs its part of the workers' scratch.</summary>
    public DenseAttentionKernel Kernel { get; } = DenseAttention.Kernels.Best.Kernel;

    /// <summary>Packs the keys that dense rows of the call see.</summary>
    public void Prepare()
    {
        int most = Math.Max(rule.Most, call.KeepAllBelow - 1);
        int count = call.Visible(0) <= most ? Math.Min(call.Visible(call.Queries - 1), most) : 0;
        usesPanels = count <= panelKeys;
        if (!usesPanels)
        {
            keys?.Pack(count);
        }
    }

    /// <summary>Computes the rows at the start of a tile that are dense, and takes them off it.</summary>
    /// <returns>Whether rows are left.</returns>
    public bool Take(int worker, ref Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        if (!usesPanels && keys is null)
        {
            return true;
        }

        if (tile.HeadOf(tile.Rows - 1) != tile.Head)
        {
            return !TakesHeads(worker, tile, scratch, ref counters);
        }

        int rows = 0;
        while (rows < tile.Rows && call.KeepsAll(tile.Head, tile.FirstQuery + rows))
        {
            rows++;
        }

        if (rows > 0)
        {
            Attend(worker, tile, rows, scratch, ref counters);
            tile.FirstQuery += rows;
            tile.Rows -= rows;
            tile.HeadRows -= tile.HeadRows == 0 ? 0 : rows;
            tile.Scores += rows * tile.ScoreStride;
            tile.Q8 += (nint)rows * call.Dim;
            tile.RowScales += rows;
        }

        return tile.Rows > 0;
    }

    /// <inheritdoc/>
    public void Dispose() => keys?.Dispose();

    /// <summary>Computes a tile of one query of several heads, if all of them are dense there.</summary>
    private bool TakesHeads(int worker, in Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        for (int row = 0; row < tile.Rows; row++)
        {
            if (tile.HeadRows != 1 || !call.KeepsAll(tile.Head + row, tile.FirstQuery))
            {
                return false;
            }
        }

        long time = StageClock.Now;
        for (int row = 0; row < tile.Rows; row += Kernel.RowBlock)
        {
            int count = Math.Min(Kernel.RowBlock, tile.Rows - row);
            Attend(tile.Head + row, tile.FirstQuery, count, call.QHeadStride, 0, call.OHeadStride, scratch);
        }

        counters.Kept += (long)tile.Rows * call.Seen(tile.FirstQuery);
        for (int row = 0; row < tile.Rows; row++)
        {
            call.Kept?.MarkVisible(call, tile.Head + row, tile.FirstQuery);
            call.Progress.Done(tile.Head + row, 1);
        }

        clock.Add(worker, Stage.Dense, time);
        return true;
    }

    private void Attend(int worker, in Tile tile, int rows, WorkerScratch scratch, ref TileCounters counters)
    {
        long time = StageClock.Now;
        for (int row = 0; row < rows; row += Kernel.RowBlock)
        {
            int count = Math.Min(Kernel.RowBlock, rows - row);
            Attend(tile.Head, tile.FirstQuery + row, count, call.QRowStride, call.Causal ? 1 : 0, call.ORowStride, scratch);
        }

        for (int row = 0; row < rows; row++)
        {
            counters.Kept += call.Seen(tile.FirstQuery + row);
            call.Kept?.MarkVisible(call, tile.Head, tile.FirstQuery + row);
        }

        call.Progress.Done(tile.Head, rows);
        clock.Add(worker, Stage.Dense, time);
    }

    /// <summary>A block of rows from a head's query on: queries of the head, or heads of its group at the query.</summary>
    private void Attend(int head, int query, int rows, nint queryStride, int visibleStep, nint outputStride, WorkerScratch scratch)
    {
        int kvHead = head / call.Group;
        DenseArguments arguments = new()
        {
            Queries = call.Query(head, query),
            QueryStride = queryStride,
            Rows = rows,
            FirstVisible = call.Visible(query),
            VisibleStep = visibleStep,
            PackedKeys = usesPanels ? call.Cache!.Panels(kvHead) : keys!.Of(kvHead),
            Values = call.ValueRows(kvHead),
            Dim = call.Dim,
            Scale = call.Scale,
            Output = call.Output(head, query),
            OutputStride = outputStride,
            Scratch = scratch.Dense,
        };
        Kernel.Attend(&arguments);
    }
}
