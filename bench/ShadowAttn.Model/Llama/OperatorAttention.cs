using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>
/// The attention of all layers by <see cref="ShadowAttention"/> over whole tensors: an operator per different set of options, keys and values of every
/// layer beside each other in memory.
/// </summary>
public sealed class OperatorAttention : IMeasuredAttention
{
    private readonly LayerOperators operators;
    private readonly UnmanagedBuffer keys;
    private readonly UnmanagedBuffer values;
    private readonly int[] lengths;
    private readonly int kvHeads;
    private readonly int capacity;
    private readonly int dim;

    /// <summary>An attention without tokens.</summary>
    /// <param name="backend">For the modes that need one.</param>
    /// <param name="layers">The options of every layer; heads and dims are the same.</param>
    /// <param name="tokens">The most tokens that a layer can hold.</param>
    /// <param name="pilot">How pilot graphs are prepared; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no layer or no token, or an option is wrong.</exception>
    public OperatorAttention(QnnBackend? backend, IReadOnlyList<AttentionOptions> layers, int tokens, PilotOptions? pilot = null)
    {
        ArgumentNullException.ThrowIfNull(layers);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers.Count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        (kvHeads, dim, capacity) = (layers[0].KvHeads, layers[0].HeadDim, tokens);
        lengths = new int[layers.Count];
        operators = new LayerOperators(backend, layers, pilot);
        try
        {
            keys = UnmanagedBuffer.Allocate(LayerBytes * layers.Count);
            values = UnmanagedBuffer.Allocate(LayerBytes * layers.Count);
        }
        catch
        {
            operators.Dispose();
            keys?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long KeptKeys { get; private set; }

    /// <inheritdoc/>
    public long VisibleKeys { get; private set; }

    /// <inheritdoc/>
    public double Milliseconds { get; private set; }

    /// <summary>How the pilot graphs so far came about.</summary>
    public PilotPreparation Preparation => operators[0].Preparation;

    private long LayerBytes => (long)kvHeads * capacity * dim * sizeof(float);

    /// <inheritdoc/>
    public void Attend(int layer, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o)
    {
        int before = lengths[layer];
        int added = k.Length(1);
        if (added > capacity - before)
        {
            throw new InvalidOperationException($"{before} tokens are there and {added} come, but the capacity is {capacity}");
        }

        TensorView<float> layerKeys = Append(keys, layer, k, before);
        TensorView<float> layerValues = Append(values, layer, v, before);
        lengths[layer] = before + added;
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        AttentionReport report = operators[layer].Compute(q, layerKeys, layerValues, o);
        Milliseconds += System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        KeptKeys += report.KeptKeys;
        VisibleKeys += report.VisibleKeys;
    }

    /// <summary>Forgets all tokens.</summary>
    public void Clear() => Array.Clear(lengths);

    /// <inheritdoc/>
    public void Dispose()
    {
        operators.Dispose();
        keys.Dispose();
        values.Dispose();
    }

    private unsafe TensorView<float> Append(UnmanagedBuffer buffer, int layer, in TensorView<float> source, int before)
    {
        TensorView<float> all = buffer.ViewAt<float>(LayerBytes * layer, kvHeads, capacity, dim);
        for (int head = 0; head < kvHeads; head++)
        {
            for (int row = 0; row < source.Length(1); row++)
            {
                new ReadOnlySpan<float>(source.RowPointer(head, row), dim).CopyTo(new Span<float>(all.RowPointer(head, before + row), dim));
            }
        }

        return all.Slice(1, 0, before + source.Length(1));
    }
}
