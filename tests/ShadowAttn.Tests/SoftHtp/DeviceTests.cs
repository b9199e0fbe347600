using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class DeviceTests
{
    private static (uint Soc, uint Arch, uint Vtcm) Read(QnnDevice_PlatformInfo_t* info)
    {
        Assert.Equal(1U, info->Anonymous.v1.numHwDevices);
        ref QnnDevice_HardwareDeviceInfoV1_t device = ref info->Anonymous.v1.hwDevices[0].Anonymous.v1;
        Assert.Equal(1U, device.numCores);
        ref QnnHtpDevice_OnChipDeviceInfoExtension_t chip = ref device.deviceInfoExtension->Anonymous.onChipDevice;
        return (chip.socModel, (uint)chip.arch, (uint)chip.vtcmSize);
    }

    [Fact]
    public void The_platform_is_what_the_options_say()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, SocModel = 69, Arch = 79, VtcmMib = 4 });
        QnnDevice_PlatformInfo_t* info;
        TableClient.Ok(client.Q.deviceGetPlatformInfo(client.Log, &info));
        Assert.Equal((69U, 79U, 4U), Read(info));
        TableClient.Ok(client.Q.deviceFreePlatformInfo(client.Log, info));
        Assert.Equal(1004UL, client.Q.deviceFreePlatformInfo(client.Log, info));
        Assert.Equal(1004UL, client.Q.deviceGetPlatformInfo(client.Log, null));
        TableClient.Ok(client.Q.deviceGetInfo(client.Device, &info));
        Assert.Equal((69U, 79U, 4U), Read(info));
    }

    [Fact]
    public void A_device_can_be_made_for_another_soc()
    {
        using TableClient client = TableClient.OfSoftHtp();
        QnnHtpDevice_CustomConfig_t soc = new() { option = QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_SOC };
        soc.Anonymous.socModel = 43;
        QnnHtpDevice_CustomConfig_t arch = new() { option = QnnHtpDevice_ConfigOption_t.QNN_HTP_DEVICE_CONFIG_OPTION_ARCH };
        arch.Anonymous.arch.arch = QnnHtpDevice_Arch_t.QNN_HTP_DEVICE_ARCH_V73;
        QnnDevice_Config_t first = new(), second = new();
        first.Anonymous.customConfig = &soc;
        second.Anonymous.customConfig = &arch;
        QnnDevice_Config_t** config = stackalloc QnnDevice_Config_t*[] { &first, &second, null };
        void* device = null;
        TableClient.Ok(client.Q.deviceCreate(client.Log, config, &device));
        QnnDevice_PlatformInfo_t* info;
        TableClient.Ok(client.Q.deviceGetInfo(device, &info));
        Assert.Equal((43U, 73U, 8U), Read(info));
        arch.Anonymous.arch.arch = (QnnHtpDevice_Arch_t)74;
        Assert.Equal(14001UL, client.Q.deviceCreate(client.Log, config, &device));
        Assert.Equal(14001UL, client.Q.deviceSetConfig(client.Device, config));
        Assert.Contains(client.Messages, message => message.Contains("74", StringComparison.Ordinal));
    }

    [Fact]
    public void Power_votes_are_checked_remembered_and_taken_back()
    {
        using TableClient client = TableClient.OfSoftHtp();
        QnnHtpDevice_Infrastructure_t* infrastructure;
        TableClient.Ok(client.Q.deviceGetInfrastructure(&infrastructure));
        ref QnnHtpDevice_PerfInfrastructure_t perf = ref infrastructure->Anonymous.perfInfra;
        uint id;
        TableClient.Ok(perf.createPowerConfigId(0, 0, &id));
        Assert.Equal(1, client.Soft.LiveHandles.PowerConfigs);

        QnnHtpPerfInfrastructure_PowerConfig_t dcvs = new() { option = QnnHtpPerfInfrastructure_PowerConfigOption_t.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_DCVS_V3 };
        ref QnnHtpPerfInfrastructure_DcvsV3_t v3 = ref dcvs.Anonymous.dcvsV3Config;
        v3.setDcvsEnable = 1;
        v3.powerMode = QnnHtpPerfInfrastructure_PowerMode_t.QNN_HTP_PERF_INFRASTRUCTURE_POWERMODE_PERFORMANCE_MODE;
        v3.setSleepLatency = 1;
        v3.sleepLatency = 40;
        v3.setCoreParams = 1;
        v3.coreVoltageCornerTarget = QnnHtpPerfInfrastructure_VoltageCorner_t.DCVS_VOLTAGE_VCORNER_TURBO_PLUS;
        QnnHtpPerfInfrastructure_PowerConfig_t polling = new() { option = QnnHtpPerfInfrastructure_PowerConfigOption_t.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_RPC_POLLING_TIME };
        polling.Anonymous.rpcPollingTimeConfig = 9999;
        QnnHtpPerfInfrastructure_PowerConfig_t** config = stackalloc QnnHtpPerfInfrastructure_PowerConfig_t*[] { &dcvs, &polling, null };
        TableClient.Ok(perf.setPowerConfig(id, config));
        Assert.Equal([new SoftHtpPowerVote(false, 16, 40, 0, 144, 0, 9999)], client.Soft.PowerVotes);

        polling.Anonymous.rpcPollingTimeConfig = 10000;
        Assert.Equal(13001UL, perf.setPowerConfig(id, config));
        polling.option = (QnnHtpPerfInfrastructure_PowerConfigOption_t)77;
        Assert.Equal(13002UL, perf.setPowerConfig(id, config));
        Assert.Equal(13001UL, perf.setPowerConfig(777, config));
        Assert.Equal(13001UL, perf.setPowerConfig(id, null));
        Assert.Equal(13001UL, perf.createPowerConfigId(9, 0, &id));
        Assert.Equal(13001UL, perf.createPowerConfigId(0, 0, null));
        TableClient.Ok(perf.destroyPowerConfigId(id));
        Assert.Equal(13001UL, perf.destroyPowerConfigId(id));
        Assert.Empty(client.Soft.PowerVotes);
        Assert.Equal(0, client.Soft.LiveHandles.PowerConfigs);
    }
}
