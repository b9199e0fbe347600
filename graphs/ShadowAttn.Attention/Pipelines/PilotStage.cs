using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>What one execution of a pilot graph scores: a block of queries of one or more neighbouring KV heads, the heads of each group stacked as rows.</summary>
/// <param name="KvHead">The first KV head.</param>
/// <param name="KvHeads">Number of KV heads.</param>
/// <param name="FirstQuery">The first query.</param>
/// <param name="Queries">Queries per head.</param>
internal readonly record struct PilotUnit(int KvHead, int KvHeads, int FirstQuery, int Queries)
{
    public WorkItem Item => WorkItem.Queries(KvHead, FirstQuery, Queries);
}

/// <summary>
/// The NPU's stage of a plan: the call cut into units, their graphs, and a few slots of buffers for the queries and scores of the units that are under way.
/// A unit takes any slot; its graph's keys are bound when it is submitted.
/// </summary>
internal sealed unsafe class PilotStage : IDisposable
{
    /// <summary>The most units under way.</summary>
    public const int MaxSlots = 4;

    private const int MinSlots = 2;
    private const long SlotBudgetBytes = 16 << 20;

    private readonly AttentionCall call;
    private readonly PilotShape shape;
    private readonly PilotScales? scales;
    private readonly int[] rungs;
    private readonly PilotMemory memory;
    private readonly PilotUnit[] units;
    private readonly PilotGraph[] graphs;
    private readonly int[] graphOfUnit;
    private readonly PilotBucketUse[][] uses;
    private readonly UnmanagedBuffer[] q8;
    private readonly UnmanagedBuffer[] rowScales;
    private readonly UnmanagedBuffer[] scores;
    private readonly PilotBinding[] bindings;
    private readonly Dictionary<KvCache, QnnMemory[]> cacheKeys = [];
    private readonly OwnedResources owned = new();
    private readonly int headRoom;
    private QnnMemory[] keys = [];

    /// <param name="call">The call's shape.</param>
    /// <param name="shape">The same as buckets.</param>
    /// <param name="scales">The paper's scales per head; null for the universal pilot.</param>
    /// <param name="rungs">Key buckets to choose from per call; a single 0 for the block's own.</param>
    /// <param name="graphSet">Composes.</param>
    /// <param name="memory">Gives buffers and registers them.</param>
    /// <param name="headsPerGraph">1, 2 or 4; what is left over makes smaller units.</param>
    public PilotStage(
        AttentionCall call, PilotShape shape, PilotScales? scales, int[] rungs, PilotGraphSet graphSet, PilotMemory memory, int headsPerGraph)
    {
        this.call = call;
        this.shape = shape;
        this.scales = scales;
        this.rungs = rungs;
        this.memory = memory;
        HeadsPerGraph = headsPerGraph;
        units = Cut(shape, headsPerGraph);
        PilotGraph[] composed = graphSet.Get([.. units.SelectMany(u => rungs.Select(rung => Spec(u, rung)))]);
        graphs = [.. composed.Distinct()];
        graphOfUnit = [.. composed.Select(g => Array.IndexOf(graphs, g))];
        uses = [.. rungs.Select((_, rung) => Uses(rung))];
        headRoom = units.Max(u => u.KvHeads);
        long scoreBytes = (long)shape.Rows * shape.PaddedKeys;
        Slots = (int)Math.Min(Math.Clamp(SlotBudgetBytes / (scoreBytes * headRoom), MinSlots, MaxSlots), units.Length);
        try
        {
            q8 = owned.Own(Slots * headRoom, _ => memory.Allocate((long)shape.Rows * call.Dim));
            scores = owned.Own(Slots * headRoom, _ => memory.Allocate(scoreBytes));
            rowScales = owned.Own(Slots * headRoom, _ => UnmanagedBuffer.Allocate((long)shape.Rows * sizeof(float)));
            bindings = owned.Own(graphs.Length * Slots, i => Bind(graphs[i / Slots], i % Slots));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <summary>KV heads per graph as asked for.</summary>
    public int HeadsPerGraph { get; }

    /// <summary>How many units can be under way.</summary>
    public int Slots { get; }

    /// <summary>The units, KV head by KV head.</summary>
    public ReadOnlySpan<PilotUnit> Units => units;

    /// <summary>Bytes of the scores of a unit of so many KV heads.</summary>
    public static long ScoreBytes(PilotShape shape, int kvHeads) => (long)kvHeads * shape.Rows * shape.PaddedKeys;

    /// <summary>KV heads and blocks of queries to units.</summary>
    public static PilotUnit[] Cut(PilotShape shape, int headsPerGraph)
    {
        List<PilotUnit> cut = [];
        for (int kvHead = 0, heads; kvHead < shape.KvHeads; kvHead += heads)
        {
            heads = PilotShape.HeadBucket(headsPerGraph, shape.KvHeads - kvHead);
            for (int first = 0; first < shape.Queries; first += shape.BlockQueries)
            {
                cut.Add(new PilotUnit(kvHead, heads, first, Math.Min(shape.BlockQueries, shape.Queries - first)));
            }
        }

        return [.. cut];
    }

    /// <summary>The graphs that calls of a rung use.</summary>
    public PilotBucketUse[] BucketsOf(int rung) => uses[rung];

    /// <summary>The graph's shape of a unit.</summary>
    public PilotGraphSpec SpecOf(int unit, int rung) => Graph(unit, rung).Spec;

    /// <summary>Quantised queries [rows, dim] of a slot's n-th KV head.</summary>
    public sbyte* Q8(int slot, int head) => (sbyte*)q8[(slot * headRoom) + head].Pointer;

    /// <summary>What one step of them means, [rows].</summary>
    public float* RowScales(int slot, int head) => (float*)rowScales[(slot * headRoom) + head].Pointer;

    /// <summary>Scores [rows, keys of the graph] of a slot's n-th KV head.</summary>
    public sbyte* Scores(int slot, int head) => (sbyte*)scores[(slot * headRoom) + head].Pointer;

    /// <summary>Takes the keys of a plan without a cache: one buffer per KV head, for good.</summary>
    public void UseKeys(UnmanagedBuffer[] k8) => keys = owned.Own(graphs.Length * call.KvHeads, i => graphs[i / call.KvHeads].RegisterKeys(memory, k8[i % call.KvHeads]));

    /// <summary>Takes a cache's keys; registers them when it is new.</summary>
    public void UseKeys(KvCache cache)
    {
        if (!cacheKeys.TryGetValue(cache, out QnnMemory[]? registered))
        {
            registered = RegisterCache(cache);
            cacheKeys.Add(cache, registered);
        }

        keys = registered;
    }

    /// <summary>The graph and buffers of a unit in a slot, with its keys.</summary>
    public PilotBinding Bound(int unit, int slot, int rung)
    {
        int graph = graphOfUnit[(unit * rungs.Length) + rung];
        PilotBinding binding = bindings[(graph * Slots) + slot];
        PilotUnit u = units[unit];
        for (int head = 0; head < u.KvHeads; head++)
        {
            binding.BindKeys(head, keys[(graph * call.KvHeads) + u.KvHead + head]);
        }

        return binding;
    }

    /// <summary>Lets go of a cache's keys; nothing may be under way.</summary>
    public void Forget(KvCache cache)
    {
        if (cacheKeys.Remove(cache, out QnnMemory[]? registered))
        {
            Array.ForEach(bindings, b => b.ReleaseKeys());
            Array.ForEach(registered, r => r.Dispose());
            keys = [];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (cacheKeys.Count > 0)
        {
            Array.ForEach(bindings, b => b.ReleaseKeys());
        }

        foreach (QnnMemory[] registered in cacheKeys.Values)
        {
            Array.ForEach(registered, r => r.Dispose());
        }

        cacheKeys.Clear();
        owned.Dispose();
    }

    private PilotGraph Graph(int unit, int rung) => graphs[graphOfUnit[(unit * rungs.Length) + rung]];

    private PilotGraphSpec Spec(PilotUnit unit, int rung)
    {
        int block = unit.FirstQuery / shape.BlockQueries;
        PilotGraphSpec spec = scales is { } paper
            ? new PilotGraphSpec(shape.Rows, shape.KeysOfBlock(block), call.Dim, paper.Query[unit.KvHead], paper.Key[unit.KvHead], paper.Output[unit.KvHead])
            : shape.UniversalSpec(block) with { Heads = unit.KvHeads };
        return rung > 0 ? spec with { Keys = rung } : spec;
    }

    private PilotBucketUse[] Uses(int rung) =>
    [
        .. units.Select((_, i) => SpecOf(i, rung)).GroupBy(s => s).Select(g => new PilotBucketUse(
            g.Key.Rows, g.Key.Keys, g.Key.QueryScale, g.Key.KeyScale, g.Key.OutputScale, g.Count()) { KvHeads = g.Key.Heads }),
    ];

    private PilotBinding Bind(PilotGraph graph, int slot)
    {
        Range ofSlot = (slot * headRoom)..((slot + 1) * headRoom);
        return graph.Bind(memory, q8.AsSpan(ofSlot), scores.AsSpan(ofSlot));
    }

    private QnnMemory[] RegisterCache(KvCache cache)
    {
        List<QnnMemory> registered = [];
        try
        {
            for (int i = 0; i < graphs.Length * call.KvHeads; i++)
            {
                registered.Add(graphs[i / call.KvHeads].RegisterKeys(memory, cache.Tables.K8Buffer(i % call.KvHeads)));
            }
        }
        catch
        {
            registered.ForEach(r => r.Dispose());
            throw;
        }

        return [.. registered];
    }
}
