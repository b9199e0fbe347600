namespace ShadowAttn.Attention;

/// <summary>How the queries of a call are cut into blocks and tiles.</summary>
internal static class QueryBlock
{
    /// <summary>Rows that a worker takes at a time.</summary>
    public const int TileRows = 32;

    /// <summary>Number of parts of so many queries.</summary>
    public static int Count(int queries, int size) => (queries + size - 1) / size;
}
