using System.Globalization;

namespace ShadowAttn.Tests;

/// <summary>The process's memory that is in RAM, by Linux's count.</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes at this moment; null where it is not known.</summary>
    public static long? Now => Read("VmRSS:");

    /// <summary>The most bytes since <see cref="ResetPeak"/>; null where it is not known.</summary>
    public static long? Peak => Read("VmHWM:");

    /// <summary>Lets the peak start anew; false where that cannot be done.</summary>
    public static bool ResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return Peak is not null && Now is not null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long? Read(string name)
    {
        if (!File.Exists("/proc/self/status"))
        {
            return null;
        }

        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        return line is null ? null : 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Trim(), CultureInfo.InvariantCulture);
    }
}
