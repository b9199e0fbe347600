using System.Diagnostics;
using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class FaultTests
{
    private static readonly TestTensor A = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 4, 8], 1, 0, new byte[32]);
    private static readonly TestTensor Product = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 4, 4], 64);

    private static TableClient With(params Fault[] faults) => TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, Faults = faults });

    [Fact]
    public void A_call_fails_at_its_nth_time_only()
    {
        using TableClient client = With(Fault.Fail("graphExecute", 2, 6031));
        ComposedGraph graph = client.Compose("MatMul", [A, A], [Product], [client.Flag("transpose_in1", true)]);
        Assert.Equal([0UL, 6031UL, 0UL], [graph.Execute(), graph.Execute(), graph.Execute()]);
        Assert.Equal(3, client.Soft.CallCount("graphExecute"));
    }

    [Fact]
    public void A_call_can_fail_always()
    {
        using TableClient client = With(Fault.Fail("graphCreate", 0, 1002));
        void* graph = null;
        Assert.Equal(1002UL, client.Q.graphCreate(client.Context, client.Text("g"), null, &graph));
        Assert.Equal(1002UL, client.Q.graphCreate(client.Context, client.Text("g"), null, &graph));
        Assert.Equal(0, client.Soft.LiveHandles.Graphs);
    }

    [Fact]
    public void A_call_can_return_nothing()
    {
        using TableClient client = With(Fault.Null("contextCreate", 2));
        void* context = (void*)5;
        Assert.Equal(0UL, client.Q.contextCreate(client.Backend, null, null, &context));
        Assert.True(context == null);
        Assert.Equal(1, client.Soft.LiveHandles.Contexts);
    }

    [Fact]
    public void Calls_without_a_handle_are_struck_too()
    {
        using TableClient client = TableClient.Unstarted(new SoftHtpOptions
        {
            Threads = 1,
            Faults = [Fault.Fail("backendCreate", 1, 4000), Fault.Fail("logCreate", 1, 11002), Fault.Fail("getProviders", 1, 1000)],
        });
        void* made = null;
        Assert.Equal(4000UL, client.Q.backendCreate(null, null, &made));
        Assert.Equal(11002UL, client.Q.logCreate(null, ShadowAttn.Interop.Qnn.QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, &made));
        ShadowAttn.Interop.Qnn.QnnInterface_t** list;
        uint count;
        Assert.Equal(1000UL, client.Soft.GetProviders(&list, &count));
        Assert.Equal(0UL, client.Soft.GetProviders(&list, &count));
        Assert.Equal(1U, count);
    }

    [Fact]
    public void A_freeing_call_that_fails_still_frees()
    {
        using TableClient client = With(Fault.Fail("contextFree", 1, 5002));
        Assert.Equal(5002UL, client.Q.contextFree(client.Context, null));
        Assert.Equal(0, client.Soft.LiveHandles.Contexts);
    }

    [Fact]
    public void A_call_can_come_late()
    {
        using TableClient client = With(Fault.Delay("graphExecute", 1, 20_000_000));
        ComposedGraph graph = client.Compose("MatMul", [A, A], [Product], [client.Flag("transpose_in1", true)]);
        long start = Stopwatch.GetTimestamp();
        TableClient.Ok(graph.Execute());
        Assert.True(Stopwatch.GetElapsedTime(start).TotalMilliseconds >= 20);
    }

    [Fact]
    public void Executions_take_the_time_of_the_latency_model()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, Latency = new LatencyModel(4_000_000, 100_000) });
        ComposedGraph graph = client.Compose("MatMul", [A, A], [Product], [client.Flag("transpose_in1", true)]);
        long start = Stopwatch.GetTimestamp();
        TableClient.Ok(graph.Execute());
        // 4 ms and 4 x 4 x 8 multiply-accumulates of 0.1 ms.
        Assert.True(Stopwatch.GetElapsedTime(start).TotalMilliseconds >= 16.8);
    }

    [Fact]
    public void Plans_that_make_no_sense_are_refused()
    {
        Assert.Contains("graphExplode", Assert.Throws<ArgumentException>(() => With(Fault.Fail("graphExplode", 1, 6000))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => With(Fault.Fail("graphExecute", 1, 0)));
        Assert.Throws<ArgumentException>(() => With(Fault.Fail("graphExecute", -1, 6000)));
    }

    [Fact]
    public void Options_are_read_from_text()
    {
        SoftHtpOptions options = SoftHtpOptions.Parse(
            "threads=3; launch_us=150;ns_per_mac=0.5;soc=69;arch=79;vtcm_mib=4;fault=graphExecute:2:6031;fault=graphCreate:1:null;fault=contextFree:0:delay_us=7");
        Assert.Equal(3, options.Threads);
        Assert.Equal(new LatencyModel(150_000, 0.5), options.Latency);
        Assert.Equal((69U, 79U, 4U), (options.SocModel, options.Arch, options.VtcmMib));
        Assert.Equal(
            [Fault.Fail("graphExecute", 2, 6031), Fault.Null("graphCreate", 1), Fault.Delay("contextFree", 0, 7000)], options.Faults);
        foreach (string wrong in (string[])["threads=x", "threads=-1", "speed=3", "launch_us=-4", "fault=graphExecute", "fault=graphExecute:1:soon", "fault=g:-1:3"])
        {
            Assert.Throws<FormatException>(() => SoftHtpOptions.Parse(wrong));
        }
    }
}
