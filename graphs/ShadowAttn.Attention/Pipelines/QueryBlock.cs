namespace ShadowAttn.Attention;

/// <summary>How the queries of a call are cut into blocks and tiles.</summary>
internal static class QueryBlock
{
    /// <summary>Rows that a worker takes at a time: a multiple of every score kernel's row tile, and of two for pairs of rows.</summary>
    public const int TileRows = 48;

    /// <summary>Number of parts of so many queries.</summary>
    public static int Count(int queries, int size) => (queries + size - 1) / size;
}
