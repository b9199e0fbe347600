using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>Functions that a backend calls to log.</summary>
internal static unsafe class RawLog
{
    private static int s_lines;
    private static int s_lowest;

    /// <summary>Lines that came to <see cref="Count"/> since the last <see cref="Reset"/>.</summary>
    public static int Lines => Volatile.Read(ref s_lines);

    /// <summary>The least important level among them; the larger the number, the less important.</summary>
    public static int Lowest => Volatile.Read(ref s_lowest);

    /// <summary>Starts counting anew.</summary>
    public static void Reset()
    {
        Volatile.Write(ref s_lines, 0);
        Volatile.Write(ref s_lowest, 0);
    }

    /// <summary>Drops every line.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Ignore(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments)
    {
    }

    /// <summary>Counts every line.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Count(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments)
    {
        Interlocked.Increment(ref s_lines);
        int seen = Lowest;
        while ((int)level > seen)
        {
            seen = Interlocked.CompareExchange(ref s_lowest, (int)level, seen);
        }
    }
}
