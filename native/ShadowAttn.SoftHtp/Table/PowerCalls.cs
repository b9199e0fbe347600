using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using static ShadowAttn.Interop.Qnn.QnnHtpPerfInfrastructure_PowerConfigOption_t;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>
/// Power votes, as HTP's performance infrastructure takes them. They change nothing here, but they are checked and remembered, so a
/// test sees what a client asked for. Power configurations are known by a 32-bit id; each is also counted as a handle.
/// </summary>
internal sealed unsafe class PowerVotes(SoftHtpInstance instance)
{
    readonly Lock _gate = new();
    readonly Dictionary<uint, PowerObject> _byId = [];
    uint _lastId = 0x5048_0000;

    internal ulong Create(uint device, uint core, uint* id)
    {
        CallGate.Outcome fault = instance.Gate.Enter(QnnCall.PerfCreatePowerConfigId);
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (id == null || device != 0 || core != 0)
        {
            return Status.PerfInvalidInput;
        }
        if (fault.NullResult)
        {
            *id = 0;
            return Status.Success;
        }
        var vote = new PowerObject(instance);
        HandleTable.Add(vote);
        lock (_gate)
        {
            *id = ++_lastId;
            _byId.Add(_lastId, vote);
        }
        return Status.Success;
    }

    internal ulong Destroy(uint id)
    {
        CallGate.Outcome fault = instance.Gate.Enter(QnnCall.PerfDestroyPowerConfigId);
        PowerObject? vote;
        lock (_gate)
        {
            if (!_byId.Remove(id, out vote))
            {
                return Status.PerfInvalidInput;
            }
        }
        vote.Close();
        return fault.Code;
    }

    internal ulong Set(uint id, QnnHtpPerfInfrastructure_PowerConfig_t** config)
    {
        CallGate.Outcome fault = instance.Gate.Enter(QnnCall.PerfSetPowerConfig);
        if (fault.Fails)
        {
            return fault.Code;
        }
        lock (_gate)
        {
            if (config == null || !_byId.TryGetValue(id, out PowerObject? vote))
            {
                return Status.PerfInvalidInput;
            }
            for (int i = 0; config[i] != null; i++)
            {
                ulong status = vote.Apply(*config[i]);
                if (status != Status.Success)
                {
                    return status;
                }
            }
            return Status.Success;
        }
    }

    internal ulong SetMemory(uint device, uint core, QnnHtpPerfInfrastructure_MemoryConfig_t** config)
    {
        CallGate.Outcome fault = instance.Gate.Enter(QnnCall.PerfSetMemoryConfig);
        if (fault.Fails)
        {
            return fault.Code;
        }
        return config == null || device != 0 || core != 0 ? Status.PerfInvalidInput : Status.Success;
    }

    /// <summary>The votes in force, oldest first.</summary>
    internal SoftHtpPowerVote[] Standing()
    {
        lock (_gate)
        {
            uint[] ids = [.. _byId.Keys];
            Array.Sort(ids);
            return Array.ConvertAll(ids, id => _byId[id].Vote);
        }
    }
}

/// <summary>One power configuration.</summary>
internal sealed class PowerObject(SoftHtpInstance instance) : QnnObject(instance, HandleKind.Power)
{
    internal SoftHtpPowerVote Vote { get; private set; }

    internal ulong Apply(in QnnHtpPerfInfrastructure_PowerConfig_t config)
    {
        switch (config.option)
        {
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_DCVS_V3:
                ref readonly QnnHtpPerfInfrastructure_DcvsV3_t dcvs = ref config.Anonymous.dcvsV3Config;
                Vote = Vote with
                {
                    DcvsEnabled = dcvs.setDcvsEnable != 0 ? dcvs.dcvsEnable != 0 : Vote.DcvsEnabled,
                    PowerMode = (int)dcvs.powerMode,
                    SleepLatencyUs = dcvs.setSleepLatency != 0 ? (int)dcvs.sleepLatency : Vote.SleepLatencyUs,
                    BusCornerTarget = dcvs.setBusParams != 0 ? (int)dcvs.busVoltageCornerTarget : Vote.BusCornerTarget,
                    CoreCornerTarget = dcvs.setCoreParams != 0 ? (int)dcvs.coreVoltageCornerTarget : Vote.CoreCornerTarget,
                };
                return Status.Success;
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_RPC_CONTROL_LATENCY:
                Vote = Vote with { RpcControlLatencyUs = (int)config.Anonymous.rpcControlLatencyConfig };
                return Status.Success;
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_RPC_POLLING_TIME:
                if (config.Anonymous.rpcPollingTimeConfig > QnnApi.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIG_MAX_RPC_POLLING_TIME)
                {
                    return Status.PerfInvalidInput;
                }
                Vote = Vote with { RpcPollingUs = (int)config.Anonymous.rpcPollingTimeConfig };
                return Status.Success;
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_HMX_TIMEOUT_INTERVAL_US:
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_HMX_V2:
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_ADAPTIVE_POLLING_TIME:
            case QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_DDR_PERF_MODE:
                return Status.Success;
            default:
                return Status.PerfUnsupportedConfig;
        }
    }
}
