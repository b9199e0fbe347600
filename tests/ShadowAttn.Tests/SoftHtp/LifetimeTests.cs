using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class LifetimeTests
{
    private static readonly TestTensor Q8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 96, 64], 1, 0, Data(96 * 64, 1));
    private static readonly TestTensor K8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 130, 64], 1, 0, Data(130 * 64, 2));
    private static readonly TestTensor Scores = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 96, 130], 64);

    private static byte[] Data(int bytes, int seed)
    {
        byte[] data = new byte[bytes];
        new Random(seed).NextBytes(data);
        return data;
    }

    private static ComposedGraph Pilot(TableClient client) =>
        client.Compose("MatMul", [Q8, K8], [Scores], [client.Flag("transpose_in1", true)]);

    [Fact]
    public void Counts_return_to_zero()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Pilot(client);
        Pilot(client);
        Assert.Equal(new SoftHtpHandleCounts(1, 1, 1, 1, 2, 0, 0, 0, 0), client.Soft.LiveHandles);
        TableClient.Ok(client.Q.contextFree(client.Context, null));
        Assert.Equal(new SoftHtpHandleCounts(1, 1, 1, 0, 0, 0, 0, 0, 0), client.Soft.LiveHandles);
        TableClient.Ok(client.Q.deviceFree(client.Device));
        TableClient.Ok(client.Q.backendFree(client.Backend));
        TableClient.Ok(client.Q.logFree(client.Log));
        Assert.Equal(0, client.Soft.LiveHandles.Total);
    }

    [Fact]
    public void A_parent_takes_its_children_along()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = Pilot(client);
        TableClient.Ok(client.Q.backendFree(client.Backend));
        Assert.Equal(6001UL, graph.Execute());
        Assert.Equal(5002UL, client.Q.contextFree(client.Context, null));
        Assert.Equal(new SoftHtpHandleCounts(1, 0, 1, 0, 0, 0, 0, 0, 0), client.Soft.LiveHandles);
    }

    [Fact]
    public void A_device_takes_its_contexts_along()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TableClient.Ok(client.Q.deviceFree(client.Device));
        Assert.Equal(14000UL, client.Q.deviceFree(client.Device));
        Assert.Equal(5002UL, client.Q.contextFree(client.Context, null));
    }

    [Fact]
    public void A_disposed_instance_refuses_calls_and_frees_what_was_left()
    {
        SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        QnnInterface_t* provider = soft.Providers[0];
        void* backend = null, context = null;
        TableClient.Ok(provider->Anonymous.v2_32.backendCreate(null, null, &backend));
        TableClient.Ok(provider->Anonymous.v2_32.contextCreate(backend, null, null, &context));
        soft.Dispose();
        soft.Dispose();
        Assert.Equal(0, soft.LiveHandles.Total);
        Assert.Equal(5002UL, provider->Anonymous.v2_32.contextFree(context, null));
    }

    [Fact]
    public void Instances_do_not_mix()
    {
        using TableClient first = TableClient.OfSoftHtp();
        using TableClient second = TableClient.OfSoftHtp();
        TableClient.Ok(first.Q.contextFree(first.Context, null));
        Assert.Equal(0, first.Soft.LiveHandles.Contexts);
        Assert.Equal(1, second.Soft.LiveHandles.Contexts);
    }

    [Fact]
    public void Eight_threads_share_one_context()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 2 });
        ComposedGraph graph = Pilot(client);
        TableClient.Ok(graph.Execute());
        byte[] expected = graph.Output(0).ToArray();
        int wrong = 0;
        var threads = new Thread[8];
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = new Thread(() =>
            {
                byte[] scores = new byte[expected.Length];
                fixed (byte* pointer = scores)
                {
                    Qnn_Tensor_t output = graph.Outputs[0];
                    output.Anonymous.v1.Anonymous.clientBuf.data = pointer;
                    for (int i = 0; i < 40; i++)
                    {
                        scores.AsSpan().Clear();
                        ulong status = client.Q.graphExecute(graph.Handle, graph.Inputs, 2, &output, 1, null, null);
                        if (status != 0 || !scores.AsSpan().SequenceEqual(expected))
                        {
                            Interlocked.Increment(ref wrong);
                        }
                    }
                }
            });
            threads[t].Start();
        }
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Contexts_are_made_used_and_freed_side_by_side()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 2 });
        int wrong = 0;
        var threads = new Thread[4];
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = new Thread(() =>
            {
                for (int i = 0; i < 15; i++)
                {
                    void* context = null, graph = null;
                    ulong status = client.Q.contextCreate(client.Backend, client.Device, null, &context);
                    fixed (byte* name = "g\0"u8)
                    {
                        status |= client.Q.graphCreate(context, (sbyte*)name, null, &graph);
                    }
                    status |= client.Q.contextFree(context, null);
                    if (status != 0 || client.Q.graphFinalize(graph, null, null) != 6001)
                    {
                        Interlocked.Increment(ref wrong);
                    }
                }
            });
            threads[t].Start();
        }
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, wrong);
        Assert.Equal(1, client.Soft.LiveHandles.Contexts);
        Assert.Equal(0, client.Soft.LiveHandles.Graphs);
    }

    [Fact]
    public void A_hundred_threads_of_nonsense_do_no_harm()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 2 });
        ComposedGraph graph = Pilot(client);
        TableClient.Ok(graph.Execute());
        byte[] expected = graph.Output(0).ToArray();
        nint[] handles = [(nint)client.Context, (nint)client.Backend, (nint)client.Device, (nint)client.Log, (nint)graph.Handle];
        var threads = new Thread[100];
        for (int t = 0; t < threads.Length; t++)
        {
            int seed = t;
            threads[t] = new Thread(() => Nonsense(client, new Random(seed), handles, graph));
            threads[t].Start();
        }
        Array.ForEach(threads, thread => thread.Join());
        TableClient.Ok(graph.Execute());
        Assert.Equal(expected, graph.Output(0).ToArray());
    }

    /// <summary>Calls with handles that are invented, of another kind, or right but with empty arguments. None frees a living handle.</summary>
    private static void Nonsense(TableClient client, Random random, nint[] living, ComposedGraph graph)
    {
        ref QnnInterface_ImplementationV2_32_t q = ref client.Q;
        for (int i = 0; i < 60; i++)
        {
            nint invented = random.Next(3) switch
            {
                0 => (nint)random.NextInt64(),
                1 => random.Next(),
                _ => living[random.Next(living.Length)] + (1 << random.Next(5, 60)),
            };
            void* h = (void*)invented;
            void* made = null;
            void* right = (void*)living[random.Next(living.Length)];
            ulong size;
            switch (random.Next(16))
            {
                case 0: q.contextFree(h, h); break;
                case 1: q.backendFree(h); break;
                case 2: q.deviceFree(h); break;
                case 3: q.logFree(h); break;
                case 4: q.graphExecute(h, null, 3, null, 2, h, h); break;
                case 5: q.graphExecute(right, null, 0, null, 0, null, null); break;
                case 6: q.contextCreate(right, h, null, &made); break;
                case 7: q.graphCreate(h, null, null, &made); break;
                case 8: q.graphRetrieve(right, null, null); break;
                case 9: q.contextGetBinarySize(right, &size); break;
                case 10: q.backendValidateOpConfig(right, default); break;
                case 11: q.graphAddNode(right, default); break;
                case 12: q.tensorCreateGraphTensor(right, null); break;
                case 13: q.memDeRegister(&h, 1); break;
                case 14: q.graphFinalize(right, h, h); break;
                default: q.graphExecute(graph.Handle, graph.Inputs, 1, graph.Outputs, 1, null, null); break;
            }
        }
    }

    [Fact]
    public void Executions_allocate_nothing()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1 });
        ComposedGraph graph = Pilot(client);
        for (int i = 0; i < 3; i++)
        {
            TableClient.Ok(graph.Execute());
        }
        ulong status = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            status |= graph.Execute();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(0UL, status);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Any_number_of_threads_gives_the_same_scores(int count)
    {
        using TableClient single = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1 });
        using TableClient several = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = count });
        ComposedGraph expected = Pilot(single), graph = Pilot(several);
        TableClient.Ok(expected.Execute());
        for (int i = 0; i < 50; i++)
        {
            graph.Output(0).Clear();
            TableClient.Ok(graph.Execute());
            Assert.True(graph.Output(0).SequenceEqual(expected.Output(0)));
        }
    }
}
