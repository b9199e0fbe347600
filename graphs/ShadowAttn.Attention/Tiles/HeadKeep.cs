namespace ShadowAttn.Attention;

/// <summary>How many keys the rows of each head keep: the options' ratio, or a share of its own for every head.</summary>
internal sealed class HeadKeep
{
    private readonly KeepRatio[] ratios;

    public HeadKeep(AttentionOptions options)
    {
        ratios = new KeepRatio[options.Heads];
        for (int head = 0; head < ratios.Length; head++)
        {
            ratios[head] = options.KeepPerHead.IsEmpty ? options.Keep : KeepRatio.Share(options.KeepPerHead.Span[head]);
        }

        MinKeys = options.MinKeys;
        IsMass = options.Keep.IsMass;
        Mass = options.Keep.Value;
    }

    /// <summary>A row keeps at least so many keys.</summary>
    public int MinKeys { get; }

    /// <summary>Whether the ratio is a share of the mass, the same for all heads.</summary>
    public bool IsMass { get; }

    /// <summary>The share of the mass where <see cref="IsMass"/>.</summary>
    public double Mass { get; }

    /// <summary>Keys that a row of a head keeps when it sees so many.</summary>
    public int Count(int head, int seen) => ratios[head].Count(seen, MinKeys);
}
