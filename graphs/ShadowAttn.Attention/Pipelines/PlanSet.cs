namespace ShadowAttn.Attention;

/// <summary>What a plan is for: calls of one shape, on the caller's tensors or on caches of one capacity.</summary>
/// <param name="Queries">Queries per head.</param>
/// <param name="Keys">Keys of the call, or the capacity of its cache.</param>
/// <param name="Cached">Whether keys and values come from a cache.</param>
internal readonly record struct PlanShape(int Queries, int Keys, bool Cached);

/// <summary>The plans that an operator has made, the last used first; the least recently used one makes room for a new one.</summary>
internal sealed class PlanSet(int capacity) : IDisposable
{
    private readonly (PlanShape Shape, IAttentionPipeline Pipeline)[] plans = new (PlanShape, IAttentionPipeline)[capacity];

    /// <summary>Number of plans.</summary>
    public int Count { get; private set; }

    /// <summary>The last used plan; null when there is none.</summary>
    public IAttentionPipeline? Newest => Count > 0 ? plans[0].Pipeline : null;

    /// <summary>The plan for a shape, which becomes the last used one; null when there is none.</summary>
    public IAttentionPipeline? Find(PlanShape shape)
    {
        for (int i = 0; i < Count; i++)
        {
            if (plans[i].Shape == shape)
            {
                (PlanShape, IAttentionPipeline Pipeline) found = plans[i];
                Array.Copy(plans, 0, plans, 1, i);
                plans[0] = found;
                return found.Pipeline;
            }
        }

        return null;
    }

    /// <summary>Disposes the least recently used plan when there is no room for one more.</summary>
    public void MakeRoom()
    {
        if (Count == capacity)
        {
            Count--;
            plans[Count].Pipeline.Dispose();
            plans[Count] = default;
        }
    }

    /// <summary>Adds a plan; there must be room.</summary>
    public void Add(PlanShape shape, IAttentionPipeline pipeline)
    {
        Array.Copy(plans, 0, plans, 1, Count);
        plans[0] = (shape, pipeline);
        Count++;
    }

    /// <summary>Lets every plan forget a cache that is going to be disposed.</summary>
    public void Forget(KvCache cache)
    {
        for (int i = 0; i < Count; i++)
        {
            plans[i].Pipeline.Forget(cache);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (Count > 0)
        {
            Count--;
            plans[Count].Pipeline.Dispose();
        }
    }
}
