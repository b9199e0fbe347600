using System.Globalization;
using Spectre.Console;

namespace ShadowAttn.Cli.Conformance;

/// <summary>The report for a person.</summary>
internal static class ConformanceTable
{
    public static void Write(IAnsiConsole console, ConformanceReport report)
    {
        console.MarkupLineInterpolated($"backend [bold]{report.Backend}[/], API {report.ApiVersion}, build {report.Build}");
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in (ReadOnlySpan<string>)["area", "check", "result", "detail"])
        {
            table.AddColumn(new TableColumn(new Text(column)));
        }

        foreach (CheckReport check in report.Checks)
        {
            Style style = Style.Parse(check.Result switch
            {
                CheckResult.Pass => "green",
                CheckResult.Fail => "red",
                _ => "yellow",
            });
            table.AddRow(new Text(check.Area), new Text(check.Name), new Text(CheckReport.NameOf(check.Result), style), new Text(check.Detail));
        }

        console.Write(table);
        WriteKnownDifferences(console, report);
        SummaryReport summary = report.Summary;
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture, $"{summary.Pass} pass, {summary.Fail} fail, {summary.NotSupported} not supported");
    }

    private static void WriteKnownDifferences(IAnsiConsole console, ConformanceReport report)
    {
        CheckReport[] different = [.. report.Checks.Where(check => check.KnownDifference is not null)];
        if (different.Length == 0)
        {
            return;
        }

        console.WriteLine("known differences:");
        foreach (CheckReport check in different)
        {
            console.MarkupLineInterpolated($"  {check.Area}, {check.Name}: {check.KnownDifference}");
        }

        console.WriteLine();
    }
}
