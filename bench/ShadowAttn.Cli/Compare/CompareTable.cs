using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli.Run;
using Spectre.Console;

namespace ShadowAttn.Cli.Compare;

/// <summary>The table of <c>compare</c>: a column per mode.</summary>
internal static class CompareTable
{
    /// <summary>The order of operators in the table; what a mode does not have stays empty.</summary>
    private static readonly string[] s_operators =
    [
        "quantize", "pack", "pilot", "estimate", "select", "list", "tail", "gather", "attention", "dequantize",
    ];

    /// <summary>Operators that find out which keys matter.</summary>
    private static readonly string[] s_estimate = ["pilot", "estimate"];

    public static void Write(IAnsiConsole console, IReadOnlyList<RunReport> reports)
    {
        RunReport first = reports[0];
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"{first.Heads} heads over {first.KvHeads} KV heads, dim {first.HeadDim}, {first.Queries} x {first.Keys}{(first.Causal ? " causal" : string.Empty)}, keep {first.Keep}, min keys {first.MinKeys}, tail {first.Tail}, {first.Threads} threads, median of {first.Repeat}");
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn("ms");
        foreach (RunReport report in reports)
        {
            table.AddColumn(new TableColumn(report.Mode).RightAligned());
        }

        foreach (string name in s_operators)
        {
            if (reports.Any(r => Find(r, name) is not null))
            {
                AddRow(table, reports, name, r => Find(r, name) is { } o ? Ms(o.Ms) + (o.Device == "npu" ? " npu" : string.Empty) : string.Empty);
            }
        }

        AddRow(table, reports, "total", r => Ms(r.TotalMs));
        table.AddEmptyRow();
        AddRow(table, reports, "share of the estimate", r => EstimateShare(r) is { } share ? Percent(share) : string.Empty);
        AddRow(table, reports, "kept keys", r => Percent((double)r.KeptKeys / r.VisibleKeys));
        AddRow(table, reports, "captured mass", r => Number(r.CapturedMass.Mean, "F4"));
        AddRow(table, reports, "its worst head", r => Number(r.CapturedMass.WorstHead, "F4"));
        AddRow(table, reports, "recall", r => Number(r.Recall, "F4"));
        AddRow(table, reports, "relative L2 error", r => Number(r.RelL2Error, "G3"));
        AddRow(table, reports, "largest error", r => Number(r.MaxAbsError, "G3"));
        console.Write(table);
    }

    public static void WriteJson(TextWriter writer, RunReport[] reports) =>
        writer.WriteLine(JsonSerializer.Serialize(reports, RunJsonContext.Default.RunReportArray));

    /// <summary>The estimate's part of the operators' time; null where there is no estimate.</summary>
    private static double? EstimateShare(RunReport report) =>
        s_estimate.Select(name => Find(report, name)).FirstOrDefault(o => o is not null)?.Share;

    private static OperatorReport? Find(RunReport report, string name) => Array.Find(report.Operators, o => o.Name == name);

    private static void AddRow(Table table, IReadOnlyList<RunReport> reports, string name, Func<RunReport, string> cell) =>
        table.AddRow([name, .. reports.Select(cell)]);

    private static string Ms(double value) => value.ToString("F2", CultureInfo.InvariantCulture);

    private static string Percent(double value) => value.ToString("P1", CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
