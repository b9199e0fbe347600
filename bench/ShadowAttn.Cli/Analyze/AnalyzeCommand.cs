using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Analyze;

/// <summary>How sparse the attention of some traces is.</summary>
internal static class AnalyzeCommand
{
    /// <summary>Reads and measures the traces.</summary>
    /// <param name="inputs">The traces, at least one.</param>
    /// <param name="threads">Number of threads.</param>
    /// <param name="output">Where the picture will be; null for none.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the measurement.</param>
    /// <exception cref="InputException">A trace cannot be read.</exception>
    public static AnalyzeReport Execute(string[] inputs, int threads, string? output, ProgressReporter progress, CancellationToken cancellation)
    {
        List<AnalyzedTrace> traces = [];
        List<HeadSparsity> means = [];
        foreach (string input in inputs)
        {
            using TraceInput trace = TraceInput.Open(input);
            string stage = $"{Path.GetFileName(input)}, rows";
            object gate = new();
            SparsityAnalysis analysis = SparsityAnalysis.Measure(
                Options(trace, threads),
                trace.Q,
                trace.K,
                (done, all) =>
                {
                    lock (gate)
                    {
                        progress.Report(stage, done, all);
                    }
                },
                cancellation);
            HeadSparsity mean = HeadSparsity.Mean(analysis.Heads);
            means.Add(mean);
            traces.Add(new AnalyzedTrace
            {
                Input = input,
                Model = trace.Model,
                Layer = trace.Layer,
                Heads = trace.Heads,
                KvHeads = trace.KvHeads,
                Queries = trace.QueryCount,
                Keys = trace.KeyCount,
                HeadDim = trace.HeadDim,
                Causal = trace.Causal,
                Rows = analysis.Rows,
                PerHead = [.. analysis.Heads.Select((head, i) => Describe(head, i))],
                Mean = Describe(mean, null),
                PerKvHead = [.. analysis.Keys.Select(Describe)],
            });
        }

        return new AnalyzeReport([.. traces], Describe(HeadSparsity.Mean(means), null), output);
    }

    private static AttentionOptions Options(TraceInput trace, int threads) => new()
    {
        Heads = trace.Heads,
        KvHeads = trace.KvHeads,
        HeadDim = trace.HeadDim,
        Causal = trace.Causal,
        Scale = trace.Scale,
        Threads = threads,
    };

    private static AnalyzedHead Describe(HeadSparsity head, int? number) => new(
        number,
        head.Figures.NegligibleShare,
        [.. SparsityAnalysis.Masses.Zip(head.KeysNeeded, (mass, share) => new NeededKeys(mass, share))],
        head.Figures.SinkMass,
        head.Figures.LocalMass,
        head.Figures.EffectiveKeys,
        head.MassCurve);

    private static AnalyzedKeys Describe(KeyChannels keys, int kvHead) => new(
        kvHead,
        keys.OutlierRatio,
        keys.OutlierChannel,
        keys.LargestAbsMax,
        keys.MedianAbsMax,
        keys.LargestMeanOverStd,
        keys.ShiftedChannel,
        keys.ConstantChannels);
}
