using System.Diagnostics;
using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Run;

/// <summary>What an <see cref="AttentionRun"/> measures.</summary>
/// <param name="Q">fp32 [heads, queries, dim].</param>
/// <param name="K">fp32 [kvHeads, keys, dim].</param>
/// <param name="V">fp32 [kvHeads, keys, dim].</param>
internal readonly record struct AttentionInput(TensorView<float> Q, TensorView<float> K, TensorView<float> V);

/// <summary>Measures one operator on one input: a planning call, timed repeats, an allocation count, then accuracy and counts.</summary>
internal sealed class AttentionRun(QnnBackend? backend, AttentionOptions options, int repeat, Action<string, double>? progress)
{
    /// <summary>Multiply-adds of the exact evaluation above which a sample of the rows is evaluated.</summary>
    private const double EvaluationBudget = 12e9;

    private const int AllocationCalls = 3;

    /// <summary>Runs and reports; the output is left in <paramref name="o"/>.</summary>
    public AttentionMeasurement Measure(in AttentionInput input, TensorView<float> o)
    {
        using var attention = new ShadowAttention(backend, options);
        long start = Stopwatch.GetTimestamp();
        attention.Compute(input.Q, input.K, input.V, o);
        double firstMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

        var samples = new Sample[repeat];
        for (int i = 0; i < repeat; i++)
        {
            progress?.Invoke($"repeat {i + 1} of {repeat}", (double)i / repeat);
            AttentionReport report = attention.Compute(input.Q, input.K, input.V, o);
            samples[i] = new Sample(report.TotalMilliseconds, report.ExposedEstimateMilliseconds, report.Operators.ToArray());
        }

        long allocated = AllocatedPerCall(attention, input, o);
        using var kept = new KeptKeys(options.Heads, input.Q.Length(1), input.K.Length(1));
        AttentionReport counts = attention.Compute(input.Q, input.K, input.V, o, kept);
        AttentionAccuracy accuracy = ExactAttention.Compare(
            options, input.Q, input.K, input.V, o, kept, RowsToEvaluate(input), progress is null ? null : ReportEvaluation);

        Array.Sort(samples, (a, b) => a.TotalMs.CompareTo(b.TotalMs));
        return new AttentionMeasurement(samples[(repeat - 1) / 2], samples[0].TotalMs, firstMs, allocated, counts, accuracy, attention.Threads);
    }

    private static long AllocatedPerCall(ShadowAttention attention, in AttentionInput input, TensorView<float> o)
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < AllocationCalls; i++)
        {
            attention.Compute(input.Q, input.K, input.V, o);
        }

        return (GC.GetTotalAllocatedBytes(precise: true) - before) / AllocationCalls;
    }

    private int RowsToEvaluate(in AttentionInput input)
    {
        double perQuery = 2.0 * options.Heads * options.HeadDim * input.K.Length(1) * (options.Causal ? 0.5 : 1);
        return (int)Math.Clamp(EvaluationBudget / perQuery, 64, int.MaxValue);
    }

    private void ReportEvaluation(long done, long total) => progress!("comparing with exact attention", (double)done / total);
}

/// <summary>One timed call.</summary>
internal sealed record Sample(double TotalMs, double ExposedMs, OperatorTime[] Operators);

/// <summary>What <see cref="AttentionRun"/> found.</summary>
internal sealed record AttentionMeasurement(
    Sample Median, double MinMs, double FirstCallMs, long AllocatedBytes, AttentionReport Counts, AttentionAccuracy Accuracy, int Threads)
{
    /// <summary>The instruction set of the kernels.</summary>
    public static string Isa => InstructionSets.Name(InstructionSets.Active);
}
