using ShadowAttn.SoftHtp.Objects;
using static ShadowAttn.Interop.Qnn.QnnApi;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>Profiling events under HTP's numbers and names. A cycle is one nanosecond.</summary>
internal static unsafe class ExecutionEvents
{
    /// <summary>Events of one execution: at the basic level of the whole, at the detailed level of each node too.</summary>
    internal static void Record(ProfileObject profile, GraphPlan plan, Frame frame, LatencyModel latency, int threads, long elapsedNs)
    {
        var threadsUsed = new ProfileEvent(
            QNN_HTP_PROFILE_EVENTTYPE_GRAPH_NUMBER_OF_HVX_THREADS, QNN_PROFILE_EVENTUNIT_COUNT, (ulong)threads, "Number of HVX threads used");
        var accelerator = new ProfileEvent(
            QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_TIME_MICROSEC, QNN_PROFILE_EVENTUNIT_MICROSEC, Microseconds(elapsedNs), "Accelerator (execute) time");
        var whole = new ProfileEvent(
            QNN_PROFILE_EVENTTYPE_EXECUTE, QNN_PROFILE_EVENTUNIT_MICROSEC, Microseconds(elapsedNs), "QNN (execute) time");
        if (!profile.IsDetailed)
        {
            profile.Record(threadsUsed, accelerator, whole);
            return;
        }
        var nodes = new ProfileEvent[plan.StepCount];
        ulong total = 0;
        for (int step = 0; step < nodes.Length; step++)
        {
            // Where the latency model is slower than this machine, it is what the node took.
            long modelled = (long)(latency.NsPerMac * plan.StepMacs(step));
            ulong cycles = (ulong)Math.Max(plan.StepTimes(frame)[step], modelled);
            total += cycles;
            nodes[step] = new ProfileEvent(
                QNN_PROFILE_EVENTTYPE_NODE, QNN_PROFILE_EVENTUNIT_CYCLES, cycles, $"{plan.StepName(step)}:OpId_{step + 1} (cycles)");
        }
        var cyclesOfAll = new ProfileEvent(
            QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_TIME_CYCLE, QNN_PROFILE_EVENTUNIT_CYCLES, total, "Accelerator (execute) time (cycles)", nodes);
        profile.Record(threadsUsed, cyclesOfAll, accelerator, whole);
    }

    internal static void RecordFinalize(ProfileObject profile, long elapsedNs) => profile.Record(new ProfileEvent(
        QNN_PROFILE_EVENTTYPE_FINALIZE, QNN_PROFILE_EVENTUNIT_MICROSEC, Microseconds(elapsedNs), "QNN (finalize) time"));

    internal static void RecordLoad(ProfileObject profile, long elapsedNs) => profile.Record(
        new ProfileEvent(
            QNN_HTP_PROFILE_EVENTTYPE_CONTEXT_LOAD_BIN_ACCEL_TIME_MICROSEC,
            QNN_PROFILE_EVENTUNIT_MICROSEC,
            Microseconds(elapsedNs),
            "Accelerator (load binary) time"),
        new ProfileEvent(QNN_PROFILE_EVENTTYPE_INIT, QNN_PROFILE_EVENTUNIT_MICROSEC, Microseconds(elapsedNs), "QNN (load binary) time"));

    internal static void RecordFree(ProfileObject profile, long elapsedNs) => profile.Record(new ProfileEvent(
        QNN_PROFILE_EVENTTYPE_DEINIT, QNN_PROFILE_EVENTUNIT_MICROSEC, Microseconds(elapsedNs), "QNN (deinit) time"));

    static ulong Microseconds(long ns) => (ulong)Math.Max(ns / 1000, 0);
}
