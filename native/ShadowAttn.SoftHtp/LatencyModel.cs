namespace ShadowAttn.SoftHtp;

/// <summary>
/// Time that a graph's execution takes at least, as a real NPU would need it: <c>LaunchNs + NsPerMac * MACs</c>. The work is done
/// first; what remains of that time is slept and spun, so the cores are free for others as they would be beside an NPU. Executions
/// that overlap queue up, since there is one NPU per backend instance.
/// </summary>
/// <param name="LaunchNs">Nanoseconds per execute call: remote procedure call and scheduling.</param>
/// <param name="NsPerMac">Nanoseconds per multiply-accumulate; 0.0005 is 2 TMAC/s. Element-wise operators count one per element.</param>
public readonly record struct LatencyModel(long LaunchNs, double NsPerMac)
{
    /// <summary>Nothing is added to what the work takes.</summary>
    public static LatencyModel None => default;

    internal bool IsNone => LaunchNs == 0 && NsPerMac == 0;

    internal long Of(ulong macs) => LaunchNs + (long)(NsPerMac * macs);
}
