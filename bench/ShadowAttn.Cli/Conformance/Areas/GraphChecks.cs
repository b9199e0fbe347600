using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Composing graphs: names, tensors, nodes, several nodes and several graphs.</summary>
internal static unsafe class GraphChecks
{
    private const string AddsAnything = "HTP adds nodes that fail validation, and may compute garbage: always validate";

    public static void Run(CheckRun run)
    {
        run.Check("names", Names);
        run.Check("retrieved by its name", Retrieved);
        run.Check("tensors get ids of their own", Ids);
        run.Check("refuses tensors that are wrong", WrongTensors);
        run.Check("refuses nodes of unknown operators and tensors", WrongNodes);
        run.Check("refuses to add what it does not validate", NotValidated);
        run.Check("copies names, shapes and constants", Copies);
        run.Check("a chain of nodes", Chain);
        run.Check("several graphs in a context", Several);
        run.CheckLibrary("options of HTP", library => Options(library, run.IsHtp));
    }

    private static Operand Square(int seed = 1) => new Operand(QnnDataType.SFixed8, [1, 1, 8, 8], 1).Filled(seed);

    private static Verdict Names(RawClient client)
    {
        Expect.Ok("graphCreate", client.CreateGraph(client.Context, "graph", out void* first));
        Expect.That(first != null, "graphCreate: expected a handle, actual success with null");
        Expect.Status("graphCreate of the same name", 6003, client.CreateGraph(client.Context, "graph", out _));
        void* unnamed = null;
        Expect.Status("graphCreate without a name", 6003, client.Table.graphCreate(client.Context, null, null, &unnamed));
        Expect.Ok("graphCreate of another name", client.CreateGraph(client.Context, "graph2", out void* second));
        Expect.That(first != second, "graphCreate: expected two handles, actual one twice");
        return Verdict.Pass();
    }

    private static Verdict Retrieved(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1, "pilot");
        void* found = null;
        Expect.Ok("graphRetrieve", client.Table.graphRetrieve(client.Context, client.Memory.Text("pilot"), &found));
        Expect.That(found != null, "graphRetrieve: expected a handle, actual success with null");
        RawGraph same = pilot.As(client.Context, found);
        same.Execute();
        return MatMulChecks.PilotIsExact(same, "the retrieved graph");
    }

    private static Verdict Ids(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] tensors = [graph.Input(Square()), graph.Input(Square()), graph.Output(Square()), graph.Static(Square(), "constant")];
        uint[] ids = [.. tensors.Select(tensor => tensor.Anonymous.v1.id)];
        Expect.That(ids.Distinct().Count() == ids.Length, $"ids: expected one for each tensor, actual {string.Join(", ", ids)}");
        return Verdict.Pass(string.Join(", ", ids));
    }

    private static Verdict WrongTensors(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Create("t", 0, Square());
        Create("t", 7003, Square(), what: "of the same name");
        Expect.Status("tensorCreateGraphTensor of null", 7001, client.Table.tensorCreateGraphTensor(graph.Handle, null));
        Create(null, 7004, Square(), what: "without a name");
        Create("u", 7004, Square(), dataType: 3, what: "of data type 3");
        Create("v", 7004, Square() with { Shape = [1, 1, 1, 1, 1, 1, 1, 8, 8] }, what: "of rank 9");
        Create("w", 7004, Square(), Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, what: "of a constant without data");
        return Verdict.Pass("6 refused");

        void Create(
            string? name,
            ulong expected,
            Operand operand,
            Qnn_TensorType_t kind = Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE,
            int? dataType = null,
            string what = "")
        {
            Qnn_Tensor_t tensor = RawTensor.Describe(client.Memory, name ?? "", kind, operand);
            if (name is null)
            {
                tensor.Anonymous.v1.name = null;
            }

            tensor.Anonymous.v1.dataType = (Qnn_DataType_t)(dataType ?? (int)tensor.Anonymous.v1.dataType);
            Expect.Status($"tensorCreateGraphTensor {what}", expected, client.Table.tensorCreateGraphTensor(graph.Handle, &tensor));
        }
    }

    private static Verdict WrongNodes(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(Square()), graph.Input(Square())];
        Qnn_Tensor_t output = graph.Output(Square());
        Qnn_OpConfig_t node = graph.Node("NoSuchOperator", inputs, [output]);
        Expect.Status("backendValidateOpConfig of an unknown operator", 4005, client.Table.backendValidateOpConfig(client.Backend, node));
        ulong added = client.Table.graphAddNode(graph.Handle, node);
        Expect.Status("graphAddNode of an unknown operator", [6005, Expect.Success], added);
        node = graph.Node("MatMul", inputs, [output]);
        node.Anonymous.v1.packageName = client.Memory.Text("no.such.package");
        Expect.Status("backendValidateOpConfig of an unknown package", 4005, client.Table.backendValidateOpConfig(client.Backend, node));
        Expect.Status("backendValidateOpConfig of one input", TypeSets.ValidationFailure,
            client.Validate("MatMul", [Square()], [Square()]));
        inputs[0].Anonymous.v1.id = 987;
        Expect.Status("graphAddNode with an unknown tensor", 6005, client.Table.graphAddNode(graph.Handle, graph.Node("MatMul", inputs, [output])));
        return added == Expect.Success ? Verdict.Pass("graphAddNode takes unknown operators", AddsAnything) : Verdict.Pass();
    }

    private static Verdict NotValidated(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs =
        [
            graph.Input(new Operand(QnnDataType.SFixed8, [1, 6, 4, 64], 1).Filled(1)), graph.Input(new Operand(QnnDataType.SFixed8, [1, 2, 64, 8], 1).Filled(2)),
        ];
        Qnn_OpConfig_t node = graph.Node("MatMul", inputs, [graph.Output(new Operand(QnnDataType.SFixed8, [1, 6, 4, 8], 64))]);
        Expect.Status("backendValidateOpConfig", TypeSets.ValidationFailure, client.Table.backendValidateOpConfig(client.Backend, node));
        ulong status = client.Table.graphAddNode(graph.Handle, node);
        return status == Expect.Success
            ? Verdict.Pass("graphAddNode takes a node that fails validation", AddsAnything)
            : Verdict.Pass($"graphAddNode says {Expect.Name(status)}");
    }

    private static Verdict Copies(RawClient client)
    {
        Operand a = Square(3);
        Operand b = Square(4);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(a);
        Qnn_Tensor_t constant = graph.Static(b, "constant");
        // The client forgets what it handed over.
        RawGraph.Contents(constant).Clear();
        new Span<byte>(constant.Anonymous.v1.name, "constant".Length).Fill((byte)'x');
        uint[] shape = new Span<uint>(constant.Anonymous.v1.dimensions, 4).ToArray();
        new Span<uint>(constant.Anonymous.v1.dimensions, 4).Fill(99);
        Qnn_Tensor_t again = constant;
        again.Anonymous.v1.dimensions = client.Memory.Copy<uint>(shape);
        Qnn_Tensor_t[] inputs = [input, again];
        Qnn_OpConfig_t node = graph.Node("MatMul", inputs, [graph.Output(new Operand(QnnDataType.SFixed8, [1, 1, 8, 8], 512))]);
        Expect.Ok("graphAddNode", client.Table.graphAddNode(graph.Handle, node));
        new Span<byte>(node.Anonymous.v1.typeName, "MatMul".Length).Fill((byte)'x');
        Operand result = graph.Finalized().Execute()[0];
        return Comparison.Of(result, Formulas.MatMul(a, b, false, false)).Within(0.5, "after the client's memory changed");
    }

    private static Verdict Chain(RawClient client)
    {
        // Scales with a power of two as quotient: the scores between the nodes are exact.
        Operand q = new Operand(QnnDataType.UFixed8, [1, 2, 6, 32], 1f / 32, -128).Filled(5);
        Operand k = new Operand(QnnDataType.UFixed8, [1, 2, 24, 32], 1f / 32, -128).Filled(6);
        Operand scores = new(QnnDataType.UFixed8, [1, 2, 6, 24], 1f / 4, -128);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(q), graph.Input(k)];
        Qnn_Tensor_t between = graph.Native(scores, "scores");
        graph.Add("MatMul", inputs, [between], RawParam.Flag("transpose_in1", true));
        graph.Add("Softmax", [between], [graph.Output(new Operand(QnnDataType.UFixed8, [1, 2, 6, 24], 1f / 256))]);
        Operand result = graph.Finalized().Execute()[0];
        double[] exact = Formulas.MatMul(q, k, false, true);
        byte[] rounded = new byte[exact.Length];
        for (int i = 0; i < rounded.Length; i++)
        {
            rounded[i] = (byte)Math.Floor(scores.InSteps(exact[i]) + 0.5);
        }

        return Comparison.Of(result, Formulas.Softmax(scores with { Data = rounded }, 1)).Within(1, "Softmax of MatMul");
    }

    private static Verdict Several(RawClient client)
    {
        RawGraph[] graphs = [.. Enumerable.Range(0, 4).Select(i => MatMulChecks.Pilot(client, client.Context, 10 * i))];
        foreach (RawGraph graph in graphs.Reverse())
        {
            graph.Execute();
        }

        foreach (RawGraph graph in graphs)
        {
            MatMulChecks.PilotIsExact(graph, $"graph '{graph.Name}'");
        }

        return Verdict.Pass($"{graphs.Length} graphs");
    }

    private static Verdict Options(QnnLibrary library, bool isHtp)
    {
        if (!isHtp)
        {
            throw new NotOfferedException("it is no HTP backend");
        }

        using QnnBackend backend = QnnBackend.Open(library, new QnnBackendOptions { LogLevel = QnnLogLevel.Error });
        using QnnContext context = backend.CreateContext();
        int count = 0;
        foreach (QnnGraphOptions options in (ReadOnlySpan<QnnGraphOptions>)
        [
            new() { Priority = QnnPriority.High }, new() { VtcmMegabytes = 2 }, new() { VtcmMegabytes = 0 }, new() { HvxThreads = 2 },
            new() { OptimizationLevel = 3 }, new() { CompressActivations = true },
        ])
        {
            using QnnGraphBuilder builder = context.CreateGraph($"graph{count++}", options);
            QnnTensor a = builder.Input("a", QnnDataType.SFixed8, [1, 1, 8, 8], QnnEncoding.ScaleOffset(1));
            QnnTensor b = builder.Input("b", QnnDataType.SFixed8, [1, 1, 8, 8], QnnEncoding.ScaleOffset(1));
            QnnTensor c = builder.Output("c", QnnDataType.SFixed8, [1, 1, 8, 8], QnnEncoding.ScaleOffset(64));
            builder.MatMul(a, b, c);
            builder.FinalizeGraph().Dispose();
        }

        return Verdict.Pass($"{count} graphs: priority, VTCM, HVX threads, optimisation, compression");
    }
}
