using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>What a model computes for some rows at a time, one matrix beside the other.</summary>
internal sealed unsafe class Activations : IDisposable
{
    private readonly UnmanagedBuffer buffer;

    /// <summary>Reserves memory.</summary>
    /// <param name="config">The model.</param>
    /// <param name="rows">The most rows.</param>
    public Activations(LlamaConfig config, int rows)
    {
        Rows = rows;
        long queries = (long)config.Heads * config.HeadDim;
        long keys = (long)config.KvHeads * config.HeadDim;
        long perRow = (2L * config.Width) + (2 * queries) + (2 * keys) + (3L * config.FeedForwardWidth);
        buffer = UnmanagedBuffer.Allocate(perRow * rows * sizeof(float));
        float* at = (float*)buffer.Pointer;
        X = Take(ref at, config.Width);
        Normed = Take(ref at, config.Width);
        Q = Take(ref at, queries);
        O = Take(ref at, queries);
        K = Take(ref at, keys);
        V = Take(ref at, keys);
        Gate = Take(ref at, config.FeedForwardWidth);
        Up = Take(ref at, config.FeedForwardWidth);
        Exponents = Take(ref at, config.FeedForwardWidth);
    }

    /// <summary>The most rows.</summary>
    public int Rows { get; }

    /// <summary>The residual stream, [rows, width].</summary>
    public float* X { get; }

    /// <summary>Its norm, [rows, width].</summary>
    public float* Normed { get; }

    /// <summary>[rows, heads, headDim].</summary>
    public float* Q { get; }

    /// <summary>[rows, heads, headDim].</summary>
    public float* O { get; }

    /// <summary>[rows, kvHeads, headDim].</summary>
    public float* K { get; }

    /// <summary>[rows, kvHeads, headDim].</summary>
    public float* V { get; }

    /// <summary>[rows, feedForwardWidth].</summary>
    public float* Gate { get; }

    /// <summary>[rows, feedForwardWidth].</summary>
    public float* Up { get; }

    /// <summary>[rows, feedForwardWidth].</summary>
    public float* Exponents { get; }

    /// <inheritdoc/>
    public void Dispose() => buffer.Dispose();

    private float* Take(ref float* at, long width)
    {
        float* start = at;
        at += width * Rows;
        return start;
    }
}
