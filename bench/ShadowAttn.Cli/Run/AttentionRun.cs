using System.Diagnostics;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Run;

/// <summary>Measures one operator on one input: a planning call, timed repeats, an allocation count, then accuracy and counts.</summary>
internal sealed class AttentionRun(BackendHost? host, AttentionOptions options, int repeat, ProgressReporter progress)
{
    /// <summary>Multiply-adds of the exact evaluation above which a sample of the rows is evaluated.</summary>
    private const double EvaluationBudget = 12e9;

    private const int MinEvaluatedQueries = 64;

    /// <summary>Calls whose allocations are counted; the least counts. Built ahead of time, a call in thirty allocates 168 bytes, the others nothing.</summary>
    private const int AllocationCalls = 3;

    /// <summary>Runs and measures; the output is left in <paramref name="o"/>.</summary>
    /// <param name="trace">Q, and what the output is compared with exact attention of.</param>
    /// <param name="k">[kvHeads, keys, headDim] as the operator reads it.</param>
    /// <param name="v">[kvHeads, keys, headDim] as the operator reads it.</param>
    /// <param name="o">Receives fp32 [heads, queries, headDim].</param>
    public AttentionMeasurement Measure(TraceInput trace, KvView k, KvView v, TensorView<float> o)
    {
        TensorView<float> q = trace.Q;
        using var attention = new ShadowAttention(host?.Backend, options, host?.Pilot);
        progress.Report("preparing", 0, 1);
        long start = Stopwatch.GetTimestamp();
        attention.Compute(q, k, v, o);
        double firstMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

        var samples = new CallSample[repeat];
        for (int i = 0; i < repeat; i++)
        {
            progress.Report("measuring", i, repeat);
            AttentionReport report = attention.Compute(q, k, v, o);
            samples[i] = new CallSample(report.TotalMilliseconds, report.ExposedEstimateMilliseconds, report.Operators.ToArray());
        }

        long allocated = long.MaxValue;
        for (int i = 0; i < AllocationCalls; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            attention.Compute(q, k, v, o);
            allocated = Math.Min(allocated, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        ProfileReport[] profile = Profile(attention, q, k, v, o);
        using var kept = new KeptKeys(options.Heads, q.Length(1), k.Keys);
        AttentionReport counts = attention.Compute(q, k, v, o, kept);
        AttentionAccuracy accuracy = ExactAttention.Compare(options, q, trace.K, trace.V, o, kept, QueriesToEvaluate(k.Keys), ReportEvaluation);

        Array.Sort(samples, (a, b) => a.TotalMs.CompareTo(b.TotalMs));
        return new AttentionMeasurement(
            samples[(repeat - 1) / 2], samples[0].TotalMs, firstMs, allocated, counts, accuracy, attention.Threads, attention.Preparation, profile);
    }

    /// <summary>The backend's events of one call; profiled apart, because profiling costs time.</summary>
    private ProfileReport[] Profile(ShadowAttention attention, TensorView<float> q, KvView k, KvView v, TensorView<float> o)
    {
        if (host?.Options.Profile is not { } level)
        {
            return [];
        }

        using QnnProfile profile = host.Backend.CreateProfile(level);
        attention.Profile = profile;
        attention.Compute(q, k, v, o);
        attention.Profile = null;
        return ProfileReport.From(profile.Read());
    }

    private int QueriesToEvaluate(int keys)
    {
        double perQuery = 2.0 * options.Heads * options.HeadDim * keys * (options.Causal ? 0.5 : 1);
        return (int)Math.Clamp(EvaluationBudget / perQuery, MinEvaluatedQueries, int.MaxValue);
    }

    private void ReportEvaluation(long done, long total)
    {
        lock (progress)
        {
            progress.Report("comparing with exact attention", done, total);
        }
    }
}

/// <summary>One timed call.</summary>
internal sealed record CallSample(double TotalMs, double ExposedMs, OperatorTime[] Operators);

/// <summary>What <see cref="AttentionRun"/> found.</summary>
internal sealed record AttentionMeasurement(
    CallSample Median,
    double MinMs,
    double FirstCallMs,
    long AllocatedBytes,
    AttentionReport Counts,
    AttentionAccuracy Accuracy,
    int Threads,
    PilotPreparation Preparation,
    ProfileReport[] Profile);
