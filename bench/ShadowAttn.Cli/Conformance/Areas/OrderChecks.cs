using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Calls that come too early or too late.</summary>
internal static unsafe class OrderChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("graphExecute before graphFinalize", ExecuteBeforeFinalize);
        run.Check("contextGetBinarySize before graphFinalize", BinaryBeforeFinalize);
        run.Check("graphFinalize twice", FinalizeTwice);
        run.Check("graphAddNode after graphFinalize", AddAfterFinalize);
        run.Check("tensorCreateGraphTensor after graphFinalize", TensorAfterFinalize);
        run.Check("graphFinalize of an empty graph", FinalizeEmpty);
        run.Check("graphFinalize with an output that nothing writes", FinalizeUnwritten);
        run.Check("graphAddNode with an input that nothing writes yet", AddUnwritten);
        run.Check("graphRetrieve of a name that is not there", RetrieveUnknown);
    }

    private static RawGraph Unfinalized(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(Square()), graph.Input(Square())];
        graph.Add("MatMul", inputs, [graph.Output(Square())]);
        return graph;
    }

    private static Operand Square() => new Operand(QnnDataType.SFixed8, [1, 1, 8, 8], 1).Filled(1);

    private static Verdict ExecuteBeforeFinalize(RawClient client)
    {
        RawGraph graph = Unfinalized(client);
        Expect.Status("graphExecute", 6023, graph.TryExecute());
        // It does no harm: the graph can still be finalised and executed.
        graph.Finalized().Execute();
        return Verdict.Pass(Expect.Name(6023));
    }

    private static Verdict BinaryBeforeFinalize(RawClient client)
    {
        Unfinalized(client);
        ulong bytes = 0;
        Expect.Status("contextGetBinarySize", 5003, client.Table.contextGetBinarySize(client.Context, &bytes));
        return Verdict.Pass(Expect.Name(5003));
    }

    private static Verdict FinalizeTwice(RawClient client)
    {
        RawGraph graph = Unfinalized(client).Finalized();
        Expect.Status("graphFinalize", Expect.NotSupported, graph.TryFinalize());
        graph.Execute();
        return Verdict.Pass(Expect.Name(Expect.NotSupported));
    }

    private static Verdict AddAfterFinalize(RawClient client)
    {
        RawGraph graph = Unfinalized(client).Finalized();
        Qnn_OpConfig_t node = graph.Node("MatMul", [.. graph.Inputs], [.. graph.Outputs]);
        Expect.Status("graphAddNode", 1100, client.Table.graphAddNode(graph.Handle, node));
        graph.Execute();
        return Verdict.Pass(Expect.Name(1100));
    }

    private static Verdict TensorAfterFinalize(RawClient client)
    {
        RawGraph graph = Unfinalized(client).Finalized();
        Qnn_Tensor_t late = RawTensor.Describe(client.Memory, "late", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, Square());
        Expect.Status("tensorCreateGraphTensor", 6024, client.Table.tensorCreateGraphTensor(graph.Handle, &late));
        return Verdict.Pass(Expect.Name(6024));
    }

    private static Verdict FinalizeEmpty(RawClient client)
    {
        Expect.Status("graphFinalize", 6022, client.Graph(client.Context).TryFinalize());
        return Verdict.Pass(Expect.Name(6022));
    }

    private static Verdict FinalizeUnwritten(RawClient client)
    {
        RawGraph graph = Unfinalized(client);
        graph.Output(Square());
        Expect.Status("graphFinalize", 6020, graph.TryFinalize());
        return Verdict.Pass(Expect.Name(6020));
    }

    private static Verdict AddUnwritten(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(Square()), graph.Native(Square(), "between")];
        Qnn_OpConfig_t node = graph.Node("MatMul", inputs, [graph.Output(Square())]);
        Expect.Status("graphAddNode", 6007, client.Table.graphAddNode(graph.Handle, node));
        return Verdict.Pass(Expect.Name(6007));
    }

    private static Verdict RetrieveUnknown(RawClient client)
    {
        Unfinalized(client).Finalized();
        void* found = null;
        Expect.Status("graphRetrieve", 6003, client.Table.graphRetrieve(client.Context, client.Memory.Text("nowhere"), &found));
        return Verdict.Pass(Expect.Name(6003));
    }
}
