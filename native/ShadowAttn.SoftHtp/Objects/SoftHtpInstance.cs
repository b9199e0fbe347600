using ShadowAttn.SoftHtp.Table;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>One software backend: its options, its planned faults and what it has handed out.</summary>
internal sealed class SoftHtpInstance
{
    long _stagedBytes;
    long _busyUntilNs;
    readonly int[] _live = new int[(int)HandleKind.Count];

    internal SoftHtpInstance(SoftHtpOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Latency.LaunchNs);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Latency.NsPerMac);
        Options = options;
        Threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        Gate = new CallGate(options.Faults);
        Power = new PowerVotes(this);
    }

    internal SoftHtpOptions Options { get; }

    internal int Threads { get; }

    internal CallGate Gate { get; }

    internal PowerVotes Power { get; }

    /// <summary>Set when the owner is gone; no new object is handed out.</summary>
    internal bool IsShut { get; private set; }

    internal void CountHandle(HandleKind kind, int change) => Interlocked.Add(ref _live[(int)kind], change);

    /// <summary>Bytes of operands that executions have copied into another form.</summary>
    internal long StagedBytes => Interlocked.Read(ref _stagedBytes);

    internal void CountStaged(long bytes) => Interlocked.Add(ref _stagedBytes, bytes);

    /// <summary>
    /// The modelled NPU runs one graph after the other: takes it for <paramref name="ns"/> from now or from when it is free, and returns
    /// when that ends.
    /// </summary>
    internal long Occupy(long nowNs, long ns)
    {
        while (true)
        {
            long busyUntil = Volatile.Read(ref _busyUntilNs);
            long end = Math.Max(nowNs, busyUntil) + ns;
            if (Interlocked.CompareExchange(ref _busyUntilNs, end, busyUntil) == busyUntil)
            {
                return end;
            }
        }
    }

    internal int Live(HandleKind kind) => Volatile.Read(ref _live[(int)kind]);

    /// <summary>Closes whatever the client has left behind.</summary>
    internal void Shut()
    {
        IsShut = true;
        foreach (QnnObject left in HandleTable.Of(this))
        {
            left.Close();
        }
    }
}
