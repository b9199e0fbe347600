using System.Diagnostics;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;
using ShadowAttn.Model.Evaluation;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Cli.Eval;

/// <summary>A language model and a text, with exact attention computed; other ways are measured against that.</summary>
internal sealed class EvalSubject : IDisposable
{
    private readonly LanguageModel model;
    private readonly int[] tokens;
    private readonly EvalOptions options;
    private readonly BackendHost? host;
    private readonly TextPass exact;
    private readonly Action<string, int, int> progress;

    /// <summary>Computes exact attention.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The text, at least two tokens.</param>
    /// <param name="options">Files, chunk, threads, cache and repeats.</param>
    /// <param name="ways">What will be measured: checked before anything is computed.</param>
    /// <param name="host">For the modes that need a backend; else null.</param>
    /// <param name="progress">Told what is being done, finished steps and all.</param>
    /// <param name="cancellation">Ends the pass between two layers.</param>
    /// <exception cref="InputException">A calibration profile lacks a layer, or is of another shape.</exception>
    public EvalSubject(
        LanguageModel model,
        int[] tokens,
        EvalOptions options,
        IEnumerable<EvalWay> ways,
        BackendHost? host,
        Action<string, int, int> progress,
        CancellationToken cancellation)
    {
        (this.model, this.tokens, this.options, this.host, this.progress) = (model, tokens, options, host, progress);
        foreach (EvalWay way in ways)
        {
            _ = Layers(way);
        }

        (Exact, exact) = Measure(EvalWay.Exact, null, null, cancellation);
    }

    /// <summary>Exact attention over whole tensors in fp32.</summary>
    public EvalReport Exact { get; }

    /// <summary>Measures a way.</summary>
    /// <param name="way">The way.</param>
    /// <param name="cancellation">Ends the pass between two layers.</param>
    public EvalReport Measure(EvalWay way, CancellationToken cancellation)
    {
        KvFormat? format = way.TakesCache ? options.KvFormat ?? (tokens.Length > options.Chunk ? KvFormat.F32 : null) : null;
        if (way.Mode == AttentionMode.Dense && options.KvFormat is null)
        {
            return Exact;
        }

        (EvalReport report, TextPass pass) = Measure(way, format, exact, cancellation);
        pass.Dispose();
        return report;
    }

    /// <inheritdoc/>
    public void Dispose() => exact.Dispose();

    private (EvalReport Report, TextPass Pass) Measure(EvalWay way, KvFormat? cache, TextPass? reference, CancellationToken cancellation)
    {
        AttentionOptions[] layers = Layers(way);
        TextPass? pass = null;
        double attentionMs = double.PositiveInfinity;
        double prefillMs = double.PositiveInfinity;
        double meanKeep = 0;
        try
        {
            for (int i = 0; i < options.Repeat; i++)
            {
                using IMeasuredAttention attention = Attention(way, layers, cache);
                long start = Stopwatch.GetTimestamp();
                TextPass next = TextPass.Run(
                    model, tokens, attention, options.Chunk, (done, all) => progress(Describe(way, done, all, Stopwatch.GetElapsedTime(start)), done, all), cancellation);
                pass?.Dispose();
                pass = next;
                attentionMs = Math.Min(attentionMs, attention.Milliseconds);
                prefillMs = Math.Min(prefillMs, pass.Milliseconds);
                meanKeep = (double)attention.KeptKeys / attention.VisibleKeys;
            }

            TextFigures figures = TextFigures.Of(model, pass!, reference ?? pass!);
            var report = new EvalReport(
                OptionNames.Name(way.Mode),
                way.KeepText,
                way.Calibration?.Profile.MinKeys ?? way.MinKeys,
                OptionNames.Name(way.Tail),
                way.Calibration?.Path,
                way.NeedsBackend ? RunReportBuilder.Describe(host!.Backend) : null,
                options.ModelPath,
                options.TextPath,
                tokens.Length,
                Math.Min(options.Chunk, tokens.Length),
                cache is { } format ? OptionNames.Name(format) : null,
                figures.MeanNll,
                figures.Perplexity,
                figures.Top1Agreement,
                figures.KlToExact,
                meanKeep,
                attentionMs,
                attentionMs / prefillMs,
                prefillMs,
                tokens.Length * 1000.0 / prefillMs,
                PeakMemory(),
                options.PerToken ? figures.Nll : null);
            return (report, pass!);
        }
        catch
        {
            pass?.Dispose();
            throw;
        }
    }

    private AttentionOptions[] Layers(EvalWay way)
    {
        var layer = new AttentionOptions
        {
            Heads = model.Config.Heads,
            KvHeads = model.Config.KvHeads,
            HeadDim = model.Config.HeadDim,
            Mode = way.Mode,
            Keep = way.Keep,
            MinKeys = way.MinKeys,
            Tail = way.Tail,
            Crossover = options.Crossover,
            Threads = options.Threads,
        };
        return [.. Enumerable.Range(0, model.Config.Layers).Select(i => way.Calibration?.Apply(layer, i) ?? layer)];
    }

    private IMeasuredAttention Attention(EvalWay way, AttentionOptions[] layers, KvFormat? cache)
    {
        BackendHost? needed = way.NeedsBackend ? host : null;
        return cache is { } format
            ? new CachedAttention(needed?.Backend, layers, tokens.Length, format, needed?.Pilot, way.Calibration?.Profile)
            : new OperatorAttention(needed?.Backend, layers, tokens.Length, needed?.Pilot);
    }

    /// <summary>A way with its speed so far and the time that is left of it.</summary>
    private string Describe(EvalWay way, int done, int all, TimeSpan elapsed)
    {
        double rate = (double)tokens.Length * done / all / elapsed.TotalSeconds;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{OptionNames.Name(way.Mode)}, keep {way.KeepText}, {rate:F0} tokens/s, {elapsed.TotalSeconds * (all - done) / done:F0} s left, layers");
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
