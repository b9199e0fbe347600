namespace ShadowAttn.Attention;

/// <summary>A key that lies beyond the scale of its head: its k8 is in steps 2^<see cref="Shift"/> times as large, and so are its scores.</summary>
/// <param name="Key">The key.</param>
/// <param name="Shift">At least 1.</param>
internal readonly record struct KeyOutlier(int Key, int Shift);

/// <summary>What tiles read about the keys of a call besides the keys themselves: the quantised copy, its statistics, sums of the values.</summary>
internal abstract unsafe class KeyTables
{
    /// <summary>Keys between two stored prefix sums of the values.</summary>
    public const int ValueBlock = 64;

    /// <summary>[kvHeads, dim]: what was subtracted from the channels before quantising.</summary>
    public float* Mean { get; protected init; }

    /// <summary>[kvHeads, dim]: mean over keys of k8².</summary>
    public float* Power { get; protected init; }

    /// <summary>[kvHeads]: what one step of k8 means.</summary>
    public float* KeyScale { get; protected init; }

    /// <summary>The quantised keys of one KV head, [keys, dim].</summary>
    public abstract sbyte* K8(int kvHead);

    /// <summary>The keys of one KV head as the CPU's score kernel wants them.</summary>
    public abstract byte* Packed(int kvHead);

    /// <summary>Σ of the first block·<see cref="ValueBlock"/> values of a KV head, [dim].</summary>
    public abstract double* ValuePrefix(int kvHead, int block);

    /// <summary>[keys]: the norm of each key's quantisation residual; null unless asked for.</summary>
    public virtual float* Residuals(int kvHead) => null;

    /// <summary>[keys]: the norm of each quantised key in its own units; null unless asked for.</summary>
    public virtual float* Norms(int kvHead) => null;

    /// <summary>The keys of one KV head that lie beyond its scale, ascending.</summary>
    public virtual ReadOnlySpan<KeyOutlier> Outliers(int kvHead) => [];
}
