using System.Diagnostics;
using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>The attention of all layers by one <see cref="ShadowAttention"/> over a <see cref="KvCache"/> per layer: a step costs what is new.</summary>
public sealed class CachedAttention : ILayerAttention
{
    private readonly ShadowAttention attention;
    private readonly KvCache[] caches;

    /// <summary>An attention without tokens.</summary>
    /// <param name="backend">For the modes that need one.</param>
    /// <param name="options">The same for all layers; a mode that takes a cache.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="tokens">The most tokens that a layer can hold.</param>
    /// <param name="format">How keys and values are stored.</param>
    /// <param name="pilot">How pilot graphs are prepared; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is wrong, or the mode takes no cache.</exception>
    public CachedAttention(QnnBackend? backend, AttentionOptions options, int layers, int tokens, KvFormat format = KvFormat.F32, PilotOptions? pilot = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        attention = new ShadowAttention(backend, options, pilot);
        caches = new KvCache[layers];
        try
        {
            for (int i = 0; i < layers; i++)
            {
                caches[i] = attention.CreateCache(tokens, format);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Wall time in the operator and the caches so far.</summary>
    public double Milliseconds { get; private set; }

    /// <inheritdoc/>
    public void Attend(int layer, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o)
    {
        long start = Stopwatch.GetTimestamp();
        caches[layer].Append(k, v);
        attention.Compute(q, caches[layer], o);
        Milliseconds += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (KvCache? cache in caches)
        {
            cache?.Dispose();
        }

        attention.Dispose();
    }
}
