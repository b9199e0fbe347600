using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>Monotonic time in nanoseconds, and waiting for a point of it.</summary>
internal static partial class Clock
{
    // A sleep ends up to this much late; the rest of a wait is spun.
    const long SleepSlackNs = 100_000;

    internal static long Now() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    /// <summary>Returns at or shortly after <paramref name="deadlineNs"/>: sleeps the bulk, spins the end.</summary>
    internal static void WaitUntil(long deadlineNs)
    {
        for (long left = deadlineNs - Now(); left > SleepSlackNs; left = deadlineNs - Now())
        {
            Sleep(left - SleepSlackNs);
        }
        while (Now() < deadlineNs)
        {
            Thread.SpinWait(20);
        }
    }

    static unsafe void Sleep(long ns)
    {
        if (OperatingSystem.IsWindows())
        {
            Thread.Sleep((int)Math.Min(ns / 1_000_000, int.MaxValue));
            return;
        }

        // Thread.Sleep knows whole milliseconds only: what is left of them would be spun, on a core that others want.
        TimeSpec time = new() { Seconds = (nint)(ns / 1_000_000_000), Nanoseconds = (nint)(ns % 1_000_000_000) };
        _ = NanoSleep(&time, null);
    }

    [StructLayout(LayoutKind.Sequential)]
    struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static unsafe partial int NanoSleep(TimeSpec* time, TimeSpec* left);
}
