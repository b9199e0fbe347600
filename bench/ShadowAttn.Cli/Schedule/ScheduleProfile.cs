using System.Text.Json;
using System.Text.Json.Serialization;
using ShadowAttn.Attention;

namespace ShadowAttn.Cli.Schedule;

/// <summary>Stage times of a layer's units for each number of KV heads per graph; a JSON file.</summary>
internal sealed record ScheduleProfile
{
    public const int MostJobs = 100_000;

    public required StagePlan[] Plans { get; init; }

    /// <summary>Reads a profile.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It cannot be read, or is no such profile.</exception>
    public static ScheduleProfile Read(string path)
    {
        ScheduleProfile? profile;
        try
        {
            profile = JsonSerializer.Deserialize(File.ReadAllBytes(path), ScheduleJsonContext.Default.ScheduleProfile);
        }
        catch (JsonException e)
        {
            throw new InputException($"--profile: {path} is no profile of stage times: {InputException.OneLine(e.Message)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"--profile: {path} cannot be read: {InputException.OneLine(e.Message)}", e);
        }

        if (profile?.Plans is not { Length: > 0 })
        {
            throw new InputException($"--profile: {path} has no plans");
        }

        foreach (StagePlan plan in profile.Plans)
        {
            string? problem = plan switch
            {
                null => "a plan is null",
                { HeadsPerGraph: < 1 } => $"heads_per_graph is {plan.HeadsPerGraph}; it must be at least 1",
                { Slots: < 1 } => $"slots is {plan.Slots}; there must be room for the scores of at least 1 job",
                { Jobs: not { Length: > 0 and <= MostJobs } } => $"a plan needs 1 to {MostJobs} jobs",
                _ when Array.Exists(plan.Jobs, j => j is null || !IsTime(j.NpuMs) || !IsTime(j.CpuMs)) =>
                    "every job needs npu_ms and cpu_ms that are finite and not negative",
                _ => null,
            };
            if (problem is not null)
            {
                throw new InputException($"--profile: {path}: {problem}");
            }
        }

        return profile;
    }

    private static bool IsTime(double ms) => double.IsFinite(ms) && ms >= 0;
}

/// <summary>The units of a layer when a graph has so many KV heads.</summary>
internal sealed record StagePlan
{
    public required int HeadsPerGraph { get; init; }

    /// <summary>Room for the scores of so many jobs between the stages.</summary>
    public required int Slots { get; init; }

    public required StageJob[] Jobs { get; init; }

    public static StagePlan Of(int headsPerGraph, PipelineTimes times) => new()
    {
        HeadsPerGraph = headsPerGraph,
        Slots = times.Slots,
        Jobs = [.. times.Jobs.Select(j => new StageJob(j.Npu, j.Cpu))],
    };

    public ScheduleLength Simulate(HeadSchedule schedule)
    {
        StageTimes[] jobs = [.. Jobs.Select(j => new StageTimes(j.NpuMs, j.CpuMs))];
        int[] order = new int[jobs.Length];
        FlowShop.Order(schedule, jobs, order);
        return FlowShop.Simulate(jobs, order, Slots);
    }
}

/// <summary>One unit's time on each stage.</summary>
internal sealed record StageJob(double NpuMs, double CpuMs);

/// <summary>The JSON of <c>schedule</c>.</summary>
internal sealed record ScheduleReport(string Source, ScheduleRow[] Rows);

/// <summary>An order of the jobs of a plan. The measured columns are null where only a profile is simulated.</summary>
internal sealed record ScheduleRow
{
    public required int HeadsPerGraph { get; init; }

    public required string Schedule { get; init; }

    public required int Jobs { get; init; }

    public required int Slots { get; init; }

    public required double SimulatedMs { get; init; }

    public required double SimulatedExposedMs { get; init; }

    public required double SimulatedExposedShare { get; init; }

    public required double? MeasuredMs { get; init; }

    public required double? MeasuredExposedMs { get; init; }

    public required double? MeasuredExposedShare { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(ScheduleProfile))]
[JsonSerializable(typeof(ScheduleReport))]
internal sealed partial class ScheduleJsonContext : JsonSerializerContext;
