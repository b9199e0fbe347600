using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Graph;

[Collection("fake provider")]
public sealed unsafe class QnnGraphTests : IDisposable
{
    readonly FakeProvider _fake = new();
    readonly QnnLibrary _library;
    readonly QnnBackend _backend;
    readonly QnnContext _context;

    public QnnGraphTests()
    {
        _library = _fake.Library();
        _backend = QnnBackend.Open(_library);
        _context = _backend.CreateContext();
    }

    public void Dispose()
    {
        _context.Dispose();
        _backend.Dispose();
        _library.Dispose();
        _fake.Dispose();
    }

    [Fact]
    public void A_refused_node_is_not_added_and_is_described()
    {
        _fake.Fails["backendValidateOpConfig"] = 3110;

        var e = Assert.Throws<QnnValidationException>(() => FakeGraph.Builder(_context));

        Assert.DoesNotContain("graphAddNode", _fake.Calls);
        Assert.Equal(3110ul, e.Status.Code);
        Assert.Equal("graph 'pilot', node 'MatMul_0': MatMul('q8' SFixed8 [1, 1, 8, 8] scale 1 offset 0, 'k8' SFixed8 [1, 1, 4, 8] scale 1 offset 0)"
            + " -> 'scores' SFixed16 [1, 1, 8, 4] scale 8 offset 0", e.Node);
        Assert.Contains(e.Node, e.Message);
    }

    [Fact]
    public void Nodes_are_validated_before_they_are_added()
    {
        FakeGraph.Compose(_context).Dispose();

        Assert.Equal(
            ["graphCreate", "tensorCreateGraphTensor", "tensorCreateGraphTensor", "tensorCreateGraphTensor", "backendValidateOpConfig",
                "graphAddNode", "graphFinalize"],
            _fake.Calls.SkipWhile(call => call != "graphCreate"));
    }

    [Fact]
    public void Options_are_passed_as_htp_wants_them()
    {
        FakeGraph.Compose(_context, "all", new QnnGraphOptions
        {
            Priority = QnnPriority.High,
            Float16Precision = true,
            VtcmMegabytes = 4,
            HvxThreads = 2,
            OptimizationLevel = 3,
            CompressActivations = true,
        }).Dispose();

        Assert.Equal(
            [
                "QNN_GRAPH_CONFIG_OPTION_PRIORITY QNN_PRIORITY_HIGH", "precision QNN_PRECISION_FLOAT16", "vtcm 4", "threads 2",
                "QNN_HTP_GRAPH_OPTIMIZATION_TYPE_FINALIZE_OPTIMIZATION_FLAG 3", "QNN_HTP_GRAPH_OPTIMIZATION_TYPE_ENABLE_DLBC 1",
            ],
            _fake.GraphConfigs);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        foreach (QnnGraphOptions options in new QnnGraphOptions[]
            { new() { OptimizationLevel = 0 }, new() { OptimizationLevel = 4 }, new() { HvxThreads = 0 }, new() { VtcmMegabytes = -1 } })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => _context.CreateGraph("g", options));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => _backend.CreateContext(new QnnContextOptions { AsyncQueueDepth = 0 }));
        Assert.DoesNotContain("graphCreate", _fake.Calls);
    }

    [Fact]
    public void Mistakes_in_composing_are_said()
    {
        using QnnGraphBuilder b = _context.CreateGraph("g");
        QnnTensor q = b.Input("q", QnnDataType.SFixed8, [2, 8], QnnEncoding.ScaleOffset(1f));
        using QnnGraphBuilder other = _context.CreateGraph("other");
        QnnTensor foreign = other.Input("q", QnnDataType.SFixed8, [2, 8], QnnEncoding.ScaleOffset(1f));

        Throws<ArgumentException>("Graph 'g' has a tensor 'q' already", () => b.Output("q", QnnDataType.Float32, [1]));
        Throws<ArgumentException>("'x' UFixed8 [4] is quantised and needs an encoding", () => b.Input("x", QnnDataType.UFixed8, [4]));
        Throws<ArgumentException>("'x' has the shape [2, 0]; every axis must be at least 1", () => b.Input("x", QnnDataType.Float32, [2, 0]));
        Throws<ArgumentException>("'x' needs a shape of at least one axis", () => b.Input("x", QnnDataType.Float32, []));
        Throws<ArgumentException>("has 4 GiB or more", () => b.Input("x", QnnDataType.Float32, [1 << 20, 1 << 20, 1 << 20, 1 << 20]));
        Throws<ArgumentException>("needs 16 bytes of values; given are 12", () => b.Static<float>("x", QnnDataType.Float32, [4], [1f, 2f, 3f]));
        Throws<ArgumentException>("is static and needs values", () => b.Add(new QnnTensorSpec("x", QnnTensorKind.Static, QnnDataType.Float32, [1])));
        Throws<ArgumentException>("is not of graph 'g'", () => b.Softmax(foreign, q));
        Throws<ArgumentException>("needs a static tensor", () => QnnParam.Tensor("perm", q));
        Throws<ArgumentOutOfRangeException>("A scale must be a positive finite number", () => QnnEncoding.ScaleOffset(0f));
        Throws<ArgumentException>("as many scales as offsets; given are 2 and 1", () => QnnEncoding.PerAxis(0, [1f, 2f], [0]));
        Throws<InvalidOperationException>("has 0 nodes and 0 outputs", () => b.FinalizeGraph());

        using QnnGraphBuilder done = FakeGraph.Builder(_context, "done");
        done.FinalizeGraph().Dispose();
        Throws<InvalidOperationException>("Graph 'done' is finalized", () => done.FinalizeGraph());
        Throws<InvalidOperationException>("Graph 'done' is finalized", () => done.Input("z", QnnDataType.Float32, [1]));
    }

    [Fact]
    public void Buffers_reach_the_backend_in_the_graphs_order_with_the_tensors_sizes()
    {
        using QnnGraph graph = FakeGraph.Compose(_context);
        byte* q = stackalloc byte[100];
        byte* k = stackalloc byte[FakeGraph.KeyBytes];
        byte* s = stackalloc byte[FakeGraph.OutputBytes];
        q[5] = 77;
        graph.BindOutput(0, s, FakeGraph.OutputBytes);
        graph.BindInput(1, k, FakeGraph.KeyBytes);
        graph.BindInput(0, q, 100);

        graph.Execute();

        Assert.Equal(
            [
                (graph.Inputs[0].Id, Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW, (nint)q, 64u),
                (graph.Inputs[1].Id, Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW, (nint)k, 32u),
                (graph.Outputs[0].Id, Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW, (nint)s, 64u),
            ],
            _fake.LastExecution);
        Assert.Equal(77, s[5]);
    }

    [Fact]
    public void Missing_null_and_small_buffers_are_refused_before_the_backend_sees_them()
    {
        using QnnGraph graph = FakeGraph.Compose(_context);
        byte* page = stackalloc byte[64];
        nint data = (nint)page;

        Throws<InvalidOperationException>("Graph 'pilot': no buffer is bound for input 'q8'", () => graph.Execute());
        Throws<ArgumentException>("Graph 'pilot', input 'q8' SFixed8 [1, 1, 8, 8] scale 1 offset 0: the buffer has 63 bytes, the tensor needs 64",
            () => graph.BindInput(0, (void*)data, 63));
        Throws<ArgumentException>("output 'scores' SFixed16 [1, 1, 8, 4] scale 8 offset 0: the buffer has 32 bytes, the tensor needs 64",
            () => graph.BindOutput(0, (void*)data, 32));
        Throws<ArgumentException>("the buffer is null", () => graph.BindInput(0, null, 64));
        Throws<ArgumentOutOfRangeException>("Graph 'pilot' has 2 inputs", () => graph.BindInput(2, (void*)data, 64));
        Throws<ArgumentOutOfRangeException>("Graph 'pilot' has 1 outputs", () => graph.BindOutput(-1, (void*)data, 64));
        graph.BindInput(0, page, 64);
        graph.BindOutput(0, page, 64);
        Throws<InvalidOperationException>("no buffer is bound for input 'k8'", () => graph.Execute());
        Assert.DoesNotContain("graphExecute", _fake.Calls);
        Assert.Empty(_fake.LastExecution);
    }

    [Fact]
    public void A_failed_execution_names_graph_and_constant()
    {
        using QnnGraph graph = Bound(out _);
        _fake.Fails["graphExecute"] = 6004;
        _fake.Logs["graphExecute"] = [(QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "tensor 2 is odd")];

        var e = Assert.Throws<QnnCallException>(() => graph.Execute());

        Assert.StartsWith("graphExecute (graph 'pilot') failed: QNN_GRAPH_ERROR_INVALID_TENSOR (6004, graph).", e.Message);
        Assert.EndsWith("The backend logged: tensor 2 is odd", e.Message);
    }

    [Fact]
    public void Executing_allocates_nothing()
    {
        using QnnGraph graph = Bound(out UnmanagedBytes bytes);
        using (bytes)
        {
            graph.Execute();
            graph.BindInput(0, bytes.Pointer, 64);
            long before = GC.GetAllocatedBytesForCurrentThread();
            long empty = GC.GetAllocatedBytesForCurrentThread() - before;
            before = GC.GetAllocatedBytesForCurrentThread();
            graph.BindInput(0, bytes.Pointer, 64);
            graph.Execute();
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

            Assert.Equal(empty, allocated);
        }
    }

    [Fact]
    public void Several_bindings_of_a_graph_are_independent()
    {
        using QnnGraph graph = Bound(out UnmanagedBytes bytes);
        using QnnBindings second = graph.CreateBindings();
        using (bytes)
        {
            Throws<InvalidOperationException>("no buffer is bound", () => second.Execute());
            graph.Execute();
        }
    }

    QnnGraph Bound(out UnmanagedBytes bytes)
    {
        bytes = new UnmanagedBytes(64);
        QnnGraph graph = FakeGraph.Compose(_context);
        graph.BindInput(0, bytes.Pointer, 64);
        graph.BindInput(1, bytes.Pointer, 32);
        graph.BindOutput(0, bytes.Pointer, 64);
        return graph;
    }

    static void Throws<T>(string part, Action act)
        where T : Exception
    {
        T e = Assert.Throws<T>(act);
        Assert.Contains(part, e.Message);
    }

    sealed class UnmanagedBytes(int count) : IDisposable
    {
        public byte* Pointer { get; } = (byte*)System.Runtime.InteropServices.NativeMemory.AllocZeroed((nuint)count);

        public void Dispose() => System.Runtime.InteropServices.NativeMemory.Free(Pointer);
    }
}
