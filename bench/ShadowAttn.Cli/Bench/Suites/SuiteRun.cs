using System.Globalization;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Bench.Reports;
using Spectre.Console;

namespace ShadowAttn.Cli.Bench.Suites;

/// <summary>A target's figure.</summary>
/// <param name="Group">The group that it was measured in.</param>
/// <param name="Name">What is measured.</param>
/// <param name="Figure">The figure; null when it was not measured.</param>
/// <param name="Goal">The figure to reach.</param>
/// <param name="Unit"><c>x</c> and <c>%</c> are shares, <c>ns</c> nanoseconds.</param>
/// <param name="AtMost">Whether the goal is an upper bound.</param>
/// <param name="Reached">Whether it is reached; null when it was not measured.</param>
/// <param name="GroupSpread">The largest spread of the group's benchmarks: what the figure is worth.</param>
public sealed record TargetReport(string Group, string Name, double? Figure, double Goal, string Unit, bool AtMost, bool? Reached, double GroupSpread);

/// <summary>Runs the groups of a suite.</summary>
internal static class SuiteRun
{
    /// <summary>Measures group by group and reports all figures together.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="timing">How long to measure each benchmark.</param>
    /// <param name="progress">Receives what is being done, how far and of how much.</param>
    public static BenchReport Measure(IReadOnlyList<SuiteGroup> groups, BenchTiming timing, Action<string, long, long> progress)
    {
        var results = new List<BenchResult>();
        var targets = new List<TargetReport>();
        var peaks = new List<PeakReport>();
        MachineReport? machine = null;
        for (int i = 0; i < groups.Count; i++)
        {
            SuiteGroup group = groups[i];
            var plan = new PeakPlan(CacheSizes.Current, group.Entries.Select(e => e.Request), arithmeticOnly: i > 0);
            var runner = new BenchRunner(timing, (stage, done, total) => progress($"{i + 1} of {groups.Count}, {group.Name}: {stage}", done, total));
            IReadOnlyList<BenchMeasured> measured = runner.Run(group.Entries, plan);
            BenchReport report = BenchReportBuilder.Build(measured, plan);
            machine ??= report.Machine;
            results.AddRange(report.Results);
            peaks.AddRange(report.Machine.Peaks.Where(p => !peaks.Exists(q => q.Name == p.Name && q.Isa == p.Isa && q.Threads == p.Threads && q.Kib == p.Kib)));
            var figures = new SuiteFigures(measured, plan);
            double spread = measured.Max(m => m.Measurement.Spread);
            targets.AddRange(group.Targets.Select(t => Report(group, t, figures, spread)));
        }

        return new BenchReport(machine! with { Peaks = peaks }, results) { Targets = targets };
    }

    /// <summary>The targets as a table.</summary>
    public static void Write(IAnsiConsole console, BenchReport report)
    {
        BenchTable.WriteMachine(console, report.Machine);
        foreach (IGrouping<string, TargetReport> group in report.Targets!.GroupBy(t => t.Group))
        {
            console.WriteLine();
            console.WriteLine($"{group.Key}; spread up to {BenchTable.Percent(group.First().GroupSpread)}");
            Table table = BenchTable.NewTable("target", "#figure", "#goal", "reached");
            foreach (TargetReport target in group)
            {
                table.AddRow(
                    new Text(target.Name),
                    new Text(target.Figure is { } figure ? Text(figure, target.Unit) : ""),
                    new Text($"{(target.AtMost ? "≤" : "≥")} {Text(target.Goal, target.Unit)}"),
                    new Text(target.Reached switch { true => "yes", false => "NO", null => "not measured: this program has no such peer" }));
            }

            console.Write(table);
        }

        console.WriteLine(
            $"{report.Targets!.Count(t => t.Reached == true)} reached, {report.Targets!.Count(t => t.Reached == false)} not, "
            + $"{report.Targets!.Count(t => t.Reached is null)} not measured");
    }

    private static TargetReport Report(SuiteGroup group, SuiteTarget target, SuiteFigures figures, double spread)
    {
        double? figure = target.Figure(figures);
        bool? reached = figure is { } value ? target.Reached(value) : null;
        return new TargetReport(group.Name, target.Name, figure, target.Goal, target.Unit, target.AtMost, reached, spread);
    }

    private static string Text(double value, string unit) => unit switch
    {
        "%" => value.ToString("P1", CultureInfo.InvariantCulture),
        "x" => string.Create(CultureInfo.InvariantCulture, $"{value:F2} x"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{value:F4} {unit}"),
    };
}
