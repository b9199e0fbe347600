using ShadowAttn.Cli.Bench;
using ShadowAttn.Attention;
using ShadowAttn.Memory;

namespace ShadowAttn.Bench.Peers;

/// <summary>This project's operator in one of its modes.</summary>
public sealed class ShadowAttentionPeer : IAttentionPeer
{
    private readonly ShadowAttention attention;
    private readonly UnmanagedBuffer q;
    private readonly UnmanagedBuffer k;
    private readonly UnmanagedBuffer v;
    private readonly UnmanagedBuffer o;
    private readonly AttentionShape shape;

    /// <summary>Sets the operator up and copies the data into unmanaged memory.</summary>
    /// <param name="mode">A mode that needs no QNN backend.</param>
    /// <param name="keep">How many keys a row keeps.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="data">Q, K and V.</param>
    /// <param name="threads">CPU threads.</param>
    public ShadowAttentionPeer(AttentionMode mode, KeepRatio keep, AttentionShape shape, AttentionData data, int threads)
    {
        this.shape = shape;
        Exact = mode == AttentionMode.Dense;
        Name = mode switch
        {
            AttentionMode.Dense => "dense",
            AttentionMode.ShadowCpu => $"shadow-cpu, keep {keep}",
            _ => throw new ArgumentOutOfRangeException(nameof(mode)),
        };
        attention = new ShadowAttention(null, new AttentionOptions
        {
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            Mode = mode,
            Keep = keep,
            Causal = shape.Causal,
            Scale = shape.Scale,
            Threads = threads,
        });
        q = Copy(data.Queries);
        k = Copy(data.Keys);
        v = Copy(data.Values);
        o = UnmanagedBuffer.Allocate((long)shape.QueryLength * sizeof(float));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool Exact { get; }

    /// <inheritdoc/>
    public void Compute() => attention.Compute(
        q.View<float>(shape.Heads, shape.Queries, shape.HeadDim),
        k.View<float>(shape.KvHeads, shape.Keys, shape.HeadDim),
        v.View<float>(shape.KvHeads, shape.Keys, shape.HeadDim),
        o.View<float>(shape.Heads, shape.Queries, shape.HeadDim));

    /// <inheritdoc/>
    public void CopyOutput(Span<float> output) => o.AsSpan<float>().CopyTo(output);

    /// <inheritdoc/>
    public void Dispose()
    {
        attention.Dispose();
        q.Dispose();
        k.Dispose();
        v.Dispose();
        o.Dispose();
    }

    private static UnmanagedBuffer Copy(float[] source)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)source.Length * sizeof(float));
        source.CopyTo(buffer.AsSpan<float>());
        return buffer;
    }
}
