namespace ShadowAttn.SoftHtp;

/// <summary>A power vote of a client, as it stands.</summary>
/// <param name="DcvsEnabled">Whether clocks follow the load.</param>
/// <param name="PowerMode"><c>QnnHtpPerfInfrastructure_PowerMode_t</c>; 0 before any vote.</param>
/// <param name="SleepLatencyUs">Microseconds of wake-up that the client accepts.</param>
/// <param name="BusCornerTarget"><c>QnnHtpPerfInfrastructure_VoltageCorner_t</c> of the bus.</param>
/// <param name="CoreCornerTarget"><c>QnnHtpPerfInfrastructure_VoltageCorner_t</c> of the core.</param>
/// <param name="RpcControlLatencyUs">Microseconds of remote-call latency asked for.</param>
/// <param name="RpcPollingUs">Microseconds that a caller polls for its result.</param>
public readonly record struct SoftHtpPowerVote(
    bool DcvsEnabled,
    int PowerMode,
    int SleepLatencyUs,
    int BusCornerTarget,
    int CoreCornerTarget,
    int RpcControlLatencyUs,
    int RpcPollingUs);
