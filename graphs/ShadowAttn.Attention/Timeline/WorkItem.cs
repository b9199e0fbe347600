namespace ShadowAttn.Attention;

/// <summary>What a piece of work was about.</summary>
/// <param name="KvHead">The KV head; -1 for none in particular.</param>
/// <param name="Head">The first query head; -1 where the work is on keys, or on all heads of the KV head.</param>
/// <param name="First">The first query, or the first key where <paramref name="Head"/> is -1 and <paramref name="OfKeys"/> is set.</param>
/// <param name="Count">Number of rows from there; 0 where it says nothing.</param>
/// <param name="OfKeys">Whether <paramref name="First"/> and <paramref name="Count"/> are keys.</param>
public readonly record struct WorkItem(int KvHead, int Head, int First, int Count, bool OfKeys = false)
{
    /// <summary>Nothing in particular.</summary>
    public static WorkItem None => new(-1, -1, 0, 0);

    /// <summary>Some queries of all heads that share a KV head.</summary>
    internal static WorkItem Queries(int kvHead, int first, int count) => new(kvHead, -1, first, count);

    /// <summary>Some keys of a KV head.</summary>
    internal static WorkItem Keys(int kvHead, int first, int count) => new(kvHead, -1, first, count, OfKeys: true);
}
