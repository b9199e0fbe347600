using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Bench.Commands;

/// <summary>The README's accuracy table: <c>shadowattn run</c> on traces, the paper's way and with the defaults.</summary>
internal static class AccuracyCommand
{
    private static readonly (string Name, string[] Options)[] s_ways =
    [
        ("the paper's way", ["--keep", "0.2", "--min-keys", "1", "--tail", "none"]),
        ("defaults", []),
        ("INT8", ["--mode", "npu-int8"]),
    ];

    public static Command Create()
    {
        var traces = new Argument<string[]>("traces") { Description = "Trace files; without any, the bundled one.", Arity = ArgumentArity.ZeroOrMore };
        var backend = new Option<string>("--backend") { Description = "soft or the path of a QNN backend.", DefaultValueFactory = _ => "soft" };
        var command = new Command("accuracy", "Error, captured mass and recall on traces, as a Markdown table.") { traces, backend };
        command.SetAction(result => Run(result.GetValue(traces) is { Length: > 0 } given ? given : [string.Empty], result.GetValue(backend)!));
        return command;
    }

    private static int Run(string[] traces, string backend)
    {
        Console.WriteLine("| trace | way | kept keys | captured mass, mean / worst head | recall | relative L2 error |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (string trace in traces)
        {
            foreach ((string name, string[] options) in s_ways)
            {
                string[] arguments =
                [
                    "run", "--json", "--repeat", "1", "--backend", backend, .. trace.Length > 0 ? ["--input", trace] : Array.Empty<string>(), .. options,
                ];
                using var output = new StringWriter();
                int code = EntryPoint.Run(arguments, new CommandConsole(output, Console.Error, outputIsTerminal: false, errorIsTerminal: false));
                if (code != 0)
                {
                    return code;
                }

                Console.WriteLine(Row(name, JsonDocument.Parse(output.ToString()).RootElement));
            }
        }

        return 0;
    }

    private static string Row(string way, JsonElement run)
    {
        JsonElement mass = run.GetProperty("captured_mass");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {Path.GetFileNameWithoutExtension(run.GetProperty("input").GetString())} | {way} | {Number(run, "kept_keys") / Number(run, "visible_keys"):P1} | {Number(mass, "mean"):F3} / {Number(mass, "worst_head"):F3} | {Number(run, "recall"):F4} | {Number(run, "rel_l2_error"):F4} |");
    }

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();
}
