namespace ShadowAttn.Bench.Peers;

/// <summary>One implementation of attention, set up for a shape, its data and a number of threads.</summary>
public interface IAttentionPeer : IDisposable
{
    /// <summary>The name in tables and JSON.</summary>
    string Name { get; }

    /// <summary>Whether the result is exact attention but for rounding; otherwise it approximates.</summary>
    bool Exact { get; }

    /// <summary>Computes the output once; this is what is timed.</summary>
    void Compute();

    /// <summary>The output of the last <see cref="Compute"/> as fp32 [heads, queries, dim].</summary>
    /// <param name="output">Receives it.</param>
    void CopyOutput(Span<float> output);
}
