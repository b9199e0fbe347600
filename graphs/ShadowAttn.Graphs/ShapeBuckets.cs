using System.Numerics;

namespace ShadowAttn.Graphs;

/// <summary>
/// The shapes that pilot graphs are composed for. A graph's shape is fixed when it is finalised, so a call's rows and keys are padded up to the
/// next bucket: four buckets per power of two, at most a fifth of the work is padding.
/// </summary>
public static class ShapeBuckets
{
    /// <summary>The fewest keys of a graph.</summary>
    public const int MinKeys = 64;

    /// <summary>The most queries per head of a graph.</summary>
    public const int MaxQueries = 256;

    /// <summary>The smallest bucket that holds so many keys.</summary>
    /// <param name="keys">Visible keys, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not positive, or beyond 2^30.</exception>
    public static int Keys(int keys)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keys, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keys, 1 << 30);
        int step = Math.Max(MinKeys, 1 << Math.Max(BitOperations.Log2((uint)Math.Max(keys - 1, 1)) - 2, 0));
        return (keys + step - 1) / step * step;
    }

    /// <summary>Queries per head and graph for a call: a power of two up to <see cref="MaxQueries"/>.</summary>
    /// <param name="queries">Queries of the call, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not positive.</exception>
    public static int Queries(int queries)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(queries, 1);
        return queries >= MaxQueries ? MaxQueries : (int)BitOperations.RoundUpToPowerOf2((uint)queries);
    }
}
