using System.Text.Json;
using ShadowAttn.Cli.Bench.Reports;

namespace ShadowAttn.Cli.Bench.Compare;

/// <summary>What became of a benchmark.</summary>
public enum ChangeVerdict
{
    /// <summary>Within what noise explains.</summary>
    Same,

    /// <summary>Beyond noise, and less time.</summary>
    Faster,

    /// <summary>Beyond noise, and more time.</summary>
    Slower,

    /// <summary>One of the two is a single sample, which says nothing about noise.</summary>
    Unknown,
}

/// <summary>A benchmark of both reports.</summary>
/// <param name="Id">Its name with all that makes figures comparable.</param>
/// <param name="BeforeNs">The fastest call of the first report.</param>
/// <param name="AfterNs">That of the second.</param>
/// <param name="Ratio">Second to first: above 1 is slower.</param>
/// <param name="Noise">The change that noise explains, as a share.</param>
/// <param name="Verdict">What became of it.</param>
public sealed record BenchChange(string Id, double BeforeNs, double AfterNs, double Ratio, double Noise, ChangeVerdict Verdict);

/// <summary>What changed between two reports of <c>bench --json</c>.</summary>
/// <param name="Machines">What differs between the machines, as far as it matters; empty when nothing does.</param>
/// <param name="Changes">The benchmarks of both, those of the first report's order.</param>
/// <param name="OnlyBefore">Benchmarks of the first report only.</param>
/// <param name="OnlyAfter">Benchmarks of the second report only.</param>
public sealed record BenchComparison(
    IReadOnlyList<string> Machines, IReadOnlyList<BenchChange> Changes, IReadOnlyList<string> OnlyBefore, IReadOnlyList<string> OnlyAfter)
{
    /// <summary>
    /// What the clock and the placement of code and data may change on a quiet machine: a change below it is never flagged, however small the
    /// spreads are.
    /// </summary>
    public const double LeastNoise = 0.03;

    /// <summary>Whether anything became slower beyond noise.</summary>
    public bool HasRegression => Changes.Any(c => c.Verdict == ChangeVerdict.Slower);

    /// <summary>
    /// Compares the minima. A change is beyond noise when it is larger than the root of the sum of both squared spreads, and than
    /// <see cref="LeastNoise"/>, and the medians moved the same way.
    /// </summary>
    /// <param name="before">The first report.</param>
    /// <param name="after">The second report.</param>
    public static BenchComparison Of(BenchReport before, BenchReport after)
    {
        Dictionary<string, BenchResult> second = after.Results.ToDictionary(r => r.Id);
        HashSet<string> first = [.. before.Results.Select(r => r.Id)];
        return new BenchComparison(
            [.. Differences(before.Machine, after.Machine)],
            [.. before.Results.Where(r => second.ContainsKey(r.Id)).Select(r => Change(r, second[r.Id]))],
            [.. before.Results.Select(r => r.Id).Where(id => !second.ContainsKey(id))],
            [.. after.Results.Select(r => r.Id).Where(id => !first.Contains(id))]);
    }

    /// <summary>Reads a report.</summary>
    /// <param name="path">A file that <c>bench --json</c> wrote.</param>
    /// <exception cref="InputException">It cannot be read or is something else.</exception>
    public static BenchReport Read(string path)
    {
        const string right = "it must be the output of shadowattn bench --json";
        BenchReport? report;
        try
        {
            using FileStream file = File.OpenRead(path);
            report = JsonSerializer.Deserialize(file, BenchJson.Readable.BenchReport);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException($"--compare: {path} cannot be read: {e.Message}", e);
        }
        catch (JsonException e)
        {
            throw new InputException($"--compare: {path}: {right} ({e.Message})", e);
        }

        if (report?.Machine is null || report.Results is null || report.Results.Any(r => r is null))
        {
            throw new InputException($"--compare: {path}: {right}; it has no machine or no results");
        }

        if (report.Results.FirstOrDefault(r => !(r.MinNs > 0) || !double.IsFinite(r.MinNs) || !(r.Spread >= 0)) is { } wrong)
        {
            throw new InputException($"--compare: {path}: {InputException.Quote(wrong.Id)} has no time above 0; {right}");
        }

        if (report.Results.GroupBy(r => r.Id).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw new InputException($"--compare: {path} has {InputException.Quote(twice.Key)} more than once; {right}");
        }

        return report;
    }

    private static BenchChange Change(BenchResult before, BenchResult after)
    {
        double ratio = after.MinNs / before.MinNs;
        double noise = Math.Max(LeastNoise, Math.Sqrt((before.Spread * before.Spread) + (after.Spread * after.Spread)));
        ChangeVerdict verdict = ChangeVerdict.Same;
        if (before.Samples < 2 || after.Samples < 2)
        {
            verdict = ChangeVerdict.Unknown;
        }
        else if (ratio > 1 + noise && after.MedianNs > before.MedianNs)
        {
            verdict = ChangeVerdict.Slower;
        }
        else if (1 / ratio > 1 + noise && after.MedianNs < before.MedianNs)
        {
            verdict = ChangeVerdict.Faster;
        }

        return new BenchChange(before.Id, before.MinNs, after.MinNs, ratio, noise, verdict);
    }

    private static IEnumerable<string> Differences(MachineReport before, MachineReport after)
    {
        (string Name, string Before, string After)[] facts =
        [
            ("CPU", before.Cpu, after.Cpu),
            ("architecture", before.Architecture, after.Architecture),
            ("cores", $"{before.Cores}", $"{after.Cores}"),
            ("runtime", before.Runtime, after.Runtime),
        ];
        foreach ((string name, string was, string now) in facts.Where(f => f.Before != f.After))
        {
            yield return $"{name}: {was} before, {now} after";
        }

        foreach (PeakReport peak in before.Peaks ?? [])
        {
            PeakReport? other = (after.Peaks ?? []).FirstOrDefault(p => p.Name == peak.Name && p.Isa == peak.Isa && p.Threads == peak.Threads && p.Kib == peak.Kib);
            if (peak.Gmacs is { } was && other?.Gmacs is { } now && Math.Abs((now / was) - 1) > LeastNoise + peak.Spread + other.Spread)
            {
                yield return FormattableString.Invariant($"peak {peak.Name} {peak.Isa}, {peak.Threads} threads: {was:F0} GMAC/s before, {now:F0} after");
            }
        }
    }
}
