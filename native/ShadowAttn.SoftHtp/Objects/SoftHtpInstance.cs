namespace ShadowAttn.SoftHtp.Objects;

/// <summary>One software backend: its options, its planned faults and what it has handed out.</summary>
internal sealed class SoftHtpInstance
{
    readonly int[] _live = new int[(int)HandleKind.Count];

    internal SoftHtpInstance(SoftHtpOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Latency.LaunchNs);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Latency.NsPerMac);
        Options = options;
        Threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        Gate = new CallGate(options.Faults);
    }

    internal SoftHtpOptions Options { get; }

    internal int Threads { get; }

    internal CallGate Gate { get; }

    /// <summary>Set when the owner is gone; no new object is handed out.</summary>
    internal bool IsShut { get; private set; }

    internal void CountHandle(HandleKind kind, int change) => Interlocked.Add(ref _live[(int)kind], change);

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
