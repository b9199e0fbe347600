using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace ShadowAttn.Attention;

/// <summary>The operators that a call's time is divided among.</summary>
internal enum Stage
{
    Quantize,
    Scores,
    Select,
    Gather,
    Pack,
    Dense,
    Dequantize,
    Tail,
    Certify,
}

/// <summary>What the stages of a mode are called in reports, in the order of <see cref="Stage"/>.</summary>
internal static class StageNames
{
    public static readonly string[] Pilot = ["quantize", "pilot", "select", "gather", "pack", "dense", "dequantize", "tail", "certify"];

    public static readonly string[] FloatEstimate = ["pack", "estimate", "select", "gather", "pack", "attention", "dequantize", "tail", "certify"];

    public static readonly string[] KeepAll = ["quantize", "pilot", "list", "attention", "pack", "attention", "dequantize", "tail", "certify"];
}

/// <summary>Time per worker and stage; a cache line apart so that workers do not disturb each other.</summary>
internal sealed class StageClock(int workers)
{
    private const int Stages = 9;
    private const int Stride = 16;
    private const int ItemStride = 4;

    private readonly long[] ticks = new long[workers * Stride];
    private readonly WorkItem[] items = new WorkItem[workers * ItemStride];
    private TimelineRecorder? recorder;
    private string[] names = StageNames.Pilot;

    public static long Now
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Stopwatch.GetTimestamp();
    }

    /// <summary>Gets every piece of work while a call is recorded; null when none is.</summary>
    public TimelineRecorder? Recorder => recorder;

    /// <summary>Starts a call and returns the time.</summary>
    /// <param name="timeline">Gets every piece of work; null to record nothing.</param>
    /// <param name="stageNames">What the stages are called there.</param>
    public long Restart(TimelineRecorder? timeline, string[] stageNames)
    {
        Array.Clear(ticks);
        names = stageNames;
        recorder = timeline;
        items.AsSpan().Fill(WorkItem.None);
        timeline?.Restart(workers);
        long now = Now;
        timeline?.Begin(now);
        return now;
    }

    /// <summary>Says what a worker is going to work on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int worker, in WorkItem item) => items[worker * ItemStride] = item;

    /// <summary>Adds the time since <paramref name="start"/> and returns the time it is now.</summary>
    public long Add(int worker, Stage stage, long start)
    {
        long now = Now;
        ticks[(worker * Stride) + (int)stage] += now - start;
        recorder?.Worked(worker, names[(int)stage], start, now, items[worker * ItemStride]);
        return now;
    }

    /// <summary>
    /// The same for time in which two stages took turns, <paramref name="innerTicks"/> of it for <paramref name="inner"/>; recorded one after the other.
    /// </summary>
    public long Add(int worker, Stage stage, long start, Stage inner, long innerTicks)
    {
        if (innerTicks == 0)
        {
            return Add(worker, stage, start);
        }

        long now = Now;
        ticks[(worker * Stride) + (int)stage] += now - start - innerTicks;
        ticks[(worker * Stride) + (int)inner] += innerTicks;
        if (recorder is { } timeline)
        {
            WorkItem item = items[worker * ItemStride];
            timeline.Worked(worker, names[(int)stage], start, now - innerTicks, item);
            timeline.Worked(worker, names[(int)inner], now - innerTicks, now, item);
        }

        return now;
    }

    /// <summary>Records what the CPU stage as a whole did since <paramref name="start"/>, and returns the time it is now.</summary>
    public long Staged(string name, long start, in WorkItem item)
    {
        long now = Now;
        recorder?.CpuStaged(name, start, now, item);
        return now;
    }

    /// <summary>Milliseconds of a stage, spread evenly over the workers.</summary>
    public double Milliseconds(Stage stage)
    {
        long sum = 0;
        for (int worker = 0; worker < workers; worker++)
        {
            sum += ticks[(worker * Stride) + (int)stage];
        }

        Debug.Assert((int)stage < Stages, "a stage of its own per slot");
        return sum * 1000.0 / Stopwatch.Frequency / workers;
    }
}
