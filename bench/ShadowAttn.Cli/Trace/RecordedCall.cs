using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Trace;

/// <summary>One call's timeline, with what its report said.</summary>
/// <param name="Mode">How attention was computed; a calibration may say.</param>
/// <param name="TotalMs">Wall time.</param>
/// <param name="ExposedMs">Time in which the CPU stage had nothing to do but wait.</param>
/// <param name="Operators">Time per operator.</param>
/// <param name="Threads">CPU threads.</param>
/// <param name="StartTicks">When the call began.</param>
/// <param name="Lanes">What the stages and threads did.</param>
/// <param name="Dropped">Events that there was no room for.</param>
internal sealed record RecordedCall(
    AttentionMode Mode,
    double TotalMs,
    double ExposedMs,
    OperatorTime[] Operators,
    int Threads,
    long StartTicks,
    IReadOnlyList<TimelineLane> Lanes,
    long Dropped)
{
    private const int LargestRing = 1 << 22;

    /// <summary>Makes the plan, records some calls and returns the one of median duration.</summary>
    /// <exception cref="InputException">The input is not what the operator can compute.</exception>
    public static RecordedCall Measure(RunOptions options, TraceInput trace, BackendHost? host, ProgressReporter progress)
    {
        AttentionOptions attention = RunCommand.OperatorOptions(options, trace);
        using KvTensor? k = RunCommand.Convert("k", trace.K, options.KvFormat, trace.Path);
        using KvTensor? v = RunCommand.Convert("v", trace.V, options.KvFormat, trace.Path);
        using UnmanagedBuffer output = RunCommand.AllocateOutput(trace);
        TensorView<float> o = RunCommand.View(output, trace);
        using var op = new ShadowAttention(host?.Backend, attention, host?.Pilot);
        progress.Report("preparing", 0, 1);
        op.Compute(trace.Q, k?.View ?? trace.K, v?.View ?? trace.V, o);

        // A worker may do all the work: some events per tile of rows, and some per block of keys.
        long most = (trace.Heads * (long)trace.QueryCount) + (trace.KvHeads * (long)trace.KeyCount) + 4096;
        var recorder = new TimelineRecorder((int)Math.Min(most, LargestRing));
        op.Recorder = recorder;
        var calls = new RecordedCall[options.Repeat];
        for (int i = 0; i < calls.Length; i++)
        {
            progress.Report("recording", i, calls.Length);
            AttentionReport report = op.Compute(trace.Q, k?.View ?? trace.K, v?.View ?? trace.V, o);
            calls[i] = new RecordedCall(
                attention.Mode,
                report.TotalMilliseconds,
                report.ExposedEstimateMilliseconds,
                report.Operators.ToArray(),
                op.Threads,
                recorder.StartTicks,
                recorder.Read(),
                recorder.Dropped);
        }

        Array.Sort(calls, (a, b) => a.TotalMs.CompareTo(b.TotalMs));
        return calls[(calls.Length - 1) / 2];
    }
}
