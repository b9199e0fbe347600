using System.Globalization;
using Spectre.Console;

namespace ShadowAttn.Cli.Eval;

/// <summary>The table of <c>eval</c> for a person: a line per way of attention.</summary>
internal static class EvalTable
{
    public static void Write(IAnsiConsole console, EvalReport dense, IReadOnlyList<EvalReport> reports)
    {
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture, $"[bold]{Path.GetFileName(dense.Model)}[/] on {Path.GetFileName(dense.Text)}, {dense.Tokens} tokens; exact attention: perplexity {dense.Perplexity:F4}");
        var table = new Table().Border(TableBorder.Rounded).AddColumn("mode");
        foreach (string column in new[] { "keep", "min keys", "tail", "mean keep", "perplexity", "against exact", "top-1 agreement", "KL", "attention ms", "share", "tokens/s" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (EvalReport r in reports)
        {
            table.AddRow(
                r.Mode,
                r.Calibration is { } profile ? Markup.Escape(Path.GetFileName(profile)) : r.Keep,
                r.MinKeys.ToString(CultureInfo.InvariantCulture),
                r.Tail,
                Text(r.MeanKeep, "F3"),
                Text(r.Perplexity, "F4"),
                Text(100 * ((r.Perplexity / dense.Perplexity) - 1), "+0.00;-0.00;0.00") + " %",
                Text(r.Top1Agreement, "F4"),
                Text(r.KlToDense, "G3"),
                Text(r.AttentionMs, "F0"),
                Text(r.AttentionShare, "P0"),
                Text(r.TokensPerSecond, "F0"));
        }

        console.Write(table);
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"memory: {Math.Max(dense.PeakMemoryBytes, reports.Max(r => r.PeakMemoryBytes)) / 1e6:F0} MB at most");
    }

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
