using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Files;
using ShadowAttn.Model.Llama;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Bench.Commands;

/// <summary>The table of docs/language-models.md: every way of attention in a language model, on one text or more.</summary>
internal static class LanguageModelsCommand
{
    private static readonly KeepRatio[] s_keeps = [KeepRatio.Share(0.4), KeepRatio.Share(0.2), KeepRatio.Share(0.1), KeepRatio.Share(0.05)];
    private static readonly EvalOptions s_unset = new()
    {
        ModelPath = string.Empty, TextPath = string.Empty, Modes = [], Keeps = [], Tails = [], MinKeys = 64, Chunk = int.MaxValue, Threads = 0, Backend = new BackendOptions(),
    };

    public static Command Create()
    {
        Option<string> model = new("--model") { Description = "The GGUF file.", Required = true };
        Option<string[]> texts = new("--text") { Description = "UTF-8 texts.", Required = true, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
        Option<string[]> profiles = new("--calibration", "--profile")
        {
            Description = "Profiles from shadowattn calibrate.", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true,
        };
        Option<int> tokens = new("--tokens") { Description = "The first so many tokens of each text.", DefaultValueFactory = _ => 1024 };
        Option<int> threads = new("--threads") { Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        Option<int> repeat = new("--repeat") { Description = "Compute every way so often; times are the least.", DefaultValueFactory = _ => 3 };
        Option<string> backend = new("--backend") { Description = "A QNN backend for the modes shadow and npu-int8; the built-in one if absent." };
        var command = new Command("language-models", "Every way of attention in a language model as a Markdown table: accuracy against exact attention, and time.")
        {
            model, texts, profiles, tokens, threads, repeat, backend,
        };
        command.SetAction((result, cancellation) =>
        {
            Run(
                s_unset with
                {
                    ModelPath = result.GetRequiredValue(model),
                    Tokens = result.GetValue(tokens),
                    Threads = result.GetValue(threads),
                    Repeat = result.GetValue(repeat),
                    Calibrations = [.. (result.GetValue(profiles) ?? []).Select(ProfileFile.Read)],
                    Backend = new BackendOptions { Path = result.GetValue(backend) },
                },
                result.GetRequiredValue(texts),
                cancellation);
            return Task.FromResult(0);
        });
        return command;
    }

    /// <summary>The ways in the order of the table, with their names.</summary>
    internal static IEnumerable<(string Name, EvalWay Way)> Ways(IReadOnlyList<ProfileFile> profiles)
    {
        const int Floor = 64;
        const TailCompensation Linear = TailCompensation.Linear;
        yield return ("`dense`", EvalWay.Exact);
        foreach (AttentionMode mode in new[] { AttentionMode.Shadow, AttentionMode.ShadowCpu, AttentionMode.SparseCpu, AttentionMode.BlockSparse })
        {
            string name = mode switch
            {
                AttentionMode.Shadow => "shadow",
                AttentionMode.ShadowCpu => "shadow-cpu",
                AttentionMode.SparseCpu => "sparse-cpu",
                _ => "block-sparse",
            };
            foreach (KeepRatio keep in s_keeps)
            {
                yield return ($"`{name} --keep {keep}`", new EvalWay(mode, keep, Floor, Linear));
            }

            if (mode != AttentionMode.ShadowCpu)
            {
                continue;
            }

            yield return ($"`{name} --keep mass:0.95`", new EvalWay(mode, KeepRatio.Mass(0.95), Floor, Linear));
            foreach (ProfileFile profile in profiles)
            {
                yield return (
                    $"`{name} --calibration {Path.GetFileName(profile.Path)}`", new EvalWay(mode, KeepRatio.Share(1), profile.Profile.MinKeys, Linear, profile));
            }
        }

        foreach (KeepRatio keep in s_keeps)
        {
            yield return ($"the paper's way, `--keep {keep} --tail none --min-keys 1`", new EvalWay(AttentionMode.ShadowCpu, keep, 1, TailCompensation.None));
        }

        yield return ("`npu-int8`", EvalWay.Exact with { Mode = AttentionMode.NpuInt8 });
    }

    private static void Run(EvalOptions options, string[] texts, CancellationToken cancellation)
    {
        (string Name, EvalWay Way)[] ways = [.. Ways(options.Calibrations)];
        var reports = new EvalReport[texts.Length][];
        using (BackendHost host = BackendHost.Open(options.Backend, options.Threads, new LineLogger(Console.Error, false), verbose: false))
        using (LanguageModel model = LanguageModel.Open(options.ModelPath, options.Threads))
        using (ProgressReporter progress = CommandConsole.OfProcess().StartProgress())
        {
            for (int i = 0; i < texts.Length; i++)
            {
                int[] tokens = EvalCommand.Cut(texts[i], model.Tokenizer.Encode(TextFile.Read("--text", texts[i])), options.Tokens);
                using var subject = new EvalSubject(
                    model,
                    tokens,
                    options with { TextPath = texts[i] },
                    ways.Select(way => way.Way),
                    host,
                    (stage, done, all) => progress.Report(stage, done, all),
                    cancellation);
                reports[i] = [.. ways.Select(way => subject.Measure(way.Way, cancellation))];
            }
        }

        string names = string.Join(" / ", texts.Select(Path.GetFileNameWithoutExtension));
        Console.WriteLine($"{Path.GetFileName(options.ModelPath)}, {options.Tokens} tokens, {options.Threads} threads, the least of {options.Repeat} passes; each cell {names}");
        Console.WriteLine();
        Console.WriteLine("| mode | mean keep | perplexity | top-1 agreement | KL to `dense` | attention, ms | its share |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
        for (int way = 0; way < ways.Length; way++)
        {
            int row = way;
            Console.WriteLine(
                $"| {ways[way].Name} | {Cell(r => Text(r[row].MeanKeep, "F3"))} | {Cell(r => Perplexity(r[row], r[0], row))} | {Cell(r => Text(r[row].Top1Agreement, "F3"))} "
                + $"| {Cell(r => Text(r[row].KlToDense, "G2"))} | {Cell(r => Text(r[row].AttentionMs, "F0"))} | {Cell(r => Text(r[row].AttentionShare, "P0"))} |");
        }

        string Cell(Func<EvalReport[], string> of)
        {
            string[] cells = [.. reports.Select(of)];
            return cells.Distinct().Count() == 1 ? cells[0] : string.Join(" / ", cells);
        }
    }

    private static string Perplexity(EvalReport report, EvalReport dense, int row) => row == 0
        ? Text(report.Perplexity, "F3")
        : Text(100 * ((report.Perplexity / dense.Perplexity) - 1), "+0.00;-0.00;0.00") + " %";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
