using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>Exact attention over all visible keys: keys packed once per KV head, blocks of rows taken by the workers, long rows first.</summary>
internal sealed unsafe class DensePipeline : IAttentionPipeline, IWorkerJob
{
    private readonly AttentionCall call;
    private readonly WorkerPool pool;
    private readonly StageClock clock;
    private readonly DenseAttentionKernel kernel = DenseAttention.Kernels.Best.Kernel;
    private readonly WorkerScratch[] scratch;
    private readonly OwnedResources owned = new();
    private readonly PackedKeys? keys;
    private WorkCounter work;

    public DensePipeline(AttentionCall call, WorkerPool pool, StageClock clock)
    {
        this.call = call;
        this.pool = pool;
        this.clock = clock;
        try
        {
            keys = call.Cache is null ? owned.Own(new PackedKeys(call, pool, clock, kernel, call.Keys)) : null;
            scratch = owned.Own(pool.Threads, _ => new WorkerScratch(64, call.Dim, 1, scores: false, kernel));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string[] StageNames => Attention.StageNames.KeepAll;

    /// <inheritdoc/>
    public void Run()
    {
        keys?.Pack(call.Keys);
        work.Restart();
        pool.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker) => Attend(worker, scratch[worker].Dense);

    /// <inheritdoc/>
    public void Report(AttentionReport report)
    {
        report.KeptKeys = report.VisibleKeys;
        report.Add("pack", "cpu", clock.Milliseconds(Stage.Pack));
        report.Add("attention", "cpu", clock.Milliseconds(Stage.Dense));
        call.Kept?.MarkVisible(call);
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();

    private void Attend(int worker, float* denseScratch)
    {
        long time = StageClock.Now;

        // A single query of each head: the heads of a group are the rows, so that keys and values are read once for all of them.
        bool stacked = call.Queries == 1;
        int headsPerTile = stacked ? Math.Min(QueryBlock.HeadsPerTile(1, call.Group, call.KvHeads, pool.Threads), kernel.RowBlock) : 1;
        int parts = QueryBlock.Count(call.Group, headsPerTile);
        int blocks = QueryBlock.Count(call.Queries, kernel.RowBlock);
        int items = call.KvHeads * parts * blocks;
        for (int item = work.Next(); item < items && !call.Cancelled; item = work.Next())
        {
            int part = call.Progress.IsWatched ? item / blocks : item % (call.KvHeads * parts);
            int block = call.Progress.IsWatched ? item % blocks : item / (call.KvHeads * parts);
            int kvHead = part / parts;
            int head = (kvHead * call.Group) + (part % parts * headsPerTile);
            int first = (blocks - 1 - block) * kernel.RowBlock;
            int heads = Math.Min(headsPerTile, ((kvHead + 1) * call.Group) - head);
            DenseArguments arguments = new()
            {
                Queries = call.Query(head, first),
                QueryStride = stacked ? call.QHeadStride : call.QRowStride,
                Rows = stacked ? heads : Math.Min(kernel.RowBlock, call.Queries - first),
                FirstVisible = call.Visible(first),
                VisibleStep = call.Causal && !stacked ? 1 : 0,
                PackedKeys = call.Cache is { } cache ? cache.Panels(kvHead) : keys!.Of(kvHead),
                Values = call.ValueRows(kvHead),
                Dim = call.Dim,
                Scale = call.Scale,
                Output = call.Output(head, first),
                OutputStride = stacked ? call.OHeadStride : call.ORowStride,
                Scratch = denseScratch,
            };
            clock.At(worker, new WorkItem(kvHead, head, first, stacked ? 1 : arguments.Rows));
            kernel.Attend(&arguments);
            time = clock.Add(worker, Stage.Dense, time);
            for (int done = 0; done < heads; done++)
            {
                call.Progress.Done(head + done, stacked ? 1 : arguments.Rows);
            }
        }
    }
}
