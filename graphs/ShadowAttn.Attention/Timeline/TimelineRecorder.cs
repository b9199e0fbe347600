using System.Diagnostics;

namespace ShadowAttn.Attention;

/// <summary>What one lane did for a while.</summary>
/// <param name="Name">The operator, as the report calls it; in the lane of the CPU stage what the stage did.</param>
/// <param name="StartTicks">When it began, in ticks of <see cref="Stopwatch"/>.</param>
/// <param name="EndTicks">When it ended; not after the start of the lane's next event.</param>
/// <param name="Item">What it was about.</param>
public readonly record struct TimelineEvent(string Name, long StartTicks, long EndTicks, WorkItem Item)
{
    /// <summary>How long it took, in milliseconds.</summary>
    public double Milliseconds => (EndTicks - StartTicks) * 1000.0 / Stopwatch.Frequency;
}

/// <summary>The events of one lane, in the order of time.</summary>
/// <param name="Device"><c>cpu</c> or <c>npu</c>.</param>
/// <param name="Name">The lane: a stage or a worker.</param>
/// <param name="Worker">The worker's number; -1 for a stage.</param>
/// <param name="Events">The events.</param>
public sealed record TimelineLane(string Device, string Name, int Worker, IReadOnlyList<TimelineEvent> Events);

/// <summary>
/// Records what every worker and the NPU do during a call of the operator whose <see cref="ShadowAttention.Recorder"/> it is. Each lane has a ring of
/// events that is allocated before the first recorded call: recording allocates nothing, and the last call is what is left.
/// </summary>
public sealed class TimelineRecorder
{
    private const int CpuStage = 0;
    private const int NpuStage = 1;
    private const int FirstWorker = 2;

    private Ring[] rings = [];

    /// <summary>A recorder.</summary>
    /// <param name="eventsPerLane">Room for so many events in each lane; when a call has more, the first ones are overwritten.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not from 1 to 2^24.</exception>
    public TimelineRecorder(int eventsPerLane = 1 << 14)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(eventsPerLane, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(eventsPerLane, 1 << 24);
        EventsPerLane = eventsPerLane;
    }

    /// <summary>The most events of a lane that are kept.</summary>
    public int EventsPerLane { get; }

    /// <summary>When the last call began, in ticks of <see cref="Stopwatch"/>.</summary>
    public long StartTicks { get; private set; }

    /// <summary>When the last call ended.</summary>
    public long EndTicks { get; private set; }

    /// <summary>Events of the last call that were overwritten because a lane had no more room.</summary>
    public long Dropped => rings.Sum(r => Math.Max(0, r.Count - EventsPerLane));

    /// <summary>A copy of what the last call did: the CPU stage, the NPU stage, the workers. A lane without events is left out.</summary>
    public IReadOnlyList<TimelineLane> Read()
    {
        List<TimelineLane> lanes = [];
        for (int lane = 0; lane < rings.Length; lane++)
        {
            if (rings[lane].Count > 0)
            {
                string name = lane switch
                {
                    CpuStage => "CPU stage",
                    NpuStage => "NPU stage",
                    FirstWorker => "worker 0 (caller)",
                    _ => $"worker {lane - FirstWorker}",
                };
                lanes.Add(new TimelineLane(lane == NpuStage ? "npu" : "cpu", name, lane >= FirstWorker ? lane - FirstWorker : -1, Events(rings[lane])));
            }
        }

        return lanes;
    }

    /// <summary>Forgets the last call. Allocates when the number of workers is another than before.</summary>
    internal void Restart(int workers)
    {
        if (rings.Length != workers + FirstWorker)
        {
            rings = new Ring[workers + FirstWorker];
            for (int i = 0; i < rings.Length; i++)
            {
                rings[i] = new Ring(EventsPerLane);
            }
        }

        foreach (Ring ring in rings)
        {
            ring.Count = 0;
        }
    }

    internal void Begin(long start)
    {
        StartTicks = start;
        EndTicks = start;
    }

    internal void End(long end) => EndTicks = end;

    /// <summary>A worker worked; called by that worker only.</summary>
    internal void Worked(int worker, string name, long start, long end, in WorkItem item) => rings[FirstWorker + worker].Add(name, start, end, item);

    /// <summary>The CPU stage did or awaited something; called by the caller's thread only.</summary>
    internal void CpuStaged(string name, long start, long end, in WorkItem item) => rings[CpuStage].Add(name, start, end, item);

    /// <summary>The NPU executed a graph; called by one thread at a time.</summary>
    internal void NpuStaged(string name, long start, long end, in WorkItem item) => rings[NpuStage].Add(name, start, end, item);

    private TimelineEvent[] Events(Ring ring)
    {
        var events = new TimelineEvent[Math.Min(ring.Count, EventsPerLane)];
        long first = ring.Count - events.Length;
        for (int i = 0; i < events.Length; i++)
        {
            events[i] = ring.Slots[(first + i) % EventsPerLane];
        }

        return events;
    }

    private sealed class Ring(int capacity)
    {
        public readonly TimelineEvent[] Slots = new TimelineEvent[capacity];
        public long Count;

        public void Add(string name, long start, long end, in WorkItem item)
        {
            Slots[Count % Slots.Length] = new TimelineEvent(name, start, end, item);
            Count++;
        }
    }
}
