using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Table;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A signal: ends the call it was given to, when triggered or after a time. It serves one call at a time.</summary>
internal sealed class SignalObject : QnnObject
{
    const int Idle = 0;
    const int Busy = 1;
    const int Triggered = 2;

    readonly BackendObject _backend;
    long _deadlineNs;
    int _state;

    internal SignalObject(BackendObject backend)
        : base(backend.Instance, HandleKind.Signal) => _backend = backend;

    /// <summary>Microseconds after which the call ends; null for a signal that is triggered.</summary>
    internal ulong? TimeoutUs { get; set; }

    internal bool IsBusy => Volatile.Read(ref _state) != Idle;

    /// <summary>Attaches the signal to a call; false when it serves another.</summary>
    internal bool TryAttach()
    {
        if (Interlocked.CompareExchange(ref _state, Busy, Idle) != Idle)
        {
            return false;
        }
        Volatile.Write(ref _deadlineNs, TimeoutUs is { } us ? Clock.Now() + (long)Math.Min(us, long.MaxValue / 2000) * 1000 : long.MaxValue);
        return true;
    }

    internal void Detach() => Volatile.Write(ref _state, Idle);

    /// <summary>Ends the call that the signal serves.</summary>
    internal ulong Trigger()
    {
        if (TimeoutUs is not null)
        {
            return Status.SignalIncompatible;
        }
        return Interlocked.CompareExchange(ref _state, Triggered, Busy) == Idle ? Status.SignalIdle : Status.Success;
    }

    /// <summary>0 while the call may go on, else the status that it ends with.</summary>
    internal ulong Verdict()
    {
        if (Volatile.Read(ref _state) == Triggered)
        {
            return Status.GraphAborted;
        }
        return Clock.Now() >= Volatile.Read(ref _deadlineNs) ? Status.GraphTimedOut : 0;
    }

    protected override void OnClosed() => _backend.Disown(this);
}
