using System.Text;
using ShadowAttn.Attention;

namespace ShadowAttn.Native;

/// <summary><c>sa_call</c>, checked.</summary>
internal unsafe struct CallArguments
{
    public CancellationToken Cancellation;
    public SaStats* Stats;
    public uint StatsSize;
    public delegate* unmanaged[Cdecl]<void*, uint, void> HeadCompleted;
    public void* HeadUser;

    /// <param name="call">The caller's struct; null for nothing.</param>
    /// <exception cref="SaException">A size or a handle is wrong.</exception>
    public static CallArguments Read(SaCall* call)
    {
        SaCall given = SizedStruct.Read(call, FirstBytes, nameof(call));
        var arguments = new CallArguments { Stats = given.Stats, HeadCompleted = given.HeadCompleted, HeadUser = given.HeadUser };
        if (given.Reserved != 0)
        {
            throw SaException.Argument($"call.reserved is {given.Reserved}; it must be 0");
        }

        if (given.Stats != null)
        {
            arguments.StatsSize = SizedStruct.CheckSize(given.Stats, StatsWriter.FirstBytes, "call.stats");
        }

        if (given.Cancellation != 0)
        {
            // The token outlives the handle, so nothing is held.
            using Hold<CancellationObject> hold = HandleTable.Acquire<CancellationObject>(given.Cancellation, "call.cancellation");
            arguments.Cancellation = hold.Target.Token;
        }

        return arguments;
    }

    private const int FirstBytes = 40;
}

/// <summary>Fills <c>sa_stats</c>.</summary>
internal static unsafe class StatsWriter
{
    /// <summary>Up to the operators.</summary>
    public const int FirstBytes = 80;

    public static void Write(in CallArguments call, AttentionReport report, int threads, long converted, long allocated)
    {
        SaStats stats = default;
        stats.Threads = (uint)threads;
        stats.TotalMs = report.TotalMilliseconds;
        stats.ExposedEstimateMs = report.ExposedEstimateMilliseconds;
        stats.KeptKeys = report.KeptKeys;
        stats.VisibleKeys = report.VisibleKeys;
        stats.RescoredRows = report.RescoredRows;
        stats.ExactScores = report.ExactScores;
        stats.BytesCopied = report.BytesCopied + converted;
        stats.AllocatedBytes = allocated;
        stats.OperatorCount = (uint)Math.Min(report.Operators.Length, SaStats.OperatorTimes.Length);
        for (int i = 0; i < (int)stats.OperatorCount; i++)
        {
            OperatorTime time = report.Operators[i];
            ref SaOperatorTime target = ref stats.Operators[i];
            Encoding.UTF8.TryGetBytes(time.Name, ((Span<byte>)target.Name)[..^1], out _);
            target.Device = time.Device == "npu" ? 1 : 0;
            target.Ms = time.Milliseconds;
        }

        SizedStruct.Write(call.Stats, call.StatsSize, stats);
    }
}
