namespace ShadowAttn.Cli.Bench.Suites;

/// <summary>A figure that the project wants to reach, and how it is got from measurements of one interleaved run.</summary>
/// <param name="Name">What is measured.</param>
/// <param name="Figure">The figure; null when what it needs was not measured, e.g. a library that this program does not have.</param>
/// <param name="Goal">The figure to reach.</param>
/// <param name="Unit">How the figure is written: <c>x</c>, <c>%</c> or <c>ns</c>.</param>
/// <param name="AtMost">Whether the goal is an upper bound.</param>
public sealed record SuiteTarget(string Name, Func<SuiteFigures, double?> Figure, double Goal, string Unit, bool AtMost = false)
{
    /// <summary>Whether a figure reaches the goal.</summary>
    public bool Reached(double figure) => AtMost ? figure <= Goal : figure >= Goal;
}

/// <summary>Benchmarks that are measured in turn, and the targets that are about them.</summary>
/// <param name="Name">What they have in common.</param>
/// <param name="Entries">The benchmarks.</param>
/// <param name="Targets">The targets.</param>
public sealed record SuiteGroup(string Name, IReadOnlyList<BenchEntry> Entries, IReadOnlyList<SuiteTarget> Targets);

/// <summary>The measurements of a group, by benchmark.</summary>
/// <param name="measured">The measurements.</param>
/// <param name="peaks">The peaks of the same run.</param>
public sealed class SuiteFigures(IReadOnlyList<BenchMeasured> measured, Peaks.PeakPlan peaks)
{
    /// <summary>The fastest call in nanoseconds; null when it was not measured.</summary>
    public double? Time(BenchEntry? entry) => Find(entry)?.Measurement.MinNs;

    /// <summary>How many times faster <paramref name="entry"/> is than <paramref name="other"/>.</summary>
    public double? SpeedUp(BenchEntry entry, BenchEntry? other) => Time(other) / Time(entry);

    /// <summary>How many times faster than the fastest of <paramref name="others"/>.</summary>
    public double? SpeedUp(BenchEntry entry, IEnumerable<BenchEntry> others) => others.Select(Time).Min() / Time(entry);

    /// <summary>How much longer <paramref name="entry"/> takes than <paramref name="other"/>, as a share of that.</summary>
    public double? Overhead(BenchEntry entry, BenchEntry other) => (Time(entry) / Time(other)) - 1;

    /// <summary>The share of the peak that bounds it.</summary>
    public double? PeakShare(BenchEntry entry) => Find(entry) is { } m && peaks.For(m) is { } peak
        ? (m.Work.Bound == WorkBound.Memory ? m.Work.Bytes : m.Work.Macs) * m.Copies / m.Measurement.MinNs / peak.PerNs
        : null;

    /// <summary>Multiply-adds per second as a multiple of the fp32 peak.</summary>
    public double? FmaPeaks(BenchEntry entry) => Find(entry) is { } m && peaks.Fma(entry.Request.Isa, entry.Request.Threads) is { } peak
        ? m.Work.Macs * m.Copies / m.Measurement.MinNs / peak.PerNs
        : null;

    /// <summary>Nanoseconds per element.</summary>
    public double? PerElement(BenchEntry entry) => Find(entry) is { } m ? m.Measurement.MinNs / m.Work.Elements : null;

    private BenchMeasured? Find(BenchEntry? entry) => entry is null ? null : measured.FirstOrDefault(m => ReferenceEquals(m.Entry, entry));
}
