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

    /// <summary>
    /// A Snapdragon 8 Gen 3: a launch of 1, 2 and 4 heads of 128 x 64 by 2,048 x 64 takes 2, 2.7 and 4 ms; 2, 3 and 4 ms were measured on one, by others.
    /// </summary>
    public static LatencyModel Snapdragon8Gen3 => new(1_333_000, 0.03974);

    internal bool IsNone => LaunchNs == 0 && NsPerMac == 0;

    internal long Of(ulong macs) => LaunchNs + (long)(NsPerMac * macs);
}
