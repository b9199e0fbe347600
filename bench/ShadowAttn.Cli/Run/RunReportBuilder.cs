using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Run;

/// <summary>From measurements to the report.</summary>
internal static class RunReportBuilder
{
    /// <summary>What a report says of a backend.</summary>
    public static BackendReport Describe(QnnBackend backend) => new(backend.Name, backend.ApiVersion.ToString(), backend.BuildId);

    /// <summary>The ratio; of a profile its mean over the heads.</summary>
    private static object Keep(RunOptions options, AttentionOptions attention)
    {
        if (options.CalibrationPath is not null)
        {
            return attention.KeepPerHead.IsEmpty ? 1.0 : attention.KeepPerHead.ToArray().Average();
        }

        return options.Keep.IsMass ? options.Keep.ToString() : options.Keep.Value;
    }

    public static RunReport Build(RunOptions options, AttentionOptions attention, TraceInput trace, QnnBackend? backend, AttentionMeasurement m)
    {
        double total = m.Median.TotalMs;
        return new RunReport
        {
            Input = trace.Path,
            Model = trace.Model,
            Layer = trace.Layer,
            Mode = OptionNames.Name(options.Mode),
            Tail = OptionNames.Name(options.Tail),
            MinKeys = options.MinKeys,
            ExactTopk = OptionNames.Name(options.ExactTopK),
            Sinks = options.Sinks,
            Window = options.Window,
            SlidingWindow = options.SlidingWindow,
            Alibi = options.Alibi,
            Backend = backend is null ? null : Describe(backend),
            Isa = InstructionSets.Name(InstructionSets.Active),
            Threads = m.Threads,
            Heads = trace.Heads,
            KvHeads = trace.KvHeads,
            Queries = trace.QueryCount,
            Keys = trace.KeyCount,
            HeadDim = trace.HeadDim,
            Causal = trace.Causal,
            KvFormat = OptionNames.Name(options.KvFormat),
            Keep = Keep(options, attention),
            Calibration = options.CalibrationPath,
            KeepPerHead = attention.KeepPerHead.IsEmpty ? null : attention.KeepPerHead.ToArray(),
            HeadsPerGraph = m.Counts.HeadsPerGraph,
            Crossover = options.Crossover,
            Repeat = options.Repeat,
            TotalMs = total,
            MinMs = m.MinMs,
            FirstCallMs = m.FirstCallMs,
            GraphPreparation = backend is null
                ? null
                : new PreparationReport(m.Preparation.FromCache, m.Preparation.Composed, m.Preparation.Milliseconds),
            Operators = [.. m.Median.Operators.Select(o => new OperatorReport(o.Name, o.Device, o.Milliseconds, o.Milliseconds / total))],
            ExposedEstimateMs = m.Median.ExposedMs,
            CapturedMass = new MassReport(m.Accuracy.CapturedMass, m.Accuracy.CapturedMassWorstHead),
            Recall = m.Accuracy.Recall,
            RelL2Error = m.Accuracy.RelL2Error,
            MaxAbsError = m.Accuracy.MaxAbsError,
            EvaluatedRows = m.Accuracy.EvaluatedRows,
            KeptKeys = m.Counts.KeptKeys,
            VisibleKeys = m.Counts.VisibleKeys,
            SaturatedScores = m.Counts.SaturatedScores,
            RescoredRows = m.Counts.RescoredRows,
            ExactScores = m.Counts.ExactScores,
            Buckets =
            [
                .. m.Counts.Buckets.Select(b => new BucketReport(b.Rows, b.Keys, b.QueryScale, b.KeyScale, b.OutputScale, b.Executions)),
            ],
            PilotMemory = m.Counts.PilotMemory.Length > 0 ? m.Counts.PilotMemory : null,
            Profile = m.Profile.Length > 0 ? m.Profile : null,
            BytesCopied = m.Counts.BytesCopied,
            AllocatedBytes = m.AllocatedBytes,
        };
    }
}
