using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Model.Evaluation;
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
        bool needsBackend = options.Modes.Any(mode => mode is AttentionMode.Shadow or AttentionMode.NpuInt8);
        string text = TextFile.Read("--text", options.TextPath);
        using BackendHost? host = needsBackend
            ? BackendHost.Open(options.Backend, options.Threads, new LineLogger(console.Error, options.Verbose), options.Verbose)
            : null;
        using LanguageModel model = LanguageModel.Open(options.ModelPath, options.Threads);
        int[] tokens = Cut(options.TextPath, model.Tokenizer.Encode(text), options.Tokens);
        using ProgressReporter progress = console.StartProgress();
        (EvalReport dense, TextPass exact) = Measure(options, new Way(AttentionMode.Dense, KeepRatio.Share(1), TailCompensation.None), model, tokens, null, null, progress, cancellation);
        List<EvalReport> reports = [];
        using (exact)
        {
            foreach (Way way in Ways(options))
            {
                if (way.Mode == AttentionMode.Dense)
                {
                    reports.Add(dense);
                    continue;
                }

                (EvalReport report, TextPass pass) = Measure(options, way, model, tokens, host, exact, progress, cancellation);
                pass.Dispose();
                reports.Add(report);
            }
        }

        progress.Dispose();
        if (!options.Json)
        {
            EvalTable.Write(console.Ansi, dense, reports);
        }
        else if (reports.Count == 1)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(reports[0], EvalJsonContext.Default.EvalReport));
        }
        else
        {
            console.Output.WriteLine(JsonSerializer.Serialize([.. reports], EvalJsonContext.Default.EvalReportArray));
        }
    }

    private readonly record struct Way(AttentionMode Mode, KeepRatio Keep, TailCompensation Tail);

    /// <summary>Every mode with every keep ratio and tail, but those that know neither once.</summary>
    private static IEnumerable<Way> Ways(EvalOptions options)
    {
        foreach (AttentionMode mode in options.Modes)
        {
            if (mode is AttentionMode.Dense or AttentionMode.NpuInt8)
            {
                yield return new Way(mode, KeepRatio.Share(1), TailCompensation.None);
                continue;
            }

            foreach (KeepRatio keep in options.Keeps)
            {
                if (mode == AttentionMode.BlockSparse && keep.IsMass)
                {
                    continue;
                }

                foreach (TailCompensation tail in options.Tails)
                {
                    yield return new Way(mode, keep, tail);
                }
            }
        }
    }

    private static (EvalReport Report, TextPass Pass) Measure(
        EvalOptions options, Way way, LanguageModel model, int[] tokens, BackendHost? host, TextPass? exact, ProgressReporter progress, CancellationToken cancellation)
    {
        var layer = new AttentionOptions
        {
            Heads = model.Config.Heads,
            KvHeads = model.Config.KvHeads,
            HeadDim = model.Config.HeadDim,
            Mode = way.Mode,
            Keep = way.Keep,
            MinKeys = options.MinKeys,
            Tail = way.Tail,
            Crossover = false,
            Threads = options.Threads,
        };
        string name = OptionNames.Name(way.Mode);
        bool needsBackend = way.Mode is AttentionMode.Shadow or AttentionMode.NpuInt8;
        using var attention = new OperatorAttention(
            needsBackend ? host!.Backend : null, [.. Enumerable.Repeat(layer, model.Config.Layers)], tokens.Length, needsBackend ? host!.Pilot : null);
        long start = Stopwatch.GetTimestamp();
        TextPass pass = TextPass.Run(
            model,
            tokens,
            attention,
            options.Chunk,
            (done, all) => progress.Report(Describe($"{name}, keep {way.Keep}", tokens.Length, done, all, Stopwatch.GetElapsedTime(start)), done, all),
            cancellation);
        TextFigures figures = TextFigures.Of(model, pass, exact ?? pass);
        var report = new EvalReport(
            name,
            way.Keep.ToString(),
            options.MinKeys,
            OptionNames.Name(way.Tail),
            needsBackend ? RunReportBuilder.Describe(host!.Backend) : null,
            options.ModelPath,
            options.TextPath,
            tokens.Length,
            figures.MeanNll,
            figures.Perplexity,
            figures.Top1Agreement,
            figures.KlToExact,
            (double)attention.KeptKeys / attention.VisibleKeys,
            attention.Milliseconds,
            pass.Milliseconds,
            tokens.Length * 1000.0 / pass.Milliseconds,
            PeakMemory(),
            options.PerToken ? figures.Nll : null);
        return (report, pass);
    }

    /// <summary>A way with its speed so far and the time that is left of it.</summary>
    private static string Describe(string way, int tokens, int done, int all, TimeSpan elapsed)
    {
        double rate = (double)tokens * done / all / elapsed.TotalSeconds;
        return string.Create(CultureInfo.InvariantCulture, $"{way}, {rate:F0} tokens/s, {elapsed.TotalSeconds * (all - done) / done:F0} s left, layers");
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
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
