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

/// <summary>Time per worker and stage; a cache line apart so that workers do not disturb each other.</summary>
internal sealed class StageClock(int workers)
{
    private const int Stages = 9;
    private const int Stride = 16;

    private readonly long[] ticks = new long[workers * Stride];

    public static long Now
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Stopwatch.GetTimestamp();
    }

    /// <summary>Adds the time since <paramref name="start"/> and returns the time it is now.</summary>
    public long Add(int worker, Stage stage, long start)
    {
        long now = Now;
        ticks[(worker * Stride) + (int)stage] += now - start;
        return now;
    }

    /// <summary>Counts time that <see cref="Add"/> gives to one stage for another.</summary>
    public void Move(int worker, Stage from, Stage to, long duration)
    {
        ticks[(worker * Stride) + (int)from] -= duration;
        ticks[(worker * Stride) + (int)to] += duration;
    }

    public void Clear() => Array.Clear(ticks);

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
