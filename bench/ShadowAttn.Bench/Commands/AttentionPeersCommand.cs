using System.CommandLine;
using ShadowAttn.Attention;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Input;

namespace ShadowAttn.Bench.Commands;

/// <summary>Attention against ONNX Runtime's, in one run.</summary>
internal static class AttentionPeersCommand
{
    public static Command Create()
    {
        Option<int> heads = Size("--heads", "Query heads.", 12);
        Option<int> kvHeads = Size("--kv-heads", "KV heads.", 2);
        Option<int> dim = Size("--dim", "Channels per head.", 128);
        Option<int> queries = Size("--queries", "Query rows; the last ones of the keys.", 2048);
        Option<int> keys = Size("--keys", "Keys.", 2048);
        var nonCausal = new Option<bool>("--non-causal") { Description = "Every query sees all keys." };
        var keep = new Option<string>("--keep") { Description = "Keys that the sparse modes keep: a share, or mass:SHARE.", DefaultValueFactory = _ => "0.2" };
        var threads = new Option<int[]>("--threads")
        {
            Description = "Numbers of threads to measure with.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [1, 2],
        };
        Option<int> calls = Size("--calls", "Measured calls of each implementation.", 9);
        var input = new Option<string>("--input") { Description = "A trace, repeated to the shape; without it the data is generated." };
        Option<int> seed = Size("--seed", "Seed of the generated data.", 1);
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table." };
        var command = new Command("attention-peers", "Dense and sparse attention against ONNX Runtime's CPU attention, interleaved in one run.")
        {
            heads, kvHeads, dim, queries, keys, nonCausal, keep, threads, calls, input, seed, json,
        };
        command.SetAction(result =>
        {
            if (!KeepRatio.TryParse(result.GetValue(keep), out KeepRatio ratio))
            {
                return Refuse($"--keep {result.GetValue(keep)}: not a share in (0, 1], nor mass:SHARE");
            }

            int[] counts = result.GetValue(threads)!;
            int repeats = result.GetValue(calls);
            if (repeats < 1 || counts.Length == 0 || counts.Any(count => count < 1))
            {
                return Refuse("--calls and --threads must be at least 1");
            }

            var shape = new AttentionShape(
                result.GetValue(heads), result.GetValue(kvHeads), result.GetValue(dim), result.GetValue(queries), result.GetValue(keys), !result.GetValue(nonCausal));
            AttentionData data;
            try
            {
                shape.Validate();
                data = Load(shape, result.GetValue(input), result.GetValue(seed));
            }
            catch (Exception e) when (e is ArgumentException or InputException)
            {
                return Refuse(e.Message);
            }

            PeerReport report = new PeerComparison(shape, data, ratio).Run(counts, repeats, Console.Error.WriteLine);
            Console.WriteLine(result.GetValue(json) ? report.ToJson() : report.ToTable());
            return 0;
        });
        return command;
    }

    private static AttentionData Load(AttentionShape shape, string? input, int seed)
    {
        if (input is null)
        {
            return AttentionData.Generate(shape, seed);
        }

        using TraceInput trace = TraceInput.Open(input);
        return AttentionData.Repeat(trace, shape);
    }

    private static Option<int> Size(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static int Refuse(string message)
    {
        Console.Error.WriteLine(message);
        return 2;
    }
}
