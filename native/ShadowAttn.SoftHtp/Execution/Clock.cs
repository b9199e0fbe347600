using System.Diagnostics;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>Monotonic time in nanoseconds, and waiting for a point of it.</summary>
internal static class Clock
{
    // A sleep ends up to this much late; the rest of a wait is spun.
    const long SleepSlackNs = 200_000;

    internal static long Now() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    /// <summary>Returns at or shortly after <paramref name="deadlineNs"/>: sleeps the bulk, spins the end.</summary>
    internal static void WaitUntil(long deadlineNs)
    {
        long left = deadlineNs - Now();
        if (left > SleepSlackNs + 1_000_000)
        {
            Thread.Sleep((int)Math.Min((left - SleepSlackNs) / 1_000_000, int.MaxValue));
        }
        while (Now() < deadlineNs)
        {
            Thread.SpinWait(20);
        }
    }
}
