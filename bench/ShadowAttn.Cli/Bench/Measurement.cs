namespace ShadowAttn.Cli.Bench;

/// <summary>The samples of one benchmark, in nanoseconds of a call.</summary>
/// <param name="Calls">Calls of a sample.</param>
/// <param name="SamplesNs">The samples, in ascending order.</param>
public sealed record Measurement(long Calls, IReadOnlyList<double> SamplesNs)
{
    /// <summary>The fastest sample.</summary>
    public double MinNs => SamplesNs[0];

    /// <summary>The median sample.</summary>
    public double MedianNs => (SamplesNs[(SamplesNs.Count - 1) / 2] + SamplesNs[SamplesNs.Count / 2]) / 2;

    /// <summary>The slowest sample.</summary>
    public double MaxNs => SamplesNs[^1];

    /// <summary>How far the median is above the minimum, as a share of it: what other work on the machine and its clock add.</summary>
    public double Spread => MinNs > 0 ? (MedianNs - MinNs) / MinNs : 0;
}
