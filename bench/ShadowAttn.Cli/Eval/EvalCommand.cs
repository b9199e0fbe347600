using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Cli.Eval;

/// <summary>A language model on a text, attention in each of the asked ways, exact attention always first.</summary>
internal static class EvalCommand
{
    /// <summary>Evaluates and reports.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="console">Where the report goes.</param>
    /// <param name="cancellation">Ends the run between two layers.</param>
    /// <exception cref="InputException">The text is not what can be evaluated.</exception>
    /// <exception cref="Model.ModelException">The model's file is no such model, or damaged.</exception>
    public static void Execute(EvalOptions options, CommandConsole console, CancellationToken cancellation)
    {
        EvalWay[] ways = [.. Ways(options)];
        string text = TextFile.Read("--text", options.TextPath);
        using BackendHost? host = ways.Any(way => way.NeedsBackend)
            ? BackendHost.Open(options.Backend, options.Threads, new LineLogger(console.Error, options.Verbose), options.Verbose)
            : null;
        using LanguageModel model = LanguageModel.Open(options.ModelPath, options.Threads);
        int[] tokens = Cut(options.TextPath, model.Tokenizer.Encode(text), options.Tokens);
        using ProgressReporter progress = console.StartProgress();
        using var subject = new EvalSubject(model, tokens, options, ways, host, (stage, done, all) => progress.Report(stage, done, all), cancellation);
        EvalReport[] reports = [.. ways.Select(way => subject.Measure(way, cancellation))];
        progress.Dispose();
        if (!options.Json)
        {
            EvalTable.Write(console.Ansi, subject.Exact, reports);
        }
        else if (reports.Length == 1)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(reports[0], EvalJsonContext.Default.EvalReport));
        }
        else
        {
            console.Output.WriteLine(JsonSerializer.Serialize(reports, EvalJsonContext.Default.EvalReportArray));
        }
    }

    /// <summary>Every mode with every keep ratio, profile and tail, but those that know neither once.</summary>
    private static IEnumerable<EvalWay> Ways(EvalOptions options)
    {
        foreach (AttentionMode mode in options.Modes)
        {
            if (!EvalWay.Drops(mode))
            {
                yield return EvalWay.Exact with { Mode = mode };
                continue;
            }

            foreach (TailCompensation tail in options.Tails)
            {
                foreach (KeepRatio keep in options.Keeps.Where(keep => mode != AttentionMode.BlockSparse || !keep.IsMass))
                {
                    yield return new EvalWay(mode, keep, options.MinKeys, tail);
                }

                foreach (ProfileFile profile in options.Calibrations)
                {
                    yield return new EvalWay(mode, KeepRatio.Share(1), options.MinKeys, tail, profile);
                }
            }
        }
    }

    /// <summary>The first tokens of a text; null for all.</summary>
    /// <exception cref="InputException">The text has fewer, or fewer than two.</exception>
    internal static int[] Cut(string path, int[] tokens, int? wanted)
    {
        int count = wanted ?? tokens.Length;
        if (tokens.Length < count)
        {
            throw new InputException($"--tokens: {path} has {tokens.Length} tokens, fewer than the {count} that are asked for");
        }

        return count >= 2 ? tokens[..count] : throw new InputException($"--text: {path} has {count} tokens; at least 2 are needed");
    }
}
