using ShadowAttn.SoftHtp.Execution;

namespace ShadowAttn.SoftHtp;

/// <summary>Counts the calls of one backend instance and lets the planned faults strike.</summary>
internal sealed class CallGate
{
    static readonly string[] CallNames = BuildNames();

    readonly int[] _counts = new int[CallNames.Length];
    readonly Planned[] _faults;

    readonly record struct Planned(QnnCall Call, int Nth, FaultEffect Effect, ulong Code, long DelayNs);

    internal CallGate(IReadOnlyList<Fault> faults)
    {
        _faults = new Planned[faults.Count];
        for (int i = 0; i < faults.Count; i++)
        {
            Fault fault = faults[i];
            if (fault.Nth < 0 || fault.DelayNs < 0)
            {
                throw new ArgumentException($"Fault on '{fault.Call}': the number of the call and the delay must not be negative.");
            }
            if (fault.Effect == FaultEffect.Fail && fault.Code == 0)
            {
                throw new ArgumentException($"Fault on '{fault.Call}': a failing call needs a status code other than 0.");
            }
            _faults[i] = new Planned(IndexOf(fault.Call), fault.Nth, fault.Effect, fault.Code, fault.DelayNs);
        }
    }

    /// <summary>Counts one call and says what is to happen to it. A delay has passed when this returns.</summary>
    internal Outcome Enter(QnnCall call)
    {
        int nth = Interlocked.Increment(ref _counts[(int)call]);
        Outcome outcome = default;
        foreach (ref readonly Planned fault in _faults.AsSpan())
        {
            if (fault.Call != call || (fault.Nth != 0 && fault.Nth != nth))
            {
                continue;
            }
            switch (fault.Effect)
            {
                case FaultEffect.Fail:
                    outcome = new Outcome(fault.Code, false);
                    break;
                case FaultEffect.NullResult:
                    outcome = new Outcome(outcome.Code, true);
                    break;
                case FaultEffect.Delay:
                    Clock.WaitUntil(Clock.Now() + fault.DelayNs);
                    break;
            }
        }
        return outcome;
    }

    internal long Count(string call) => Volatile.Read(ref _counts[(int)IndexOf(call)]);

    internal static IReadOnlyList<string> Names => CallNames;

    static QnnCall IndexOf(string call)
    {
        int index = Array.IndexOf(CallNames, call);
        return index >= 0
            ? (QnnCall)index
            : throw new ArgumentException($"'{call}' is no call of the provider table; expected a slot name such as 'graphExecute'.", nameof(call));
    }

    static string[] BuildNames()
    {
        string[] names = Enum.GetNames<QnnCall>();
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = char.ToLowerInvariant(names[i][0]) + names[i][1..];
        }
        return names;
    }

    /// <summary>What the fault plan wants of a call.</summary>
    internal readonly record struct Outcome(ulong Code, bool NullResult)
    {
        internal bool Fails => Code != 0;
    }
}
