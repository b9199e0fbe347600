using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Backend;

[Collection("fake provider")]
public sealed class QnnPowerVoteTests : IDisposable
{
    readonly FakeProvider _fake = new();

    public void Dispose() => _fake.Dispose();

    [Theory]
    [InlineData(QnnPowerProfile.Burst, 0, 16, 160, 40)]
    [InlineData(QnnPowerProfile.Sustained, 0, 16, 128, 100)]
    [InlineData(QnnPowerProfile.Balanced, 0, 16, 112, 1000)]
    [InlineData(QnnPowerProfile.Default, 1, 1, 16, 1000)]
    public void A_profile_sets_clocks_and_wake_up(QnnPowerProfile profile, int scaling, int mode, int corner, int latency)
    {
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library);

        using QnnPowerVote vote = backend.Device.VotePower(profile, rpcPollingMicroseconds: 9999);

        Assert.Equal(2, _fake.PowerConfigs.Count);
        QnnHtpPerfInfrastructure_DcvsV3_t clocks = _fake.PowerConfigs[0].dcvsV3Config;
        Assert.Equal(QnnHtpPerfInfrastructure_PowerConfigOption_t.QNN_HTP_PERF_INFRASTRUCTURE_POWER_CONFIGOPTION_DCVS_V3, _fake.PowerConfigs[0].option);
        Assert.Equal((uint)scaling, clocks.dcvsEnable);
        Assert.Equal((uint)mode, (uint)clocks.powerMode);
        Assert.Equal((uint)corner, (uint)clocks.busVoltageCornerTarget);
        Assert.Equal((uint)corner, (uint)clocks.coreVoltageCornerTarget);
        Assert.Equal((uint)latency, clocks.sleepLatency);
        Assert.Equal(9999u, _fake.PowerConfigs[1].rpcPollingTimeConfig);
        Assert.Equal(9999, vote.RpcPollingMicroseconds);
        vote.Dispose();
        Assert.Equal("destroyPowerConfigId", _fake.Calls[^1]);
    }

    [Fact]
    public void Polling_longer_than_htp_allows_is_refused()
    {
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library);

        Assert.Throws<ArgumentOutOfRangeException>(() => backend.Device.VotePower(QnnPowerProfile.Burst, 10_000));
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.Device.VotePower(QnnPowerProfile.Burst, -1));
    }

    [Fact]
    public void A_backend_that_has_no_infrastructure_says_so()
    {
        _fake.Fails["deviceGetInfrastructure"] = 1000;
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library);

        var e = Assert.Throws<QnnNotSupportedException>(() => backend.Device.VotePower(QnnPowerProfile.Burst));

        Assert.Equal("The backend 'fake' (HTP_FAKE with core API 2.32.0) takes no power votes: "
            + "deviceGetInfrastructure says QNN_COMMON_ERROR_NOT_SUPPORTED (1000, common).", e.Message);
    }
}
