using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;
using Spectre.Console;

namespace ShadowAttn.Cli.Bench.Reports;

/// <summary>What can be benchmarked.</summary>
/// <param name="Operators">The operators.</param>
internal sealed record BenchListing(IReadOnlyList<ListedOperator> Operators)
{
    /// <summary>The operators of a registry.</summary>
    public static BenchListing Of(BenchRegistry registry) => new(
    [
        .. registry.Operators.Select(o => new ListedOperator(
            o.Name,
            o.Summary,
            [.. o.Functions.Select(f => new ListedFunction(f.Name, f.Summary, Options(f.Knobs)))],
            [.. o.Variants.Select(InstructionSets.Name)],
            InstructionSets.Name(o.Best),
            o.Syntax.Text,
            o.DefaultShapes,
            [.. o.KvFormats.Select(OptionNames.Name)])),
    ]);

    /// <summary>Prints the listing.</summary>
    public void Write(IAnsiConsole console)
    {
        Table table = BenchTable.NewTable("benchmark", "what it measures", "variants", "shape", "options");
        foreach (ListedOperator op in Operators)
        {
            foreach (ListedFunction function in op.Functions)
            {
                table.AddRow(
                    new Text($"{op.Name}.{function.Name}"),
                    new Text(function.Summary),
                    new Text(string.Join(", ", op.Variants.Select(v => v == op.Best ? v + "*" : v))),
                    new Text(op.Shape),
                    new Text(string.Join(' ', function.Options)));
            }
        }

        console.Write(table);
        console.WriteLine("* the variant that is used, and measured without --isa");
    }

    private static string[] Options(BenchKnobs knobs) =>
        [.. Enum.GetValues<BenchKnobs>().Where(k => k != BenchKnobs.None && knobs.HasFlag(k)).Select(Option)];

    private static string Option(BenchKnobs knob) => knob switch
    {
        BenchKnobs.Keep => "--keep",
        BenchKnobs.Kv => "--kv",
        BenchKnobs.Tail => "--tail",
        BenchKnobs.MinKeys => "--min-keys",
        _ => "--input",
    };
}

/// <summary>An operator of the listing.</summary>
internal sealed record ListedOperator(
    string Name,
    string Summary,
    IReadOnlyList<ListedFunction> Functions,
    IReadOnlyList<string> Variants,
    string Best,
    string Shape,
    IReadOnlyList<string> DefaultShapes,
    IReadOnlyList<string> Kv);

/// <summary>A function of the listing.</summary>
internal sealed record ListedFunction(string Name, string Summary, IReadOnlyList<string> Options);
