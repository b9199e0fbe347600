using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Schedule;

/// <summary>Orders of the pipeline's units and numbers of KV heads per graph: simulated from stage times, and measured where there is an input.</summary>
internal static class ScheduleCommand
{
    private static readonly HeadSchedule[] s_schedules = [HeadSchedule.Fifo, HeadSchedule.Greedy, HeadSchedule.Johnson];
    private static readonly int[] s_headsPerGraph = [1, 2, 4];

    /// <summary>Simulates the plans of a profile.</summary>
    public static ScheduleReport Simulate(string path) =>
        new(path, [.. ScheduleProfile.Read(path).Plans.SelectMany(plan => s_schedules.Select(schedule => Row(plan, schedule, null)))]);

    /// <summary>Measures every order and number of heads on an input; the stage times of its first-come order are what is simulated.</summary>
    /// <param name="options">How to compute; the mode must be shadow.</param>
    /// <param name="trace">The input.</param>
    /// <param name="host">The backend.</param>
    /// <param name="progress">Told how far it is.</param>
    public static (ScheduleReport Report, ScheduleProfile Profile) Measure(RunOptions options, TraceInput trace, BackendHost host, ProgressReporter progress)
    {
        using UnmanagedBuffer output = RunCommand.AllocateOutput(trace);
        TensorView<float> o = RunCommand.View(output, trace);
        List<StagePlan> plans = [];
        List<ScheduleRow> rows = [];
        int[] counts = [.. s_headsPerGraph.Where(h => h == 1 || h <= trace.KvHeads)];
        foreach (int heads in counts)
        {
            var measured = new (double Ms, double ExposedMs)[s_schedules.Length];
            for (int i = 0; i < s_schedules.Length; i++)
            {
                progress.Report("measuring", rows.Count + i, counts.Length * s_schedules.Length);
                AttentionOptions attention = RunCommand.OperatorOptions(options with { HeadsPerGraph = heads, Schedule = s_schedules[i] }, trace);
                using var shadow = new ShadowAttention(host.Backend, attention, host.Pilot);
                measured[i] = Median(shadow, trace, o, options.Repeat);
                if (s_schedules[i] == HeadSchedule.Fifo)
                {
                    plans.Add(StagePlan.Of(heads, shadow.StageTimes!));
                }
            }

            rows.AddRange(s_schedules.Select((schedule, i) => Row(plans[^1], schedule, measured[i])));
        }

        return (new ScheduleReport(trace.Path, [.. rows]), new ScheduleProfile { Plans = [.. plans] });
    }

    private static (double Ms, double ExposedMs) Median(ShadowAttention attention, TraceInput trace, TensorView<float> o, int repeat)
    {
        // The first calls compile, and find the order by the times of those before.
        const int WarmUp = 5;
        var samples = new (double Ms, double ExposedMs)[repeat];
        for (int call = -WarmUp; call < repeat; call++)
        {
            AttentionReport report = attention.Compute(trace.Q, trace.K, trace.V, o);
            if (call >= 0)
            {
                samples[call] = (report.TotalMilliseconds, report.ExposedEstimateMilliseconds);
            }
        }

        Array.Sort(samples);
        return samples[(repeat - 1) / 2];
    }

    private static ScheduleRow Row(StagePlan plan, HeadSchedule schedule, (double Ms, double ExposedMs)? measured)
    {
        ScheduleLength length = plan.Simulate(schedule);
        return new ScheduleRow
        {
            HeadsPerGraph = plan.HeadsPerGraph,
            Schedule = OptionNames.Name(schedule),
            Jobs = plan.Jobs.Length,
            Slots = plan.Slots,
            SimulatedMs = length.Makespan,
            SimulatedExposedMs = length.Exposed,
            SimulatedExposedShare = length.ExposedShare,
            MeasuredMs = measured?.Ms,
            MeasuredExposedMs = measured?.ExposedMs,
            MeasuredExposedShare = measured is { } m ? m.ExposedMs / m.Ms : null,
        };
    }
}
