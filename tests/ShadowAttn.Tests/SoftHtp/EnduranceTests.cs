using System.Diagnostics;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>What must not grow over many calls, and what must not mix.</summary>
[Collection(ProcessStateCollection.Name)]
public unsafe class EnduranceTests
{
    private static readonly TestTensor A = Draw(1);

    // Emulated, a tenth of the work takes as long.
    private static int Rounds(int native) => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? native : native / 50;

    private static TestTensor Draw(int seed)
    {
        var tensor = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [4, 16], 1);
        return tensor with { Data = Elements.Draw(new Random(seed), tensor) };
    }

    private static ComposedGraph Graph(TableClient client, TestTensor a, TestTensor b) =>
        client.Compose("MatMul", [a, b], [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [4, 4], 64)], [client.Flag("transpose_in1", true)]);

    private static long ResidentBytes()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    [Fact]
    public void A_million_executions_keep_memory_flat()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1 });
        ComposedGraph graph = Graph(client, A, A);
        ulong status = 0;
        for (int i = 0; i < 1000; i++)
        {
            status |= graph.Execute();
        }
        long before = ResidentBytes();
        for (int i = 0; i < Rounds(1_000_000); i++)
        {
            status |= graph.Execute();
        }
        Assert.Equal(0UL, status);
        Assert.InRange(ResidentBytes() - before, long.MinValue, 8 << 20);
    }

    [Fact]
    public void Contexts_made_and_freed_keep_memory_flat()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1 });
        sbyte* name = client.Text("g");
        // A graph's frame takes half a MiB, touched by the execution: a leak of one per round would show.
        TestTensor half = new(QNN_DATATYPE_SFIXED_POINT_8, [512, 1024], 1);
        Qnn_Tensor_t a = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, half);
        Qnn_Tensor_t sum = client.Tensor("sum", Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE, half);
        Qnn_Tensor_t twice = client.Tensor("twice", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, half);
        Qnn_Tensor_t* tensors = client.Array<Qnn_Tensor_t>([a, sum, twice]);
        byte* contents = client.Bytes(new byte[half.Bytes]);
        long before = 0;
        int rounds = Rounds(150);
        for (int round = -10; round < rounds; round++)
        {
            if (round == 0)
            {
                before = ResidentBytes();
            }
            void* context = null, graph = null;
            TableClient.Ok(client.Q.contextCreate(client.Backend, null, null, &context));
            TableClient.Ok(client.Q.graphCreate(context, name, null, &graph));
            for (int t = 0; t < 3; t++)
            {
                tensors[t].Anonymous.v1.Anonymous.clientBuf = default;
                TableClient.Ok(client.Q.tensorCreateGraphTensor(graph, tensors + t));
            }
            TableClient.Ok(client.Q.graphAddNode(graph, client.Op("ElementWiseAdd", [], [tensors[0], tensors[0]], [tensors[1]])));
            TableClient.Ok(client.Q.graphAddNode(graph, client.Op("ElementWiseAdd", [], [tensors[1], tensors[1]], [tensors[2]])));
            TableClient.Ok(client.Q.graphFinalize(graph, null, null));
            tensors[0].Anonymous.v1.Anonymous.clientBuf = new Qnn_ClientBuffer_t { data = contents, dataSize = (uint)half.Bytes };
            tensors[2].Anonymous.v1.Anonymous.clientBuf = new Qnn_ClientBuffer_t { data = contents, dataSize = (uint)half.Bytes };
            TableClient.Ok(client.Q.graphExecute(graph, tensors, 1, tensors + 2, 1, null, null));
            TableClient.Ok(client.Q.contextFree(context, null));
        }
        Assert.InRange(ResidentBytes() - before, long.MinValue, 24 << 20);
        Assert.Equal(1, client.Soft.LiveHandles.Contexts);
    }

    [Fact]
    public void Two_contexts_on_two_threads_do_not_mix()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 2 });
        ComposedGraph first = Graph(client, A, Draw(2));
        void* own = client.Context;
        void* other = null;
        TableClient.Ok(client.Q.contextCreate(client.Backend, client.Device, null, &other));
        client.Context = other;
        ComposedGraph second = Graph(client, Draw(3), A);
        client.Context = own;
        TableClient.Ok(first.Execute());
        TableClient.Ok(second.Execute());
        byte[][] expected = [first.Output(0).ToArray(), second.Output(0).ToArray()];
        Assert.NotEqual(expected[0], expected[1]);
        int wrong = 0;
        ComposedGraph[] graphs = [first, second];
        Thread[] threads = [.. Enumerable.Range(0, 2).Select(t => new Thread(() =>
        {
            for (int i = 0; i < Rounds(20_000); i++)
            {
                graphs[t].Output(0).Clear();
                if (graphs[t].Execute() != 0 || !graphs[t].Output(0).SequenceEqual(expected[t]))
                {
                    Interlocked.Increment(ref wrong);
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, wrong);
    }
}
