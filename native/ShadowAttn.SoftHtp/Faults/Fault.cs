namespace ShadowAttn.SoftHtp;

/// <summary>What a fault does to the call it strikes.</summary>
public enum FaultEffect
{
    /// <summary>The call does nothing and returns <see cref="Fault.Code"/>. A freeing call still frees: its caller has no second way.</summary>
    Fail,

    /// <summary>The call returns success and leaves null (or zero) where its result belongs.</summary>
    NullResult,

    /// <summary>The call works, <see cref="Fault.DelayNs"/> late.</summary>
    Delay,
}

/// <summary>One planned fault.</summary>
/// <param name="Call">Slot name of the provider table, for example <c>graphExecute</c>; also <c>getProviders</c> and
/// <c>perfCreatePowerConfigId</c>, <c>perfDestroyPowerConfigId</c>, <c>perfSetPowerConfig</c>, <c>perfSetMemoryConfig</c>.</param>
/// <param name="Nth">Which call of that name it strikes, counted from 1 per backend instance; 0: every one.</param>
/// <param name="Effect">What happens.</param>
/// <param name="Code">Status that a failing call returns; must not be 0 there.</param>
/// <param name="DelayNs">Nanoseconds a delayed call waits first.</param>
public sealed record Fault(string Call, int Nth, FaultEffect Effect, ulong Code = 0, long DelayNs = 0)
{
    /// <summary>The call named <paramref name="call"/> fails with <paramref name="code"/> at its <paramref name="nth"/> time.</summary>
    public static Fault Fail(string call, int nth, ulong code) => new(call, nth, FaultEffect.Fail, code);

    /// <summary>The call named <paramref name="call"/> returns success without a result at its <paramref name="nth"/> time.</summary>
    public static Fault Null(string call, int nth) => new(call, nth, FaultEffect.NullResult);

    /// <summary>The call named <paramref name="call"/> is late by <paramref name="delayNs"/> at its <paramref name="nth"/> time.</summary>
    public static Fault Delay(string call, int nth, long delayNs) => new(call, nth, FaultEffect.Delay, DelayNs: delayNs);

    /// <summary>Reads <c>call:nth:code</c>, <c>call:nth:null</c> or <c>call:nth:delay_us=N</c>.</summary>
    /// <exception cref="FormatException">The text has another form; the message says which part.</exception>
    public static Fault Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        if (parts.Length != 3 || !int.TryParse(parts[1], out int nth) || nth < 0)
        {
            throw new FormatException($"Fault '{text}': expected call:nth:code, call:nth:null or call:nth:delay_us=N, nth counted from 1 (0: every call).");
        }
        if (parts[2] == "null")
        {
            return Null(parts[0], nth);
        }
        if (parts[2].StartsWith("delay_us=", StringComparison.Ordinal) && long.TryParse(parts[2]["delay_us=".Length..], out long us) && us >= 0)
        {
            return Delay(parts[0], nth, us * 1000);
        }
        if (ulong.TryParse(parts[2], out ulong code) && code != 0)
        {
            return Fail(parts[0], nth, code);
        }
        throw new FormatException($"Fault '{text}': '{parts[2]}' is neither a status code, 'null' nor 'delay_us=N'.");
    }
}
