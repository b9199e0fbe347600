using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli.Bench.Reports;
using Spectre.Console;

namespace ShadowAttn.Cli.Bench.Compare;

/// <summary>A comparison for a person.</summary>
internal static class ComparisonTable
{
    public static void Write(IAnsiConsole console, BenchComparison comparison)
    {
        foreach (string difference in comparison.Machines)
        {
            console.WriteLine($"not the same machine: {difference}");
        }

        Table table = BenchTable.NewTable("benchmark", "#before", "#after", "#change", "#noise", "verdict");
        foreach (BenchChange c in comparison.Changes.OrderByDescending(c => c.Verdict == ChangeVerdict.Slower).ThenByDescending(c => c.Ratio))
        {
            table.AddRow(
                new Text(c.Id),
                new Text(BenchTable.Time(c.BeforeNs)),
                new Text(BenchTable.Time(c.AfterNs)),
                new Text((c.Ratio - 1).ToString("+0.0 %;-0.0 %", CultureInfo.InvariantCulture)),
                new Text($"± {BenchTable.Percent(c.Noise)}"),
                new Text(Name(c.Verdict)));
        }

        console.Write(table);
        foreach (string id in comparison.OnlyBefore)
        {
            console.WriteLine($"only before: {id}");
        }

        foreach (string id in comparison.OnlyAfter)
        {
            console.WriteLine($"only after: {id}");
        }

        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Count(comparison, ChangeVerdict.Slower)} slower, {Count(comparison, ChangeVerdict.Faster)} faster, {Count(comparison, ChangeVerdict.Same)} the same within noise"));
    }

    public static void WriteJson(TextWriter writer, BenchComparison comparison) =>
        writer.WriteLine(JsonSerializer.Serialize(comparison, BenchJson.Readable.BenchComparison));

    private static int Count(BenchComparison comparison, ChangeVerdict verdict) => comparison.Changes.Count(c => c.Verdict == verdict);

    private static string Name(ChangeVerdict verdict) => verdict switch
    {
        ChangeVerdict.Slower => "SLOWER",
        ChangeVerdict.Faster => "faster",
        ChangeVerdict.Unknown => "one sample",
        _ => "",
    };
}
