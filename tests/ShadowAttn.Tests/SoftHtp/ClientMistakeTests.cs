using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>What a client that errs gets: HTP's own codes where HTP has been measured, never a crash.</summary>
public unsafe class ClientMistakeTests
{
    private static readonly TestTensor A = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 4, 8], 1, 0, new byte[32]);
    private static readonly TestTensor B = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 6, 8], 1, 0, new byte[48]);
    private static readonly TestTensor Product = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 4, 6], 64);

    private static Qnn_Param_t[] Transposed(TableClient client) => [client.Flag("transpose_in1", true)];

    private static ComposedGraph MatMul(TableClient client) => client.Compose("MatMul", [A, B], [Product], Transposed(client));

    [Fact]
    public void Execute_before_finalize()
    {
        using TableClient client = TableClient.OfSoftHtp();
        void* graph = client.Graph("g");
        Qnn_Tensor_t a = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, A);
        Qnn_Tensor_t o = client.Tensor("o", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, A);
        Assert.Equal(6023UL, client.Q.graphExecute(graph, &a, 1, &o, 1, null, null));
    }

    [Fact]
    public void Binary_size_before_finalize()
    {
        using TableClient client = TableClient.OfSoftHtp();
        client.Graph("g");
        ulong bytes;
        Assert.Equal(5003UL, client.Q.contextGetBinarySize(client.Context, &bytes));
    }

    [Fact]
    public void Composing_after_finalize()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = MatMul(client);
        Assert.Equal(1000UL, client.Q.graphFinalize(graph.Handle, null, null));
        Qnn_Tensor_t late = client.Tensor("late", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, A with { Data = null });
        Assert.Equal(6024UL, client.Q.tensorCreateGraphTensor(graph.Handle, &late));
        Qnn_OpConfig_t op = client.Op("MatMul", Transposed(client), [graph.Inputs[0], graph.Inputs[1]], [graph.Outputs[0]], "second");
        Assert.Equal(1100UL, client.Q.graphAddNode(graph.Handle, op));
        Assert.Equal(0UL, graph.Execute());
    }

    [Fact]
    public void Graph_names()
    {
        using TableClient client = TableClient.OfSoftHtp();
        void* graph = client.Graph("g");
        void* other = null;
        Assert.Equal(6003UL, client.Q.graphCreate(client.Context, client.Text("g"), null, &other));
        Assert.Equal(6003UL, client.Q.graphCreate(client.Context, null, null, &other));
        Assert.Equal(6000UL, client.Q.graphCreate(client.Context, client.Text("h"), null, null));
        Assert.Equal(6003UL, client.Q.graphRetrieve(client.Context, client.Text("nowhere"), &other));
        Assert.Equal(6000UL, client.Q.graphRetrieve(client.Context, null, &other));
        Assert.Equal(6000UL, client.Q.graphRetrieve(client.Context, client.Text("g"), null));
        Assert.Equal(0UL, client.Q.graphRetrieve(client.Context, client.Text("g"), &other));
        Assert.True(graph == other);
    }

    [Fact]
    public void Graphs_that_cannot_be_finalised()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Assert.Equal(6022UL, client.Q.graphFinalize(client.Graph("empty"), null, null));

        void* unconnected = client.Graph("unconnected");
        Qnn_Tensor_t a = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, A);
        Qnn_Tensor_t b = client.Tensor("b", Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE, B with { Data = null });
        Qnn_Tensor_t o = client.Tensor("o", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, Product);
        Qnn_Tensor_t spare = client.Tensor("spare", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, Product);
        client.Create(unconnected, ref a);
        client.Create(unconnected, ref b);
        client.Create(unconnected, ref o);
        Assert.Equal(6007UL, client.Q.graphAddNode(unconnected, client.Op("MatMul", Transposed(client), [a, b], [o])));

        void* unproduced = client.Graph("unproduced");
        b.Anonymous.v1.type = Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE;
        client.Create(unproduced, ref a);
        client.Create(unproduced, ref b);
        client.Create(unproduced, ref o);
        client.Create(unproduced, ref spare);
        Assert.Equal(0UL, client.Q.graphAddNode(unproduced, client.Op("MatMul", Transposed(client), [a, b], [o])));
        Assert.Equal(6020UL, client.Q.graphFinalize(unproduced, null, null));
    }

    [Fact]
    public void Nodes_that_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        void* graph = client.Graph("g");
        Qnn_Tensor_t a = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, A);
        Qnn_Tensor_t b = client.Tensor("b", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, B);
        Qnn_Tensor_t o = client.Tensor("o", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, Product);
        client.Create(graph, ref a);
        client.Create(graph, ref b);
        client.Create(graph, ref o);
        Qnn_Tensor_t stranger = a;
        stranger.Anonymous.v1.id = 999;
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, client.Op("MatMul", Transposed(client), [stranger, b], [o])));
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, client.Op("NoSuchOperator", [], [a, b], [o])));
        // What validation refuses: without the flag the shapes do not fit.
        Qnn_OpConfig_t misfit = client.Op("MatMul", [], [a, b], [o]);
        Assert.Equal(3110UL, client.Q.backendValidateOpConfig(client.Backend, misfit));
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, misfit));
        // Written to: an input, and an output that has its node already.
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, client.Op("MatMul", Transposed(client), [a, b], [a])));
        Assert.Equal(0UL, client.Q.graphAddNode(graph, client.Op("MatMul", Transposed(client), [a, b], [o])));
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, client.Op("MatMul", Transposed(client), [a, b], [o])));
        Qnn_OpConfig_t hollow = client.Op("MatMul", Transposed(client), [a, b], [o]);
        hollow.Anonymous.v1.inputTensors = null;
        Assert.Equal(6005UL, client.Q.graphAddNode(graph, hollow));
        Assert.Equal(3110UL, client.Q.backendValidateOpConfig(client.Backend, hollow));
    }

    [Fact]
    public void Operators_that_do_not_exist()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Assert.Equal(4005UL, client.Validate("NoSuchOperator", [A, B], [Product]));
        Qnn_OpConfig_t op = client.Op("MatMul", [], [], []);
        op.Anonymous.v1.packageName = client.Text("other.package");
        Assert.Equal(4005UL, client.Q.backendValidateOpConfig(client.Backend, op));
        op.Anonymous.v1.packageName = null;
        Assert.Equal(4005UL, client.Q.backendValidateOpConfig(client.Backend, op));
        op.Anonymous.v1.typeName = null;
        Assert.Equal(4005UL, client.Q.backendValidateOpConfig(client.Backend, op));
        op = client.Op("MatMul", [], [], []);
        op.version = (Qnn_OpConfigVersion_t)7;
        Assert.Equal(4005UL, client.Q.backendValidateOpConfig(client.Backend, op));
    }

    [Fact]
    public void Executions_with_wrong_tensors()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = MatMul(client);
        Qnn_Tensor_t* ins = stackalloc Qnn_Tensor_t[3];
        Qnn_Tensor_t* result = graph.Outputs;
        void Restore()
        {
            ins[0] = graph.Inputs[0];
            ins[1] = graph.Inputs[1];
            ins[2] = graph.Inputs[1];
        }
        ulong Execute(uint inputs = 2, uint outputs = 1) => client.Q.graphExecute(graph.Handle, ins, inputs, result, outputs, null, null);

        Restore();
        Assert.Equal(0UL, Execute());
        Assert.Equal(6004UL, Execute(inputs: 1));
        Assert.Equal(6004UL, Execute(inputs: 3));
        Assert.Equal(6000UL, Execute(inputs: 0));
        Assert.Equal(6000UL, Execute(outputs: 0));
        Assert.Equal(6000UL, client.Q.graphExecute(graph.Handle, null, 2, result, 1, null, null));
        Assert.Equal(6000UL, client.Q.graphExecute(graph.Handle, ins, 2, null, 1, null, null));
        ins[0].Anonymous.v1.Anonymous.clientBuf.data = null;
        Assert.Equal(6004UL, Execute());
        Restore();
        ins[1].Anonymous.v1.id = 999;
        Assert.Equal(6004UL, Execute());
        ins[1].Anonymous.v1.id = ins[0].Anonymous.v1.id;
        Assert.Equal(6004UL, Execute());
        ins[1].Anonymous.v1.id = result->Anonymous.v1.id;
        Assert.Equal(6004UL, Execute());
        Restore();
        uint* dimensions = stackalloc uint[] { 1, 1, 2, 8 };
        ins[0].Anonymous.v1.dimensions = dimensions;
        Assert.Equal(6004UL, Execute());
        Restore();
        ins[0].version = (Qnn_TensorVersion_t)9;
        Assert.Equal(6004UL, Execute());
        Restore();
        ins[0].Anonymous.v1.memType = (Qnn_TensorMemType_t)9;
        Assert.Equal(6004UL, Execute());
        Restore();
        ins[0].Anonymous.v1.memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE;
        ins[0].Anonymous.v1.Anonymous.memHandle = (void*)0x123450;
        Assert.Equal(6004UL, Execute());
        // Smaller buffers than the tensors: HTP reads on, this backend does not.
        Restore();
        ins[0].Anonymous.v1.Anonymous.clientBuf.dataSize = 31;
        Assert.Equal(6004UL, Execute());
        Restore();
        result->Anonymous.v1.Anonymous.clientBuf.dataSize = 23;
        Assert.Equal(6004UL, Execute());
        result->Anonymous.v1.Anonymous.clientBuf.dataSize = 24;
        Assert.Equal(0UL, Execute());
        Assert.Contains(client.Messages, message => message.Contains("less than 32 bytes", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Inputs_are_matched_by_id(bool simulator)
    {
        using TableClient client = simulator ? TableClient.OfSimulator() : TableClient.OfSoftHtp();
        var random = new Random(1);
        TestTensor square = new(QNN_DATATYPE_SFIXED_POINT_8, [5, 5], 1, 0);
        TestTensor other = square with { Data = Elements.Draw(random, square) };
        square = square with { Data = Elements.Draw(random, square) };
        var result = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [5, 5], 256);
        ComposedGraph graph = client.Compose("MatMul", [square, other], [result], []);
        TableClient.Ok(graph.Execute());
        byte[] straight = graph.Output(0).ToArray();
        (graph.Inputs[0], graph.Inputs[1]) = (graph.Inputs[1], graph.Inputs[0]);
        graph.Output(0).Clear();
        TableClient.Ok(graph.Execute());
        Assert.Equal(straight, graph.Output(0).ToArray());
        // The other way round is another product.
        Assert.NotEqual(straight, client.Run("MatMul", [other, square], [result])[0]);
    }

    [Fact]
    public void Tensors_that_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        void* graph = client.Graph("g");
        ulong Create(Qnn_Tensor_t tensor) => client.Q.tensorCreateGraphTensor(graph, &tensor);
        Qnn_Tensor_t Made(TestTensor described, Qnn_TensorType_t type = Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, string name = "t") =>
            client.Tensor(name, type, described);

        Assert.Equal(7001UL, client.Q.tensorCreateGraphTensor(graph, null));
        TestTensor bare = A with { Data = null };
        Assert.Equal(0UL, Create(Made(bare)));
        Assert.Equal(7003UL, Create(Made(bare)));
        // Contents belong to executions.
        Assert.Equal(7004UL, Create(Made(A, name: "u")));
        Qnn_Tensor_t wrong = Made(bare, name: "u");
        wrong.Anonymous.v1.name = null;
        Assert.Equal(7004UL, Create(wrong));
        wrong = Made(bare, name: "u");
        wrong.version = (Qnn_TensorVersion_t)9;
        Assert.Equal(7004UL, Create(wrong));
        wrong = Made(bare, name: "u");
        wrong.Anonymous.v1.dimensions = null;
        Assert.Equal(7004UL, Create(wrong));
        wrong = Made(bare, name: "u");
        wrong.Anonymous.v1.dataType = (Qnn_DataType_t)3;
        Assert.Equal(7004UL, Create(wrong));
        wrong = Made(bare, name: "u");
        wrong.Anonymous.v1.dataFormat = QnnApi.QNN_TENSOR_DATA_FORMAT_SPARSE;
        Assert.Equal(7004UL, Create(wrong));
        wrong = client.Tensor("u", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, bare, version2: true);
        wrong.Anonymous.v2.isDynamicDimensions = client.Bytes([0, 0, 1, 0]);
        Assert.Equal(7004UL, Create(wrong));
        Assert.Equal(7004UL, Create(Made(bare with { Dimensions = [1, 0, 4, 8] }, name: "u")));
        Assert.Equal(7004UL, Create(Made(bare with { Dimensions = [1, 1, 1, 1, 1, 1, 1, 1, 2] }, name: "u")));
        Assert.Equal(7004UL, Create(Made(bare with { Dimensions = [65536, 65536, 65536, 65536] }, name: "u")));
        Assert.Equal(7004UL, Create(Made(A with { Data = null }, Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, "u")));
        Assert.Equal(7004UL, Create(Made(A with { Data = new byte[31] }, Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, "u")));
        Assert.Equal(7005UL, Create(Made(bare, (Qnn_TensorType_t)77, "u")));
        Assert.Equal(0UL, Create(Made(A, Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, "u")));
    }

    [Fact]
    public void Names_dimensions_and_static_data_are_copied()
    {
        using TableClient client = TableClient.OfSoftHtp();
        var random = new Random(3);
        TestTensor a = A with { Data = Elements.Draw(random, A) }, b = B with { Data = Elements.Draw(random, B) };
        byte[] expected = client.Run("MatMul", [a, b], [Product], Transposed(client))[0];

        void* graph = client.Graph("static");
        Qnn_Tensor_t inputA = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, a);
        Qnn_Tensor_t constant = client.Tensor("b", Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, b, version2: true);
        Qnn_Tensor_t result = client.Tensor("o", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, Product with { Data = new byte[24] });
        client.Create(graph, ref inputA);
        client.Create(graph, ref constant);
        client.Create(graph, ref result);
        // The client forgets what it handed over.
        ref Qnn_TensorV1_t v1 = ref constant.Anonymous.v1;
        new Span<byte>(v1.name, 1).Fill((byte)'x');
        new Span<uint>(v1.dimensions, 4).Fill(99);
        new Span<byte>(v1.Anonymous.clientBuf.data, 48).Clear();
        TableClient.Ok(client.Q.graphAddNode(graph, client.Op("MatMul", Transposed(client), [inputA, constant], [result])));
        TableClient.Ok(client.Q.graphFinalize(graph, null, null));
        TableClient.Ok(client.Q.graphExecute(graph, &inputA, 1, &result, 1, null, null));
        Assert.Equal(expected, new ReadOnlySpan<byte>(result.Anonymous.v1.Anonymous.clientBuf.data, 24).ToArray());
    }

    [Fact]
    public void Wrong_handles_have_their_areas_code()
    {
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = MatMul(client);
        void* freed = null;
        TableClient.Ok(client.Q.contextCreate(client.Backend, null, null, &freed));
        TableClient.Ok(client.Q.contextFree(freed, null));
        Assert.Equal(5002UL, client.Q.contextFree(freed, null));
        byte block = 0;
        nint[] strangers =
        [
            0, 1, -1, 0x1234, (nint)(&block), (nint)freed, (nint)client.Context ^ 1, (nint)client.Context + (1 << 24),
            unchecked((nint)0xdead_beef_dead_beef), (nint)1 << 62,
        ];
        foreach (nint stranger in strangers)
        {
            CheckHandles(client, graph, (void*)stranger, isContext: false);
        }
        // A living handle of another kind.
        CheckHandles(client, graph, client.Log, isContext: false);
        CheckHandles(client, graph, graph.Handle, isContext: false, isGraph: true);
        CheckHandles(client, graph, client.Context, isContext: true);
        TableClient.Ok(graph.Execute());
    }

    private static void CheckHandles(TableClient client, ComposedGraph graph, void* handle, bool isContext, bool isGraph = false)
    {
        ref QnnInterface_ImplementationV2_32_t q = ref client.Q;
        void* made = null;
        uint count;
        ulong size;
        ulong* events;
        void* handles = handle;
        Assert.Equal(4011UL, q.backendFree(handle));
        Assert.Equal(4011UL, q.backendSetConfig(handle, null));
        Assert.Equal(4011UL, q.backendGetProperty(handle, null));
        Assert.Equal(4011UL, q.backendGetSupportedOperations(handle, &count, null));
        Assert.Equal(4011UL, q.backendValidateOpConfig(handle, client.Op("MatMul", [], [], [])));
        Assert.Equal(4011UL, q.backendRegisterOpPackage(handle, null, null, null));
        Assert.Equal(14000UL, q.deviceFree(handle));
        Assert.Equal(14000UL, q.deviceSetConfig(handle, null));
        Assert.Equal(14000UL, q.deviceGetInfo(handle, null));
        Assert.Equal(5002UL, q.contextCreate(handle, client.Device, null, &made));
        if (handle != null)
        {
            Assert.Equal(5002UL, q.contextCreate(client.Backend, handle, null, &made));
            Assert.Equal(4004UL, handle == client.Log ? 4004UL : q.backendCreate(handle, null, &made));
        }
        Assert.Equal(5002UL, q.contextCreateFromBinary(handle, client.Device, null, null, 0, &made, null));
        Assert.Equal(12000UL, q.profileCreate(handle, 1, &made));
        Assert.Equal(12000UL, q.profileFree(handle));
        Assert.Equal(12000UL, q.profileGetEvents(handle, &events, &count));
        Assert.Equal(9003UL, q.signalCreate(handle, null, &made));
        Assert.Equal(9003UL, q.signalTrigger(handle));
        Assert.Equal(9003UL, q.signalFree(handle));
        Assert.Equal(8001UL, q.memDeRegister(&handles, 1));
        if (handle != client.Log)
        {
            Assert.Equal(11004UL, q.logSetLogLevel(handle, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR));
            Assert.Equal(11004UL, q.logFree(handle));
        }
        if (!isContext)
        {
            Assert.Equal(5002UL, q.contextFree(handle, null));
            Assert.Equal(5002UL, q.contextSetConfig(handle, null));
            Assert.Equal(5002UL, q.contextGetBinarySize(handle, &size));
            Assert.Equal(5002UL, q.contextGetBinary(handle, null, 0, &size));
            Assert.Equal(8001UL, q.memRegister(handle, null, 1, &made));
            Assert.Equal(6001UL, q.graphCreate(handle, client.Text("n"), null, &made));
            Assert.Equal(6001UL, q.graphRetrieve(handle, client.Text("n"), &made));
        }
        if (!isGraph)
        {
            Qnn_Tensor_t tensor = client.Tensor("t", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, A);
            Assert.Equal(7001UL, q.tensorCreateGraphTensor(handle, &tensor));
            Assert.Equal(6001UL, q.graphAddNode(handle, client.Op("MatMul", [], [], [])));
            Assert.Equal(6001UL, q.graphFinalize(handle, null, null));
            Assert.Equal(6001UL, q.graphSetConfig(handle, null));
            Assert.Equal(6001UL, q.graphExecute(handle, graph.Inputs, 2, graph.Outputs, 1, null, null));
            Assert.Equal(6001UL, q.graphExecuteAsync(handle, graph.Inputs, 2, graph.Outputs, 1, null, null, null, null));
        }
    }

    [Fact]
    public void Null_results_are_invalid_arguments()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Assert.Equal(4004UL, client.Q.backendCreate(client.Log, null, null));
        Assert.Equal(4004UL, client.Q.backendGetApiVersion(null));
        Assert.Equal(4004UL, client.Q.backendGetBuildId(null));
        Assert.Equal(4004UL, client.Q.backendGetSupportedOperations(client.Backend, null, null));
        Assert.Equal(1004UL, client.Q.deviceCreate(client.Log, null, null));
        Assert.Equal(5000UL, client.Q.contextCreate(client.Backend, client.Device, null, null));
        Assert.Equal(5000UL, client.Q.contextGetBinarySize(client.Context, null));
        Assert.Equal(11003UL, client.Q.logCreate(null, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, null));
        void* log = null;
        Assert.Equal(11003UL, client.Q.logCreate(null, (QnnLog_Level_t)99, &log));
        Assert.Equal(10000UL, client.Q.errorGetMessage(6004, null));
        Assert.Equal(10000UL, client.Q.errorGetVerboseMessage(6004, null));
        Assert.Equal(10000UL, client.Q.errorFreeVerboseMessage(null));
        Assert.Equal(1004UL, client.Soft.GetProviders(null, null));
    }

    [Fact]
    public void Every_slot_is_filled()
    {
        using TableClient client = TableClient.Unstarted();
        var slots = new ReadOnlySpan<nint>(
            (nint*)((byte*)client.Provider + sizeof(QnnInterface_t) - sizeof(QnnInterface_ImplementationV2_32_t)),
            sizeof(QnnInterface_ImplementationV2_32_t) / sizeof(nint));
        Assert.Equal(71, slots.Length);
        Assert.DoesNotContain(0, slots.ToArray());
    }

    [Fact]
    public void Versions_build_id_and_operators()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Assert.Equal(6U, client.Provider->backendId);
        Assert.Equal(32U, client.Provider->apiVersion.coreApiVersion.minor);
        Qnn_ApiVersion_t version;
        TableClient.Ok(client.Q.backendGetApiVersion(&version));
        Assert.Equal((2U, 32U, 5U, 43U), (version.coreApiVersion.major, version.coreApiVersion.minor, version.backendApiVersion.major, version.backendApiVersion.minor));
        sbyte* id;
        TableClient.Ok(client.Q.backendGetBuildId(&id));
        Assert.StartsWith("SoftHtp v", Marshal.PtrToStringUTF8((nint)id), StringComparison.Ordinal);
        uint count;
        QnnBackend_OperationName_t* operations;
        TableClient.Ok(client.Q.backendGetSupportedOperations(client.Backend, &count, &operations));
        var names = new List<string>();
        for (uint i = 0; i < count; i++)
        {
            names.Add(Marshal.PtrToStringUTF8((nint)operations[i].name)!);
        }
        Assert.Superset(new HashSet<string>(["MatMul", "Quantize", "Dequantize", "Softmax", "TopK"]), new HashSet<string>(names));
    }

    [Fact]
    public void Statuses_have_texts()
    {
        using TableClient client = TableClient.OfSoftHtp();
        sbyte* text;
        TableClient.Ok(client.Q.errorGetMessage(6004, &text));
        Assert.Equal("QNN_GRAPH_ERROR_INVALID_TENSOR", Marshal.PtrToStringUTF8((nint)text));
        TableClient.Ok(client.Q.errorGetMessage(0, &text));
        Assert.Equal("QNN_SUCCESS", Marshal.PtrToStringUTF8((nint)text));
        Assert.Equal(10001UL, client.Q.errorGetMessage(123456, &text));
        TableClient.Ok(client.Q.errorGetVerboseMessage(3110, &text));
        Assert.Contains("QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE", Marshal.PtrToStringUTF8((nint)text), StringComparison.Ordinal);
        TableClient.Ok(client.Q.errorFreeVerboseMessage(text));
        Assert.Equal(10000UL, client.Q.errorFreeVerboseMessage(text));
    }

    [Fact]
    public void Capabilities_are_known_or_not()
    {
        using TableClient client = TableClient.Unstarted();
        Assert.Equal(0UL, client.Q.propertyHasCapability(QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE));
        Assert.Equal(1000UL, client.Q.propertyHasCapability(QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_SUBGRAPH));
        Assert.Equal(2000UL, client.Q.propertyHasCapability(9999));
    }
}
