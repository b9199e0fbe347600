namespace ShadowAttn.Attention;

/// <summary>How the queries of a call are cut into blocks and tiles.</summary>
internal static class QueryBlock
{
    /// <summary>Rows that a worker takes at a time: a multiple of every score kernel's row tile, and of two for pairs of rows.</summary>
    public const int TileRows = 48;

    /// <summary>
    /// Heads of a group that share a tile: where a head has few queries, so that keys which neighbours keep are loaded once; not so many that a
    /// worker has nothing to do.
    /// </summary>
    public static int HeadsPerTile(int queries, int group, int kvHeads, int threads) =>
        Math.Clamp(((group * kvHeads) + threads - 1) / threads, 1, Math.Clamp(TileRows / 2 / queries, 1, group));

    /// <summary>Number of parts of so many queries.</summary>
    public static int Count(int queries, int size) => (queries + size - 1) / size;
}
