using System.Globalization;
using Spectre.Console;

namespace ShadowAttn.Cli.Bench.Reports;

/// <summary>A report for a person.</summary>
internal static class BenchTable
{
    public static void Write(IAnsiConsole console, BenchReport report)
    {
        WriteMachine(console, report.Machine);
        Table table = NewTable("benchmark", "isa", "shape", "#threads", "#min", "#median", "#spread", "#rate", "#per element", "#of peak");
        foreach (BenchResult r in report.Results)
        {
            string options = string.Concat(
                r.Kv is null ? "" : $" kv={r.Kv}", r.Keep is null ? "" : $" keep={r.Keep}", r.Tail is null ? "" : $" tail={r.Tail}");
            table.AddRow(
                new Text($"{r.Operator}.{r.Function}"),
                new Text(r.Isa),
                new Text(r.Shape + options),
                new Text(r.Threads.ToString(CultureInfo.InvariantCulture)),
                new Text(Time(r.MinNs)),
                new Text(Time(r.MedianNs)),
                new Text(r.Samples > 1 ? Percent(r.Spread) : ""),
                new Text(Rate(r)),
                new Text(r.NsPerElement is { } ns ? $"{Number(ns)} ns/{r.Element}" : ""),
                new Text(r.PeakShare is { } share ? $"{Percent(share)} {r.Peak}" : ""));
        }

        console.Write(table);
    }

    /// <summary>The machine and its peaks, in a line per number of threads.</summary>
    public static void WriteMachine(IAnsiConsole console, MachineReport machine)
    {
        console.WriteLine($"{machine.Cpu}, {machine.Architecture}, {machine.Cores} cores, kernels {machine.Isa}; {machine.Runtime}");
        WritePeaks(console, machine);
    }

    /// <summary>A time with three digits and the unit that fits.</summary>
    public static string Time(double ns) => ns switch
    {
        < 1e3 => $"{Number(ns)} ns",
        < 1e6 => $"{Number(ns / 1e3)} µs",
        < 1e9 => $"{Number(ns / 1e6)} ms",
        _ => $"{Number(ns / 1e9)} s",
    };

    public static string Percent(double share) => share.ToString("P1", CultureInfo.InvariantCulture);

    /// <summary>A table; columns whose name starts with # are numbers.</summary>
    public static Table NewTable(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            bool number = column.StartsWith('#');
            var header = new TableColumn(new Text(number ? column[1..] : column)).NoWrap();
            table.AddColumn(number ? header.RightAligned() : header);
        }

        return table;
    }

    private static void WritePeaks(IAnsiConsole console, MachineReport machine)
    {
        if (machine.Peaks.Count == 0)
        {
            return;
        }

        foreach (IGrouping<int, PeakReport> threads in machine.Peaks.GroupBy(p => p.Threads))
        {
            IEnumerable<string> arithmetic = threads.Where(p => p.Level is null)
                .Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Name} {p.Isa} {p.Gmacs:F0} GMAC/s"));
            IEnumerable<string> memory = threads.Where(p => p.Level is not null && p.Kib is not null).GroupBy(p => p.Level).Select(level =>
                string.Create(CultureInfo.InvariantCulture, $"{level.Key} {Best(level, "read"):F0} / {Best(level, "copy"):F0}"));
            string bandwidths = threads.Any(p => p.Name == "read") ? $"; read / copy {string.Join(", ", memory)} GB/s" : "";
            console.WriteLine($"peaks of {threads.Key} thread{(threads.Key == 1 ? "" : "s")}: {string.Join(", ", arithmetic)}{bandwidths}");
        }
    }

    // The level's own probe comes first; those for the working sets of benchmarks follow.
    private static double Best(IEnumerable<PeakReport> peaks, string name) =>
        peaks.Where(p => p.Name == name).GroupBy(p => p.Kib).FirstOrDefault()?.Max(p => p.Gbs) ?? 0;

    private static string Rate(BenchResult r)
    {
        if (r.Gflops is { } gflops)
        {
            return $"{Number(gflops)} GFLOP/s";
        }

        return r.Gmacs is { } gmacs ? $"{Number(gmacs)} GMAC/s" : r.Gbs is { } gbs ? $"{Number(gbs)} GB/s" : "";
    }

    private static string Number(double value) => value.ToString(
        value switch { >= 100 => "F0", >= 10 => "F1", >= 1 => "F2", >= 0.1 => "F3", _ => "F4" }, CultureInfo.InvariantCulture);
}
