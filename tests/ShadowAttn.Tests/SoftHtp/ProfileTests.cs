using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class ProfileTests
{
    private static readonly TestTensor A = new(QNN_DATATYPE_SFIXED_POINT_8, [16, 32], 1, 0, new byte[512]);
    private static readonly TestTensor Product = new(QNN_DATATYPE_SFIXED_POINT_8, [16, 16], 64);

    private static ComposedGraph Graph(TableClient client) => client.Compose("MatMul", [A, A], [Product], [client.Flag("transpose_in1", true)]);

    private static void* Profile(TableClient client, uint level)
    {
        void* profile = null;
        TableClient.Ok(client.Q.profileCreate(client.Backend, level, &profile));
        return profile;
    }

    /// <summary>"type unit identifier" of each event.</summary>
    private static string[] Events(TableClient client, void* profile, out ulong[] ids)
    {
        ulong* events;
        uint count;
        TableClient.Ok(client.Q.profileGetEvents(profile, &events, &count));
        ids = new ReadOnlySpan<ulong>(events, (int)count).ToArray();
        return Array.ConvertAll(ids, id => Describe(client, id));
    }

    private static string Describe(TableClient client, ulong id)
    {
        QnnProfile_EventData_t data;
        TableClient.Ok(client.Q.profileGetEventData(id, &data));
        return $"{data.type} {data.unit} {Marshal.PtrToStringUTF8((nint)data.identifier)}";
    }

    [Fact]
    public void Basic_events_are_of_the_whole_call()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = Graph(client);
        void* profile = Profile(client, QnnApi.QNN_PROFILE_LEVEL_BASIC);
        Assert.Empty(Events(client, profile, out _));
        TableClient.Ok(client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, profile, null));
        Assert.Equal(
            ["8001 4 Number of HVX threads used", "3004 1 Accelerator (execute) time", "400 1 QNN (execute) time"],
            Events(client, profile, out _));
    }

    [Fact]
    public void Detailed_events_have_the_nodes()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, Latency = new LatencyModel(0, 10) });
        ComposedGraph graph = Graph(client);
        void* profile = Profile(client, QnnApi.QNN_PROFILE_LEVEL_DETAILED);
        TableClient.Ok(client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, profile, null));
        string[] events = Events(client, profile, out ulong[] ids);
        Assert.Equal("3003 3 Accelerator (execute) time (cycles)", events[1]);
        ulong* nodes;
        uint count;
        TableClient.Ok(client.Q.profileGetSubEvents(ids[1], &nodes, &count));
        Assert.Equal(1U, count);
        Assert.Equal("404 3 node:OpId_1 (cycles)", Describe(client, nodes[0]));
        QnnProfile_EventData_t node;
        TableClient.Ok(client.Q.profileGetEventData(nodes[0], &node));
        Assert.True(node.value >= 16 * 16 * 32 * 10, $"{node.value} cycles");
        QnnProfile_ExtendedEventData_t extended;
        TableClient.Ok(client.Q.profileGetExtendedEventData(nodes[0], &extended));
        Assert.Equal(node.value, extended.Anonymous.v1.Anonymous.value.Anonymous.uint64Value);
    }

    [Fact]
    public void Each_call_replaces_the_events_of_the_last()
    {
        using TableClient client = TableClient.OfSoftHtp();
        void* profile = Profile(client, QnnApi.QNN_PROFILE_LEVEL_BASIC);
        ComposedGraph graph = Graph(client);
        TableClient.Ok(client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, profile, null));
        Events(client, profile, out ulong[] stale);
        TableClient.Ok(client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, profile, null));
        Assert.Equal(3, Events(client, profile, out _).Length);
        QnnProfile_EventData_t data;
        Assert.Equal(1004UL, client.Q.profileGetEventData(stale[0], &data));
        TableClient.Ok(client.Q.contextFree(client.Context, profile));
        Assert.Equal(["500 1 QNN (deinit) time"], Events(client, profile, out _));
        TableClient.Ok(client.Q.profileFree(profile));
        Assert.Equal(0, client.Soft.LiveHandles.Profiles);
    }

    [Fact]
    public void Events_can_be_limited()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = Graph(client);
        void* profile = Profile(client, QnnApi.QNN_PROFILE_LEVEL_BASIC);
        var most = new QnnProfile_Config_t { option = QnnProfile_ConfigOption_t.QNN_PROFILE_CONFIG_OPTION_MAX_EVENTS };
        most.Anonymous.numMaxEvents = 2;
        QnnProfile_Config_t** config = stackalloc QnnProfile_Config_t*[] { &most, null };
        TableClient.Ok(client.Q.profileSetConfig(profile, config));
        TableClient.Ok(client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, profile, null));
        Assert.Equal(2, Events(client, profile, out _).Length);
    }

    [Fact]
    public void Wrong_profiles_levels_and_events_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = Graph(client);
        void* profile = null;
        Assert.Equal(1004UL, client.Q.profileCreate(client.Backend, 55, &profile));
        Assert.Equal(1004UL, client.Q.profileCreate(client.Backend, 1, null));
        Assert.Equal(6000UL, client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, (void*)0x77, null));
        QnnProfile_EventData_t data;
        ulong* events;
        uint count;
        foreach (ulong id in (ulong[])[0, 1, 12345, ulong.MaxValue, (ulong)client.Context])
        {
            Assert.Equal(1004UL, client.Q.profileGetEventData(id, &data));
            Assert.Equal(1004UL, client.Q.profileGetSubEvents(id, &events, &count));
        }
        Assert.Equal(12000UL, client.Q.profileGetEvents((void*)0x77, &events, &count));
    }
}
