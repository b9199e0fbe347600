using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Asynchronous execution and signals, where the backend offers them.</summary>
internal static unsafe class AsyncChecks
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(10);

    public static void Run(CheckRun run)
    {
        run.Check("notified once, with right results", Once);
        run.Check("several at once", SeveralAtOnce);
        run.Check("before graphFinalize", BeforeFinalize);
        run.Check("signal handles", Signals);
        run.Check("executes with a signal", WithSignal);
        run.Check("a timeout that has passed ends the call", Timeout);
    }

    /// <summary>What a notification writes. It is never freed: a wrong backend may write once more at any time.</summary>
    private struct Notification
    {
        public int Count;
        public ulong Status;

        public static Notification* Create() => (Notification*)NativeMemory.AllocZeroed((nuint)sizeof(Notification));
    }

    /// <summary>Executes a graph asynchronously and waits: status of the call, or of the execution.</summary>
    /// <exception cref="CheckFailedException">No notification came.</exception>
    public static ulong ExecuteAndWait(RawClient client, RawGraph graph)
    {
        Notification* notification = Notification.Create();
        ulong status = Start(client, graph, notification);
        if (status != Expect.Success)
        {
            return status;
        }

        Wait(notification);
        return notification->Status;
    }

    private static ulong Start(RawClient client, RawGraph graph, Notification* notification)
    {
        if (client.Table.graphExecuteAsync == null)
        {
            return Expect.NotSupported;
        }

        // The tensors themselves may have to live until the notification.
        Qnn_Tensor_t* inputs = client.Memory.Copy<Qnn_Tensor_t>([.. graph.Inputs]);
        Qnn_Tensor_t* outputs = client.Memory.Copy<Qnn_Tensor_t>([.. graph.Outputs]);
        return client.Table.graphExecuteAsync(
            graph.Handle, inputs, (uint)graph.Inputs.Count, outputs, (uint)graph.Outputs.Count, null, null, &Notify, notification);
    }

    private static void Wait(Notification* notification)
    {
        long start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref notification->Count) == 0)
        {
            Expect.That(Stopwatch.GetElapsedTime(start) < s_longest, $"notification: expected within {s_longest.TotalSeconds} s, actual none");
            Thread.Sleep(1);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Notify(void* state, Qnn_NotifyStatus_t status)
    {
        var notification = (Notification*)state;
        notification->Status = status.error;
        Interlocked.Increment(ref notification->Count);
    }

    private static Verdict Once(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        for (int i = 0; i < 5; i++)
        {
            RawGraph.Contents(pilot.Outputs[0]).Clear();
            Notification* notification = Notification.Create();
            Expect.OkOrNotOffered("graphExecuteAsync", Start(client, pilot, notification));
            Wait(notification);
            Expect.Ok("status of the notification", notification->Status);
            MatMulChecks.PilotIsExact(pilot, $"execution {i}");
            Thread.Sleep(5);
            Expect.Equal("notifications", 1, Volatile.Read(ref notification->Count));
        }

        return Verdict.Pass("5 executions");
    }

    private static Verdict SeveralAtOnce(RawClient client)
    {
        const int count = 8;
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        RawGraph[] runs = new RawGraph[count];
        nint[] notifications = new nint[count];
        for (int i = 0; i < count; i++)
        {
            runs[i] = pilot.As(client.Context, pilot.Handle);
            runs[i].Rebind(100 * i);
            notifications[i] = (nint)Notification.Create();
            Expect.OkOrNotOffered("graphExecuteAsync", Start(client, runs[i], (Notification*)notifications[i]));
        }

        foreach (nint notification in notifications)
        {
            Wait((Notification*)notification);
            Expect.Ok("status of a notification", ((Notification*)notification)->Status);
        }

        for (int i = 0; i < count; i++)
        {
            MatMulChecks.PilotIsExact(runs[i], $"execution {i}");
        }

        return Verdict.Pass($"{count} executions under way together");
    }

    private static Verdict BeforeFinalize(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        var operand = new Operand(QnnDataType.SFixed8, [1, 1, 8, 8], 1);
        Qnn_Tensor_t[] inputs = [graph.Input(operand.Filled(1)), graph.Input(operand.Filled(2))];
        graph.Add("MatMul", inputs, [graph.Output(operand with { Scale = 64 })]);
        ulong status = ExecuteAndWait(client, graph);
        if (status == Expect.NotSupported)
        {
            throw new NotOfferedException($"graphExecuteAsync says {Expect.Name(status)}");
        }

        Expect.Status("graphExecuteAsync", 6023, status);
        return Verdict.Pass(Expect.Name(6023));
    }

    private static void* CreateSignal(RawClient client, ulong? timeoutMicroseconds = null)
    {
        RawClient.RequireOffered(client.Table.signalCreate, "signalCreate");
        RawClient.RequireOffered(client.Table.signalFree, "signalFree");
        RawClient.RequireOffered(client.Table.signalTrigger, "signalTrigger");
        var config = new QnnSignal_Config_t
        {
            option = timeoutMicroseconds is null
                ? QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_ABORT
                : QnnSignal_ConfigOption_t.QNN_SIGNAL_CONFIG_OPTION_TIMEOUT,
        };
        config.Anonymous.timeoutDurationUs = timeoutMicroseconds ?? 0;
        QnnSignal_Config_t** configs = stackalloc QnnSignal_Config_t*[2];
        configs[0] = &config;
        configs[1] = null;
        void* signal = null;
        Expect.OkOrNotOffered("signalCreate", client.Table.signalCreate(client.Backend, configs, &signal));
        Expect.That(signal != null, "signalCreate: expected a handle, actual success with null");
        return signal;
    }

    private static ulong Execute(RawClient client, RawGraph graph, void* signal)
    {
        fixed (Qnn_Tensor_t* inputs = graph.Inputs.ToArray(), outputs = graph.Outputs.ToArray())
        {
            return client.Table.graphExecute(graph.Handle, inputs, (uint)graph.Inputs.Count, outputs, (uint)graph.Outputs.Count, null, signal);
        }
    }

    private static Verdict Signals(RawClient client)
    {
        void* first = CreateSignal(client);
        void* second = CreateSignal(client);
        Expect.That(first != second, "signalCreate: expected two handles, actual one twice");
        Expect.Status("signalTrigger of an idle signal", 9001, client.Table.signalTrigger(first));
        Expect.Ok("signalFree", client.Table.signalFree(first));
        Expect.Ok("signalFree", client.Table.signalFree(second));
        Expect.Status("signalFree again", 9003, client.Table.signalFree(first));
        return Verdict.Pass();
    }

    private static Verdict WithSignal(RawClient client)
    {
        void* abort = CreateSignal(client);
        void* timeout = CreateSignal(client, 60_000_000);
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        foreach (nint signal in (ReadOnlySpan<nint>)[(nint)abort, (nint)timeout])
        {
            RawGraph.Contents(pilot.Outputs[0]).Clear();
            Expect.Ok("graphExecute with a signal", Execute(client, pilot, (void*)signal));
            MatMulChecks.PilotIsExact(pilot, "with a signal");
            Expect.Ok("signalFree", client.Table.signalFree((void*)signal));
        }

        return Verdict.Pass("abort and timeout");
    }

    private static Verdict Timeout(RawClient client)
    {
        void* signal = CreateSignal(client, 0);
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        ulong status = Execute(client, pilot, signal);
        Expect.Ok("signalFree", client.Table.signalFree(signal));
        Expect.Status("graphExecute", (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_TIMED_OUT, status);
        return Verdict.Pass(Expect.Name(status));
    }
}
