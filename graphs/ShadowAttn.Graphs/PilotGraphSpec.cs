using System.Globalization;

namespace ShadowAttn.Graphs;

/// <summary>
/// Everything that is fixed when a pilot graph is finalised: Q8 [1, 1, rows, dim] × K8 [1, 1, keys, dim]ᵀ → scores [1, 1, rows, keys], all
/// signed symmetric 8-bit. A group's queries are stacked as rows, since HTP does not broadcast heads over KV heads. One graph can do that for several KV
/// heads, each with tensors of its own: then keys are read from where each head has them, and one launch serves them all.
/// </summary>
/// <param name="Rows">Query rows: group · queries of the bucket.</param>
/// <param name="Keys">Keys of the bucket.</param>
/// <param name="Dim">Channels of a head.</param>
/// <param name="QueryScale">Encoding scale of Q8.</param>
/// <param name="KeyScale">Encoding scale of K8.</param>
/// <param name="OutputScale">Encoding scale of the scores; a power of two times the input scales makes HTP's result exact.</param>
public readonly record struct PilotGraphSpec(int Rows, int Keys, int Dim, float QueryScale, float KeyScale, float OutputScale)
{
    /// <summary>KV heads that one execution scores.</summary>
    public int Heads { get; init; } = 1;

    /// <summary>Multiply-accumulates of one execution.</summary>
    public long Macs => (long)Heads * Rows * Keys * Dim;

    /// <summary>The graph's name in its context; equal specs have equal names.</summary>
    public string Name => string.Create(
        CultureInfo.InvariantCulture,
        $"pilot{(Heads > 1 ? $"{Heads}" : string.Empty)}_r{Rows}_k{Keys}_d{Dim}_{Bits(QueryScale):x8}_{Bits(KeyScale):x8}_{Bits(OutputScale):x8}");

    /// <summary>The universal pilot's graph: scales 1, 1 and 2^shift.</summary>
    /// <param name="rows">Query rows.</param>
    /// <param name="keys">Keys.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="shift">b = ⌈log2 dim⌉.</param>
    public static PilotGraphSpec Universal(int rows, int keys, int dim, int shift) => new(rows, keys, dim, 1, 1, 1 << shift);

    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);
}
