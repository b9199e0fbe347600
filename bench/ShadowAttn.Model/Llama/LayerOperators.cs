using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;

namespace ShadowAttn.Model.Llama;

/// <summary>
/// The operators of all layers on the same threads: one per different set of options, or per layer where an operator calibrates itself on its first input.
/// </summary>
internal sealed class LayerOperators : IDisposable
{
    private readonly ShadowAttention[] operators;
    private readonly List<ShadowAttention> owned = [];
    private readonly AttentionWorkers? workers;

    /// <param name="backend">For the modes that need one.</param>
    /// <param name="layers">The options of every layer; heads and dims are the same.</param>
    /// <param name="pilot">How pilot graphs are prepared; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no layer, or an option is wrong.</exception>
    public LayerOperators(QnnBackend? backend, IReadOnlyList<AttentionOptions> layers, PilotOptions? pilot)
    {
        ArgumentNullException.ThrowIfNull(layers);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers.Count, 1);
        var made = new Dictionary<AttentionOptions, ShadowAttention>();
        operators = new ShadowAttention[layers.Count];
        try
        {
            layers[0].Validate();
            workers = layers[0].Workers is null ? new AttentionWorkers(layers[0].Threads) : null;
            for (int i = 0; i < operators.Length; i++)
            {
                bool calibrates = layers[i].Mode == AttentionMode.NpuInt8 || layers[i].Buckets == PilotBuckets.Paper;
                if (calibrates || !made.TryGetValue(layers[i], out ShadowAttention? attention))
                {
                    attention = new ShadowAttention(backend, workers is null ? layers[i] : layers[i] with { Workers = workers }, pilot);
                    owned.Add(attention);
                    made[layers[i]] = attention;
                }

                operators[i] = attention;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Count => operators.Length;

    public ShadowAttention this[int layer] => operators[layer];

    public void Dispose()
    {
        owned.ForEach(attention => attention.Dispose());
        workers?.Dispose();
    }
}
