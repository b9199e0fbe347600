using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>Another attention, of which the queries, keys and values of chosen layers are kept, fp32, contiguous.</summary>
public sealed class CapturingAttention : ILayerAttention
{
    private readonly ILayerAttention inner;
    private readonly Dictionary<int, (UnmanagedBuffer Q, UnmanagedBuffer K, UnmanagedBuffer V)> captured = [];
    private readonly LlamaConfig config;
    private readonly int tokens;
    private readonly Dictionary<int, int> seen = [];

    /// <summary>Captures layers.</summary>
    /// <param name="inner">Computes attention; disposed with this.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="layers">The layers, each below the model's number.</param>
    /// <param name="tokens">Tokens of the whole text.</param>
    public CapturingAttention(ILayerAttention inner, LlamaConfig config, IReadOnlyCollection<int> layers, int tokens)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(layers);
        this.inner = inner;
        this.config = config;
        this.tokens = tokens;
        foreach (int layer in layers.Distinct())
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)layer, (uint)config.Layers, nameof(layers));
            captured[layer] = (Allocate(config.Heads), Allocate(config.KvHeads), Allocate(config.KvHeads));
            seen[layer] = 0;
        }
    }

    /// <summary>Queries [heads, tokens, headDim] and keys and values [kvHeads, tokens, headDim] of a chosen layer, after RoPE.</summary>
    public (TensorView<float> Q, TensorView<float> K, TensorView<float> V) Layer(int layer) =>
        (View(captured[layer].Q, config.Heads), View(captured[layer].K, config.KvHeads), View(captured[layer].V, config.KvHeads));

    /// <inheritdoc/>
    public void Attend(int layer, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o)
    {
        if (captured.TryGetValue(layer, out (UnmanagedBuffer Q, UnmanagedBuffer K, UnmanagedBuffer V) buffers))
        {
            Copy(q, View(buffers.Q, config.Heads), seen[layer]);
            Copy(k, View(buffers.K, config.KvHeads), seen[layer]);
            Copy(v, View(buffers.V, config.KvHeads), seen[layer]);
            seen[layer] += q.Length(1);
        }

        inner.Attend(layer, q, k, v, o);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((UnmanagedBuffer q, UnmanagedBuffer k, UnmanagedBuffer v) in captured.Values)
        {
            q.Dispose();
            k.Dispose();
            v.Dispose();
        }

        inner.Dispose();
    }

    private UnmanagedBuffer Allocate(int heads) => UnmanagedBuffer.Allocate((long)heads * tokens * config.HeadDim * sizeof(float));

    private TensorView<float> View(UnmanagedBuffer buffer, int heads) => buffer.View<float>(heads, tokens, config.HeadDim);

    private static unsafe void Copy(in TensorView<float> from, in TensorView<float> to, int first)
    {
        for (int head = 0; head < from.Length(0); head++)
        {
            for (int row = 0; row < from.Length(1); row++)
            {
                new ReadOnlySpan<float>(from.RowPointer(head, row), from.Length(2)).CopyTo(new Span<float>(to.RowPointer(head, first + row), from.Length(2)));
            }
        }
    }
}
