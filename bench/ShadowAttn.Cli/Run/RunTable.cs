using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace ShadowAttn.Cli.Run;

/// <summary>The latency table of <c>run</c> for a person.</summary>
internal static class RunTable
{
    public static void Write(IAnsiConsole console, RunReport report)
    {
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"[bold]{report.Mode}[/] attention, {report.Heads} heads over {report.KvHeads} KV heads, dim {report.HeadDim}, {report.Queries} x {report.Keys}{(report.Causal ? " causal" : string.Empty)}, keep {report.Keep}, min keys {report.MinKeys}, tail {report.Tail}");
        if (report.Backend is { } backend)
        {
            console.MarkupLineInterpolated($"backend {backend.Name}, API {backend.ApiVersion}, build {backend.Build}");
        }

        if (report.GraphPreparation is { FromCache: > 0 } or { Composed: > 0 })
        {
            PreparationReport p = report.GraphPreparation;
            console.MarkupLineInterpolated(
                CultureInfo.InvariantCulture, $"pilot graphs: {p.FromCache} from the cache, {p.Composed} composed, {p.Ms:F1} ms");
        }

        console.MarkupLineInterpolated($"kernels {report.Isa}, {report.Threads} threads, median of {report.Repeat}");
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn("operator");
        table.AddColumn("device");
        table.AddColumn(new TableColumn("ms").RightAligned());
        table.AddColumn(new TableColumn("share").RightAligned());
        foreach (OperatorReport item in report.Operators)
        {
            table.AddRow(item.Name, item.Device, Ms(item.Ms), Percent(item.Share));
        }

        table.AddEmptyRow();
        table.AddRow("total", string.Empty, Ms(report.TotalMs), Percent(1));
        console.Write(table);
        WriteTimeline(console, report);

        var figures = new Grid().AddColumn().AddColumn();
        figures.AddRow("kept keys", Invariant($"{report.KeptKeys:N0} of {report.VisibleKeys:N0} ({(double)report.KeptKeys / report.VisibleKeys:P1})"));
        figures.AddRow("captured mass", Invariant($"{report.CapturedMass.Mean:F4} (worst head {report.CapturedMass.WorstHead:F4})"));
        figures.AddRow("recall of the exact top", Invariant($"{report.Recall:F4}"));
        figures.AddRow("relative L2 error", Invariant($"{report.RelL2Error:G4}"));
        figures.AddRow("largest error", Invariant($"{report.MaxAbsError:G4}"));
        figures.AddRow("saturated scores", Invariant($"{report.SaturatedScores:N0}, rows scored again {report.RescoredRows:N0}"));
        if (report.ExactScores > 0)
        {
            figures.AddRow(
                "certificate", Invariant($"{report.ExactTopk}: {report.ExactScores:N0} keys scored exactly ({(double)report.ExactScores / report.VisibleKeys:P1})"));
        }

        figures.AddRow("copied between stages", Invariant($"{report.BytesCopied:N0} bytes; managed heap {report.AllocatedBytes:N0} bytes per call"));
        if (report.PilotMemory is { } memory)
        {
            figures.AddRow("pilot memory", Markup.Escape(memory));
        }

        if (report.EvaluatedRows < (long)report.Heads * report.Queries)
        {
            figures.AddRow("accuracy from", Invariant($"{report.EvaluatedRows:N0} rows, evenly sampled"));
        }

        console.Write(figures);
        WriteProfile(console, report);
    }

    private static void WriteProfile(IAnsiConsole console, RunReport report)
    {
        if (report.Profile is null)
        {
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).Title("backend's events of one call");
        table.AddColumn("event");
        table.AddColumn("node");
        table.AddColumn(new TableColumn("value").RightAligned());
        table.AddColumn("unit");
        foreach ((int depth, ProfileReport item) in report.Profile.SelectMany(e => e.Flatten()))
        {
            table.AddRow(
                Markup.Escape(new string(' ', 2 * depth) + item.Name), Markup.Escape(item.Identifier), Invariant($"{item.Value:N0}"), item.Unit);
        }

        console.Write(table);
    }

    public static void WriteJson(TextWriter writer, RunReport report) =>
        writer.WriteLine(JsonSerializer.Serialize(report, RunJsonContext.Default.RunReport));

    /// <summary>Who was busy for which part of the time: the CPU's operators, the NPU's, and the wait between them.</summary>
    private static void WriteTimeline(IAnsiConsole console, RunReport report)
    {
        double npu = report.Operators.Where(o => o.Device == "npu").Sum(o => o.Ms);
        double cpu = report.Operators.Where(o => o.Device == "cpu").Sum(o => o.Ms);
        if (npu > 0)
        {
            console.MarkupLineInterpolated(
                CultureInfo.InvariantCulture,
                $"timeline: NPU busy {npu / report.TotalMs:P0}, CPU busy {cpu / report.TotalMs:P0}, CPU waiting for scores {report.ExposedEstimateMs:F2} ms ({report.ExposedEstimateMs / report.TotalMs:P0})");
        }
    }

    private static string Ms(double value) => value.ToString("F3", CultureInfo.InvariantCulture);

    private static string Percent(double value) => value.ToString("P1", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
