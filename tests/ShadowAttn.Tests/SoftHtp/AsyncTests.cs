using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class AsyncTests
{
    private static readonly TestTensor A = new(QNN_DATATYPE_SFIXED_POINT_8, [4, 8], 1, 0, Enumerable.Repeat((byte)3, 32).ToArray());
    private static readonly TestTensor Product = new(QNN_DATATYPE_SFIXED_POINT_8, [4, 4], 64);

    private static TableClient Client(long launchNs = 0) =>
        TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, Latency = new LatencyModel(launchNs, 0) });

    private static ComposedGraph Graph(TableClient client) => client.Compose("MatMul", [A, A], [Product], [client.Flag("transpose_in1", true)]);

    /// <summary>Collects what is notified.</summary>
    private sealed class Notices : IDisposable
    {
        private GCHandle _self;

        internal Notices() => _self = GCHandle.Alloc(this);

        internal BlockingCollection<ulong> Statuses { get; } = [];

        internal void* Parameter => (void*)GCHandle.ToIntPtr(_self);

        internal ulong Next()
        {
            Assert.True(Statuses.TryTake(out ulong status, 20_000), "no notification within 20 s");
            return status;
        }

        public void Dispose()
        {
            _self.Free();
            Statuses.Dispose();
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Notify(void* parameter, Qnn_NotifyStatus_t status) =>
        ((Notices)GCHandle.FromIntPtr((nint)parameter).Target!).Statuses.Add(status.error);

    private static ulong Start(TableClient client, ComposedGraph graph, Notices notices, void* signal = null) =>
        client.Q.graphExecuteAsync(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, null, signal, &Notify, notices.Parameter);

    private static void* Signal(TableClient client, ulong? timeoutUs = null)
    {
        var option = new QnnSignal_Config_t
        {
            option = timeoutUs is null ? QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_ABORT : QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_TIMEOUT,
        };
        option.Anonymous.timeoutDurationUs = timeoutUs ?? 0;
        QnnSignal_Config_t** config = stackalloc QnnSignal_Config_t*[] { &option, null };
        void* signal = null;
        TableClient.Ok(client.Q.signalCreate(client.Backend, config, &signal));
        return signal;
    }

    [Fact]
    public void Executions_are_notified_with_their_results_in_place()
    {
        using TableClient client = Client();
        using var notices = new Notices();
        ComposedGraph graph = Graph(client);
        for (int i = 0; i < 20; i++)
        {
            TableClient.Ok(Start(client, graph, notices));
        }
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(0UL, notices.Next());
        }
        Assert.Equal(Enumerable.Repeat((byte)1, 16), graph.Output(0).ToArray());
    }

    [Fact]
    public void A_refused_execution_is_notified()
    {
        using TableClient client = Client();
        using var notices = new Notices();
        ComposedGraph graph = Graph(client);
        graph.Inputs[0].Anonymous.v1.id = 999;
        TableClient.Ok(Start(client, graph, notices));
        Assert.Equal(6004UL, notices.Next());
        Assert.Equal(6000UL, client.Q.graphExecuteAsync(graph.Handle, null, 2, graph.Outputs, 1, null, null, &Notify, notices.Parameter));
    }

    [Fact]
    public void The_queue_has_a_depth()
    {
        using TableClient client = Client(launchNs: 100_000_000);
        using var notices = new Notices();
        var depth = new QnnContext_Config_t { option = QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_ASYNC_EXECUTION_QUEUE_DEPTH };
        depth.Anonymous.asyncExeQueueDepth.type = QnnContext_AsyncExecutionQueueDepthType_t.QNN_CONTEXT_ASYNC_EXECUTION_QUEUE_DEPTH_TYPE_NUMERIC;
        depth.Anonymous.asyncExeQueueDepth.Anonymous.depth = 2;
        QnnContext_Config_t** config = stackalloc QnnContext_Config_t*[] { &depth, null };
        TableClient.Ok(client.Q.contextSetConfig(client.Context, config));
        ComposedGraph graph = Graph(client);
        int started = 0;
        while (Start(client, graph, notices) == 0)
        {
            started++;
            Assert.InRange(started, 1, 3);
        }
        Assert.Equal(6025UL, Start(client, graph, notices));
        for (int i = 0; i < started; i++)
        {
            Assert.Equal(0UL, notices.Next());
        }
    }

    [Fact]
    public void Freeing_the_context_aborts_what_waits()
    {
        using TableClient client = Client(launchNs: 30_000_000);
        using var notices = new Notices();
        ComposedGraph graph = Graph(client);
        for (int i = 0; i < 5; i++)
        {
            TableClient.Ok(Start(client, graph, notices));
        }
        TableClient.Ok(client.Q.contextFree(client.Context, null));
        ulong[] statuses = [.. Enumerable.Range(0, 5).Select(_ => notices.Next())];
        Assert.All(statuses, status => Assert.True(status is 0 or 6031, $"{status}"));
        Assert.Contains(6031UL, statuses);
        Assert.Equal(0, client.Soft.LiveHandles.Graphs);
    }

    [Fact]
    public void A_trigger_aborts_an_execution()
    {
        using TableClient client = Client(launchNs: 10_000_000_000);
        using var notices = new Notices();
        ComposedGraph graph = Graph(client);
        void* signal = Signal(client);
        Assert.Equal(9001UL, client.Q.signalTrigger(signal));
        TableClient.Ok(Start(client, graph, notices, signal));
        Assert.Equal(9000UL, client.Q.signalFree(signal));
        Assert.Equal(9000UL, client.Q.signalSetConfig(signal, null));
        Assert.Equal(6030UL, Start(client, graph, notices, signal));
        long start = Stopwatch.GetTimestamp();
        TableClient.Ok(client.Q.signalTrigger(signal));
        Assert.Equal(6031UL, notices.Next());
        Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < 5);
        TableClient.Ok(client.Q.signalFree(signal));
        Assert.Equal(9003UL, client.Q.signalFree(signal));
        Assert.Equal(0, client.Soft.LiveHandles.Signals);
    }

    [Fact]
    public void A_timeout_ends_an_execution()
    {
        using TableClient client = Client(launchNs: 10_000_000_000);
        ComposedGraph graph = Graph(client);
        void* signal = Signal(client, timeoutUs: 5000);
        Assert.Equal(6033UL, client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, null, signal));
        Assert.Equal(9005UL, client.Q.signalTrigger(signal));
        Assert.Equal(6000UL, client.Q.graphExecute(graph.Handle, graph.Inputs, 2, graph.Outputs, 1, null, (void*)0x77));
    }
}
