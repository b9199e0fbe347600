using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>What a client asks of the HTP's clocks.</summary>
public enum QnnPowerProfile
{
    /// <summary>The device's own scaling; what is in force without a vote.</summary>
    Default,

    /// <summary>Highest clocks and shortest wake-up, for short bursts; heats up.</summary>
    Burst,

    /// <summary>High clocks that can be held.</summary>
    Sustained,

    /// <summary>Medium clocks.</summary>
    Balanced,
}

/// <summary>A power vote of this process on the HTP, in force until it is disposed.</summary>
public sealed unsafe class QnnPowerVote : IDisposable
{
    /// <summary>The longest time for which the HTP lets the caller's core poll for results instead of sleeping.</summary>
    public const int MostRpcPollingMicroseconds = QnnApi.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIG_MAX_RPC_POLLING_TIME;

    const int SleepLatencyShortest = 40;
    const int SleepLatencyShort = 100;
    const int SleepLatencyLong = 1000;

    readonly VoteHandle _handle;

    QnnPowerVote(QnnPowerProfile profile, int rpcPollingMicroseconds, VoteHandle handle)
    {
        Profile = profile;
        RpcPollingMicroseconds = rpcPollingMicroseconds;
        _handle = handle;
    }

    /// <summary>What was asked for.</summary>
    public QnnPowerProfile Profile { get; }

    /// <summary>Time for which the caller's core polls for results; 0 if it sleeps.</summary>
    public int RpcPollingMicroseconds { get; }

    /// <summary>Takes the vote back.</summary>
    public void Dispose() => _handle.Dispose();

    internal static QnnPowerVote Cast(QnnDevice device, QnnPowerProfile profile, int rpcPollingMicroseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rpcPollingMicroseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rpcPollingMicroseconds, MostRpcPollingMicroseconds);
        QnnDriver driver = device.Driver;
        using var hold = new HandleHold(device.Owner);
        QnnHtpDevice_PerfInfrastructure_t infrastructure = FindInfrastructure(driver);
        uint id = 0;
        driver.Check(infrastructure.createPowerConfigId(device.Options.DeviceId ?? 0, 0, &id), "createPowerConfigId");
        var handle = new VoteHandle(driver, infrastructure, id, device.Owner);
        try
        {
            using var arena = new NativeArena();
            var configs = (QnnHtpPerfInfrastructure_PowerConfig_t**)arena.Allocate<nint>(3);
            configs[0] = arena.Allocate<QnnHtpPerfInfrastructure_PowerConfig_t>();
            configs[0]->option = QnnHtpPerfInfrastructure_PowerConfigOption_t.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_DCVS_V3;
            configs[0]->dcvsV3Config = Clocks(profile, id);
            if (rpcPollingMicroseconds > 0)
            {
                configs[1] = arena.Allocate<QnnHtpPerfInfrastructure_PowerConfig_t>();
                configs[1]->option = QnnHtpPerfInfrastructure_PowerConfigOption_t.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_RPC_POLLING_TIME;
                configs[1]->rpcPollingTimeConfig = (uint)rpcPollingMicroseconds;
            }
            driver.Check(infrastructure.setPowerConfig(id, configs), "setPowerConfig", $"{profile}, RPC polling {rpcPollingMicroseconds} us");
            return new QnnPowerVote(profile, rpcPollingMicroseconds, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    static QnnHtpDevice_PerfInfrastructure_t FindInfrastructure(QnnDriver driver)
    {
        QnnHtpDevice_Infrastructure_t* found = null;
        string reason;
        if (!driver.IsHtp)
        {
            reason = "it is no HTP backend";
        }
        else if (driver.Table.deviceGetInfrastructure == null)
        {
            reason = "it has no deviceGetInfrastructure";
        }
        else
        {
            ulong status = driver.Table.deviceGetInfrastructure(&found);
            reason = status != QnnApi.QNN_SUCCESS ? $"deviceGetInfrastructure says {QnnStatus.FromCode(status)}"
                : found == null || found->infraType != QnnHtpDevice_InfrastructureType_t.QNN_HTP_DEVICE_INFRASTRUCTURE_TYPE_PERF
                    ? "its infrastructure is another one"
                : found->perfInfra.createPowerConfigId == null || found->perfInfra.setPowerConfig == null
                    || found->perfInfra.destroyPowerConfigId == null
                    ? "its infrastructure lacks the functions"
                : "";
        }
        return reason.Length == 0
            ? found->perfInfra
            : throw new QnnNotSupportedException($"The backend '{driver.Name}' ({driver.Provider.Info}) takes no power votes: {reason}.");
    }

    static QnnHtpPerfInfrastructure_DcvsV3_t Clocks(QnnPowerProfile profile, uint id)
    {
        bool isDefault = profile == QnnPowerProfile.Default;
        (QnnHtpPerfInfrastructure_VoltageCorner_t corner, int latency) = profile switch
        {
            QnnPowerProfile.Burst => (QnnHtpPerfInfrastructure_VoltageCorner_t.DCVS_VOLTAGE_VCORNER_MAX_VOLTAGE_CORNER, SleepLatencyShortest),
            QnnPowerProfile.Sustained => (QnnHtpPerfInfrastructure_VoltageCorner_t.DCVS_VOLTAGE_VCORNER_TURBO, SleepLatencyShort),
            QnnPowerProfile.Balanced => (QnnHtpPerfInfrastructure_VoltageCorner_t.DCVS_VOLTAGE_VCORNER_NOM_PLUS, SleepLatencyLong),
            _ => (QnnHtpPerfInfrastructure_VoltageCorner_t.DCVS_VOLTAGE_CORNER_DISABLE, SleepLatencyLong),
        };
        return new QnnHtpPerfInfrastructure_DcvsV3_t
        {
            contextId = id,
            setDcvsEnable = 1,
            dcvsEnable = isDefault ? 1u : 0u,
            powerMode = isDefault
                ? QnnHtpPerfInfrastructure_PowerMode_t.QNN_HTP_PERF_INFRASTRUCTURE_POWERMODE_ADJUST_UP_DOWN
                : QnnHtpPerfInfrastructure_PowerMode_t.QNN_HTP_PERF_INFRASTRUCTURE_POWERMODE_PERFORMANCE_MODE,
            setSleepLatency = 1,
            sleepLatency = (uint)latency,
            setSleepDisable = 0,
            sleepDisable = 0,
            setBusParams = isDefault ? 0u : 1u,
            busVoltageCornerMin = corner,
            busVoltageCornerTarget = corner,
            busVoltageCornerMax = corner,
            setCoreParams = isDefault ? 0u : 1u,
            coreVoltageCornerMin = corner,
            coreVoltageCornerTarget = corner,
            coreVoltageCornerMax = corner,
        };
    }

    // The id may be 0, so the handle's value is the id plus one.
    sealed class VoteHandle(QnnDriver driver, QnnHtpDevice_PerfInfrastructure_t infrastructure, uint id, SafeHandle device)
        : OwnedHandle((nint)id + 1, device)
    {
        protected override void Free()
        {
            ulong status = infrastructure.destroyPowerConfigId((uint)(handle - 1));
            if (status != QnnApi.QNN_SUCCESS)
            {
                driver.Log.FreeFailed("destroyPowerConfigId", status);
            }
        }
    }
}
