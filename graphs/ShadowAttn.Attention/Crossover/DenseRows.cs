using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// The rows of a sparse call that see so few keys, or keep so many, that dense attention is faster. The keys that they see are packed once per call; a
/// cache has no room for a second form of its keys.
/// </summary>
internal sealed unsafe class DenseRows : IDisposable
{
    private readonly AttentionCall call;
    private readonly StageClock clock;
    private readonly CrossoverRule rule;
    private readonly PackedKeys keys;

    /// <param name="call">The call's tensors.</param>
    /// <param name="pool">The workers.</param>
    /// <param name="clock">Where the time goes to.</param>
    /// <param name="rule">Which rows they are.</param>
    /// <param name="capacity">The most keys of a call.</param>
    public DenseRows(AttentionCall call, WorkerPool pool, StageClock clock, CrossoverRule rule, int capacity)
    {
        this.call = call;
        this.clock = clock;
        this.rule = rule;
        keys = new PackedKeys(call, pool, clock, Kernel, Math.Max(1, Math.Min(rule.Most, capacity)));
    }

    /// <summary>The kernel, which needs its part of the workers' scratch.</summary>
    public DenseAttentionKernel Kernel { get; } = DenseAttention.Kernels.Best.Kernel;

    /// <summary>Packs the keys that dense rows of the call see.</summary>
    public void Prepare()
    {
        if (call.Visible(0) <= rule.Most)
        {
            keys.Pack(Math.Min(call.Visible(call.Queries - 1), rule.Most));
        }
    }

    /// <summary>Computes the rows at the start of a tile of one head that are dense, and takes them off it.</summary>
    /// <returns>Whether rows are left.</returns>
    public bool Take(int worker, ref Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        int rows = 0;
        int limit = rule.Limit(tile.Head);
        while (rows < tile.Rows && call.Visible(tile.FirstQuery + rows) <= limit)
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
    public void Dispose() => keys.Dispose();

    private void Attend(int worker, in Tile tile, int rows, WorkerScratch scratch, ref TileCounters counters)
    {
        long time = StageClock.Now;
        int kvHead = tile.Head / call.Group;
        for (int row = 0; row < rows; row += Kernel.RowBlock)
        {
            int query = tile.FirstQuery + row;
            DenseArguments arguments = new()
            {
                Queries = call.Query(tile.Head, query),
                QueryStride = call.QRowStride,
                Rows = Math.Min(Kernel.RowBlock, rows - row),
                FirstVisible = call.Visible(query),
                VisibleStep = call.Causal ? 1 : 0,
                PackedKeys = keys.Of(kvHead),
                Values = call.ValueRows(kvHead),
                Dim = call.Dim,
                Scale = call.Scale,
                Output = call.Output(tile.Head, query),
                OutputStride = call.ORowStride,
                Scratch = scratch.Dense,
            };
            Kernel.Attend(&arguments);
        }

        for (int row = 0; row < rows; row++)
        {
            counters.Kept += call.Seen(tile.FirstQuery + row);
            call.Kept?.MarkVisible(call, tile.Head, tile.FirstQuery + row);
        }

        call.Progress.Done(tile.Head, rows);
        clock.Add(worker, Stage.Dense, time);
    }
}
