namespace ShadowAttn.Attention;

/// <summary>Where the softmax mass of a head's rows lies; means over the rows that see at least <see cref="LeastKeys"/> keys.</summary>
/// <param name="NegligibleShare">Share of the visible keys whose weight is below 1/(10·visible).</param>
/// <param name="SinkMass">Mass of the first <see cref="SinkKeys"/> keys.</param>
/// <param name="LocalMass">Mass of the last <see cref="LocalKeys"/> visible keys.</param>
/// <param name="EffectiveKeys">exp of the entropy of a row's weights: how many equal keys would be as spread.</param>
public readonly record struct HeadFigures(double NegligibleShare, double SinkMass, double LocalMass, double EffectiveKeys)
{
    /// <summary>Keys at the start that <see cref="SinkMass"/> is of.</summary>
    public const int SinkKeys = 4;

    /// <summary>Keys up to the query's own that <see cref="LocalMass"/> is of.</summary>
    public const int LocalKeys = 64;

    /// <summary>Rows that see fewer keys say little about sparsity.</summary>
    public const int LeastKeys = 32;

    internal static HeadFigures Mean(HeadFigures[] figures) => new(
        figures.Average(f => f.NegligibleShare), figures.Average(f => f.SinkMass), figures.Average(f => f.LocalMass), figures.Average(f => f.EffectiveKeys));
}
