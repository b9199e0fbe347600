namespace ShadowAttn.Attention;

/// <summary>How long a job of the pipeline keeps its two stages busy; any unit of time.</summary>
/// <param name="Npu">Time of the first stage: the pilot graph.</param>
/// <param name="Cpu">Time of the second stage: selection and attention.</param>
public readonly record struct StageTimes(double Npu, double Cpu);

/// <summary>The jobs of a plan with their times.</summary>
/// <param name="Slots">Room for the scores of so many jobs between the stages.</param>
/// <param name="Jobs">KV heads, or groups of them, in order; of each all blocks of queries. In milliseconds, smoothed over the last calls; 0 for units
/// that need no scores because all of their rows are computed densely.</param>
public sealed record PipelineTimes(int Slots, IReadOnlyList<StageTimes> Jobs);

/// <summary>What a schedule comes to, in the unit of its jobs.</summary>
/// <param name="Makespan">From the start of the first job on the NPU to the end of the last on the CPU.</param>
/// <param name="Exposed">Time in which the CPU has nothing to do but wait for scores: the exposed estimate.</param>
/// <param name="NpuIdle">Time before its last job in which the NPU has no free slot to write scores to.</param>
public readonly record struct ScheduleLength(double Makespan, double Exposed, double NpuIdle)
{
    /// <summary>The exposed estimate's share of the critical path.</summary>
    public double ExposedShare => Makespan > 0 ? Exposed / Makespan : 0;
}
