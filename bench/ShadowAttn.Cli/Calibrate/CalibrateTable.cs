using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace ShadowAttn.Cli.Calibrate;

/// <summary>The tables of <c>calibrate</c>.</summary>
internal static class CalibrateTable
{
    public static void WriteJson(TextWriter writer, CalibrateReport report) =>
        writer.WriteLine(JsonSerializer.Serialize(report, CalibrateJsonContext.Default.CalibrateReport));

    public static void Write(IAnsiConsole console, CalibrateReport report)
    {
        Table layers = new Table().Border(TableBorder.Rounded).Title("profile");
        layers.AddColumn("layer");
        layers.AddColumn(new TableColumn("mean keep").RightAligned());
        layers.AddColumn(new TableColumn("captured mass").RightAligned());
        layers.AddColumn("keep of each head");
        foreach (LayerReport layer in report.Layers)
        {
            layers.AddRow(
                layer.Layer.ToString(CultureInfo.InvariantCulture),
                Number(layer.MeanKeep, "F3"),
                Number(layer.CapturedMass, "F4"),
                layer.Dense ? "dense" : string.Join(' ', layer.Keep.Select(k => Number(k, "F2"))));
        }

        console.Write(layers);
        Write(console, "on the traces that it is from", report.Inputs);
        if (report.Checks is { } checks)
        {
            Write(console, "on traces that it has not seen", checks);
        }

        console.WriteLine(report.Output);
    }

    private static void Write(IAnsiConsole console, string title, ComparisonReport report)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title($"sparse layers, {title}");
        table.AddColumn("trace");
        foreach (string column in new[] { "kept keys", "captured mass", "worst head", "uniform: mass", "worst head" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (TraceReport t in report.Traces)
        {
            table.AddRow(
                Markup.Escape(Path.GetFileNameWithoutExtension(t.Input)), Number(t.KeptShare, "P1"), Number(t.CapturedMass, "F4"), Number(t.WorstHead, "F4"),
                Number(t.UniformMass, "F4"), Number(t.UniformWorstHead, "F4"));
        }

        table.AddEmptyRow();
        table.AddRow(
            $"mean; uniform keep {Number(report.UniformKeep, "F3")}", Number(report.KeptShare, "P1"), Number(report.CapturedMass, "F4"), string.Empty,
            Number(report.UniformMass, "F4"), string.Empty);
        console.Write(table);
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
