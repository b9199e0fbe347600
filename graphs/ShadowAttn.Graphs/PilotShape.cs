namespace ShadowAttn.Graphs;

/// <summary>
/// The shape of a call, and the pilot graphs that follow from it: the queries are cut into blocks of one bucket size, the heads of a group are
/// stacked as rows, and each block has the smallest bucket that holds the keys which its last query sees.
/// </summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">KV heads; divides <paramref name="Heads"/>.</param>
/// <param name="Queries">Queries per head, at least 1.</param>
/// <param name="Keys">Keys per KV head; the queries are the last ones of them when causal.</param>
/// <param name="Dim">Channels of a head.</param>
/// <param name="Causal">Whether a query sees only the keys up to its own.</param>
public readonly record struct PilotShape(int Heads, int KvHeads, int Queries, int Keys, int Dim, bool Causal)
{
    /// <summary>Query heads per KV head.</summary>
    public int Group => Heads / KvHeads;

    /// <summary>Queries per head of a block; the last block may have fewer.</summary>
    public int BlockQueries => ShapeBuckets.Queries(Queries);

    /// <summary>Rows of every graph: the block's queries of all heads of a group.</summary>
    public int Rows => BlockQueries * Group;

    /// <summary>Blocks per KV head.</summary>
    public int Blocks => (Queries + BlockQueries - 1) / BlockQueries;

    /// <summary>The bucket of all keys.</summary>
    public int PaddedKeys => ShapeBuckets.Keys(Keys);

    /// <summary>Why no call has this shape; null when one can.</summary>
    public string? Problem => this switch
    {
        { Heads: < 1 } or { KvHeads: < 1 } or { Queries: < 1 } or { Keys: < 1 } or { Dim: < 1 } => "heads, KV heads, queries, keys and channels must be at least 1",
        _ when Heads % KvHeads != 0 => $"{Heads} heads are no multiple of {KvHeads} KV heads",
        { Causal: true } when Queries > Keys => $"{Queries} queries are more than the {Keys} keys whose last ones they are",
        _ => null,
    };

    /// <summary>The bucket of a block's keys.</summary>
    /// <param name="block">0 to <see cref="Blocks"/> - 1.</param>
    public int KeysOfBlock(int block)
    {
        int last = Math.Min((block + 1) * BlockQueries, Queries) - 1;
        return ShapeBuckets.Keys(Causal ? Keys - Queries + last + 1 : Keys);
    }

    /// <summary>The universal pilot's graph of a block, the same for all KV heads.</summary>
    /// <param name="block">0 to <see cref="Blocks"/> - 1.</param>
    public PilotGraphSpec UniversalSpec(int block) => PilotGraphSpec.Universal(Rows, KeysOfBlock(block), Dim, UniversalPilot.Shift(Dim));

    /// <summary>The most KV heads that a graph of so many heads can be filled with: the largest of 1, 2, 4 that is not above either.</summary>
    /// <param name="headsPerGraph">KV heads per graph that are wanted.</param>
    /// <param name="heads">KV heads that are left.</param>
    public static int HeadBucket(int headsPerGraph, int heads) => Math.Min(headsPerGraph, heads) switch
    {
        >= 4 => 4,
        >= 2 => 2,
        _ => 1,
    };

    /// <summary>The universal pilot's graphs of a call, block by block; blocks may share one.</summary>
    public PilotGraphSpec[] UniversalSpecs()
    {
        var specs = new PilotGraphSpec[Blocks];
        for (int block = 0; block < specs.Length; block++)
        {
            specs[block] = UniversalSpec(block);
        }

        return specs;
    }
}
