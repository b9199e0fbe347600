using System.Diagnostics;
using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>The attention of all layers by <see cref="ShadowAttention"/> over a <see cref="KvCache"/> per layer: a step costs what is new.</summary>
public sealed class CachedAttention : IMeasuredAttention
{
    private readonly LayerOperators operators;
    private readonly KvCache[] caches;

    /// <summary>An attention without tokens.</summary>
    /// <param name="backend">For the modes that need one.</param>
    /// <param name="layers">The options of every layer, of modes that take a cache; heads and dims are the same.</param>
    /// <param name="tokens">The most tokens that a layer can hold.</param>
    /// <param name="format">How keys and values are stored.</param>
    /// <param name="pilot">How pilot graphs are prepared; null for the defaults.</param>
    /// <param name="calibration">Has what each layer's keys are like; null to take it from the first tokens.</param>
    /// <exception cref="ArgumentException">There is no layer or no token, an option is wrong, or a mode takes no cache.</exception>
    public CachedAttention(
        QnnBackend? backend,
        IReadOnlyList<AttentionOptions> layers,
        int tokens,
        KvFormat format = KvFormat.F32,
        PilotOptions? pilot = null,
        CalibrationProfile? calibration = null)
    {
        operators = new LayerOperators(backend, layers, pilot);
        caches = new KvCache[operators.Count];
        try
        {
            for (int i = 0; i < caches.Length; i++)
            {
                caches[i] = operators[i].CreateCache(tokens, format, calibration?.Find(i)?.Statistics());
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long KeptKeys { get; private set; }

    /// <inheritdoc/>
    public long VisibleKeys { get; private set; }

    /// <inheritdoc/>
    public double Milliseconds { get; private set; }

    /// <inheritdoc/>
    public void Attend(int layer, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o)
    {
        long start = Stopwatch.GetTimestamp();
        caches[layer].Append(k, v);
        AttentionReport report = operators[layer].Compute(q, caches[layer], o);
        Milliseconds += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        KeptKeys += report.KeptKeys;
        VisibleKeys += report.VisibleKeys;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (KvCache? cache in caches)
        {
            cache?.Dispose();
        }

        operators.Dispose();
    }
}
