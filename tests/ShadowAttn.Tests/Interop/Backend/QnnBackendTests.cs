using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Backend;

[Collection("fake provider")]
public sealed class QnnBackendTests
{
    [Fact]
    public void The_backend_says_who_it_is()
    {
        using var fake = new FakeProvider(minor: 25);
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);

        Assert.Equal("fake", backend.Name);
        Assert.Equal("HTP_FAKE", backend.ProviderName);
        Assert.Equal("fake build 7", backend.BuildId);
        Assert.Equal(new QnnApiVersion(2, 25, 0), backend.ApiVersion);
        Assert.Equal(new QnnApiVersion(5, 43, 0), backend.BackendApiVersion);
        Assert.True(backend.IsHtp);
        Assert.True(backend.HasCapability(QnnApi.QNN_PROPERTY_CONTEXT_SUPPORT_CACHING));
        Assert.False(backend.HasCapability(QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_ASYNC_EXECUTION));
        Assert.Equal(
            [
                new QnnDeviceInfo(3, 0, 1, new QnnHtpDeviceInfo(57, QnnHtpArch.V75, 8, false, false)),
                new QnnDeviceInfo(4, 0, 1, new QnnHtpDeviceInfo(57, QnnHtpArch.V75, 8, false, false)),
            ],
            backend.GetPlatformInfo());
        backend.SetLogLevel(QnnLogLevel.Verbose);
        Assert.Contains("logSetLogLevel QNN_LOG_LEVEL_VERBOSE", fake.Calls);
    }

    [Theory]
    [InlineData("backendCreate")]
    [InlineData("backendFree")]
    [InlineData("contextCreate")]
    [InlineData("contextFree")]
    [InlineData("graphCreate")]
    [InlineData("graphAddNode")]
    [InlineData("graphFinalize")]
    [InlineData("graphExecute")]
    [InlineData("tensorCreateGraphTensor")]
    [InlineData("backendValidateOpConfig")]
    public void A_table_without_a_needed_function_is_refused_by_name(string slot)
    {
        using var fake = new FakeProvider(missing: slot);

        var e = Assert.Throws<QnnNotSupportedException>(() => Compose(fake));

        Assert.Equal($"The backend 'fake' (HTP_FAKE with core API 2.32.0) has no {slot}.", e.Message);
        Assert.Equal(0, fake.LiveHandles);
    }

    [Theory]
    [InlineData("logCreate")]
    [InlineData("logFree")]
    [InlineData("deviceCreate")]
    [InlineData("backendGetBuildId")]
    [InlineData("propertyHasCapability")]
    public void A_table_without_a_function_that_can_be_done_without_works(string slot)
    {
        using var fake = new FakeProvider(missing: slot);

        Compose(fake);

        Assert.Equal(0, fake.LiveHandles);
    }

    [Fact]
    public void A_backend_without_devices_works_on_itself()
    {
        using var fake = new FakeProvider();
        fake.Fails["deviceCreate"] = (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_UNSUPPORTED_FEATURE;

        Compose(fake);

        Assert.Equal(0, fake.LiveHandles);
    }

    [Fact]
    public void A_device_is_chosen_by_its_number()
    {
        using var fake = new FakeProvider();
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);

        using QnnDevice device = backend.CreateDevice(new QnnDeviceOptions { DeviceId = 4, Arch = QnnHtpArch.V79 });
        var e = Assert.Throws<ArgumentException>(() => backend.CreateDevice(new QnnDeviceOptions { DeviceId = 9 }));

        Assert.StartsWith("The backend 'fake' has no device 9; it has 3, 4.", e.Message);
        Assert.Equal(fake.Calls.Count(call => call == "deviceGetPlatformInfo"), fake.Calls.Count(call => call == "deviceFreePlatformInfo"));
    }

    [Fact]
    public void Options_of_htp_are_refused_for_another_backend()
    {
        using var fake = new FakeProvider(name: "CPU", backendId: 3);
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);
        using QnnContext context = backend.CreateContext();

        Assert.False(backend.IsHtp);
        Assert.Throws<QnnNotSupportedException>(() => backend.CreateDevice(new QnnDeviceOptions { Arch = QnnHtpArch.V75 }));
        Assert.Throws<QnnNotSupportedException>(() => context.CreateGraph("g", new QnnGraphOptions { HvxThreads = 2 }));
        var e = Assert.Throws<QnnNotSupportedException>(() => backend.Device.VotePower(QnnPowerProfile.Burst));
        Assert.Equal("The backend 'fake' (CPU with core API 2.32.0) takes no power votes: it is no HTP backend.", e.Message);
        context.CreateGraph("h", new QnnGraphOptions { Priority = QnnPriority.High }).Dispose();
    }

    static void Compose(FakeProvider fake)
    {
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);
        using QnnContext context = backend.CreateContext();
        using QnnGraph graph = FakeGraph.Compose(context);
    }
}
