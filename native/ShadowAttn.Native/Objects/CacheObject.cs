using ShadowAttn.Attention;

namespace ShadowAttn.Native;

/// <summary>A cache; keeps its attention alive.</summary>
internal sealed unsafe class CacheObject(AttentionObject attention, KvCache cache) : SharedObject
{
    public override string Kind => "cache";

    public AttentionObject Attention => attention;

    public KvCache Cache => cache;

    /// <summary>The next of the attention's caches that wait for their end.</summary>
    public CacheObject? NextRetired { get; set; }

    public void Append(SaTensor* k, SaTensor* v, int keys)
    {
        KvView key = TensorArgument.Read(k, nameof(k), cache.KvHeads, keys, cache.HeadDim).View();
        KvView value = TensorArgument.Read(v, nameof(v), cache.KvHeads, keys, cache.HeadDim).View();
        attention.Enter();
        try
        {
            if (keys > cache.Capacity - cache.Count)
            {
                throw new SaException(SaStatus.Capacity, $"{keys} keys do not fit: the cache has {cache.Count} of {cache.Capacity}");
            }

            cache.Append(key, value);
        }
        finally
        {
            attention.Leave();
        }
    }

    public void Truncate(uint keys)
    {
        attention.Enter();
        try
        {
            if (keys > cache.Count)
            {
                throw SaException.Argument($"keys is {keys}; the cache has {cache.Count}");
            }

            cache.Truncate((int)keys);
        }
        finally
        {
            attention.Leave();
        }
    }

    /// <inheritdoc/>
    protected override void Destroy() => attention.Retire(this);
}

/// <summary>An attention that is ready for calls of one shape; keeps it alive.</summary>
/// <param name="attention">The attention; the plan takes over a reference.</param>
/// <param name="queries">Queries per head.</param>
/// <param name="keys">Keys, or the capacity of a cache.</param>
/// <param name="cached">Whether keys and values come from a cache.</param>
internal sealed class PlanObject(AttentionObject attention, int queries, int keys, bool cached) : SharedObject
{
    public override string Kind => "plan";

    public AttentionObject Attention => attention;

    public int Queries => queries;

    public int Keys => keys;

    public bool Cached => cached;

    /// <inheritdoc/>
    protected override void Destroy() => attention.Release();
}
