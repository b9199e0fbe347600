using System.Globalization;
using System.Text.Json;
using ShadowAttn.Attention;
using Spectre.Console;

namespace ShadowAttn.Cli.Analyze;

/// <summary>The tables of <c>analyze</c>: per trace its heads and its KV heads.</summary>
internal static class AnalyzeTable
{
    /// <summary>The share of keys that the paper keeps, in steps of the curve.</summary>
    public const int PaperStep = MassCurves.Steps / 5;

    public static void WriteJson(TextWriter writer, AnalyzeReport report) =>
        writer.WriteLine(JsonSerializer.Serialize(report, AnalyzeJsonContext.Default.AnalyzeReport));

    public static void Write(IAnsiConsole console, AnalyzeReport report)
    {
        foreach (AnalyzedTrace trace in report.Traces)
        {
            WriteHeads(console, trace);
            WriteKeys(console, trace);
        }

        if (report.Traces.Length > 1)
        {
            WriteTraces(console, report);
        }

        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"Negligible: a weight below 1/(10·visible). The paper says more than 80 % of the scores are; here {Percent(report.Mean.NegligibleShare)} in the mean.");
        if (report.Output is { } output)
        {
            console.WriteLine(output);
        }
    }

    /// <summary>What a trace is called where there are several.</summary>
    public static string Name(AnalyzedTrace trace) =>
        Path.GetFileNameWithoutExtension(trace.Input) + (trace.Layer is { } layer ? string.Create(CultureInfo.InvariantCulture, $", layer {layer}") : string.Empty);

    private static void WriteHeads(IAnsiConsole console, AnalyzedTrace trace)
    {
        Table table = Figures("head", string.Create(
            CultureInfo.InvariantCulture,
            $"{Name(trace)}: {trace.Heads} heads, {trace.Queries} x {trace.Keys}{(trace.Causal ? " causal" : string.Empty)}, means over {trace.Rows} rows"));
        foreach (AnalyzedHead head in trace.PerHead)
        {
            AddRow(table, head.Head!.Value.ToString(CultureInfo.InvariantCulture), head);
        }

        table.AddEmptyRow();
        AddRow(table, "mean", trace.Mean);
        console.Write(table);
    }

    private static void WriteTraces(IAnsiConsole console, AnalyzeReport report)
    {
        Table table = Figures("trace", "all traces");
        foreach (AnalyzedTrace trace in report.Traces)
        {
            AddRow(table, Name(trace), trace.Mean);
        }

        table.AddEmptyRow();
        AddRow(table, "mean", report.Mean);
        console.Write(table);
    }

    private static void WriteKeys(IAnsiConsole console, AnalyzedTrace trace)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title("channels of the keys");
        table.AddColumn("KV head");
        foreach (string column in new[] { "largest magnitude", "median of the channels", "ratio", "channel", "largest |mean| / std", "channel", "constant channels" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (AnalyzedKeys keys in trace.PerKvHead)
        {
            table.AddRow(
                Number(keys.KvHead), Number(keys.LargestAbsMax, "F2"), Number(keys.MedianAbsMax, "F2"), Number(keys.OutlierRatio, "F1"), Number(keys.OutlierChannel),
                Number(keys.LargestMeanOverStd, "F1"), Number(keys.ShiftedChannel), Number(keys.ConstantChannels));
        }

        console.Write(table);
    }

    private static Table Figures(string first, string title)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(title));
        table.AddColumn(first);
        table.AddColumn(new TableColumn($"mass at {PaperStep} % keys").RightAligned());
        foreach (double mass in SparsityAnalysis.Masses)
        {
            table.AddColumn(new TableColumn($"keys for {mass.ToString("P0", CultureInfo.InvariantCulture)}").RightAligned());
        }

        foreach (string column in new[] { "negligible", $"first {HeadFigures.SinkKeys}", $"last {HeadFigures.LocalKeys}", "effective keys" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        return table;
    }

    private static void AddRow(Table table, string name, AnalyzedHead head) => table.AddRow(
    [
        Markup.Escape(name),
        Number(head.MassCurve[PaperStep], "F3"),
        .. head.KeysNeeded.Select(n => Percent(n.Share)),
        Percent(head.NegligibleShare),
        Number(head.SinkMass, "F3"),
        Number(head.LocalMass, "F3"),
        Number(head.EffectiveKeys, "F1"),
    ]);

    private static string Percent(double share) => share.ToString("P1", CultureInfo.InvariantCulture);

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    private static string Number(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "-";
}
