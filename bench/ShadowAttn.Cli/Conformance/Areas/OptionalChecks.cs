using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Functions that a backend may do without: they succeed, or say that they are not supported.</summary>
internal static unsafe class OptionalChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("graphCreateSubgraph", Subgraph);
        run.Check("tensorCreateContextTensor", ContextTensor);
        run.Check("contextFinalize", ContextFinalize);
        run.Check("contextGetIncrementalBinary", IncrementalBinary);
        run.Check("contextGetBinarySectionSize", BinarySection);
        run.Check("contextCreateFromBinaryWithSignal", WithSignal);
        run.Check("graphGetProperty", GraphProperty);
        run.Check("graphPrepareExecutionEnvironment", Environment);
        run.Check("globalConfigSet", GlobalConfig);
    }

    private static Verdict Subgraph(RawClient client)
    {
        RawClient.RequireOffered(client.Table.graphCreateSubgraph, "graphCreateSubgraph");
        void* subgraph = null;
        Expect.OkOrNotOffered("graphCreateSubgraph",
            client.Table.graphCreateSubgraph(client.Graph(client.Context).Handle, client.Memory.Text("subgraph"), &subgraph));
        Expect.That(subgraph != null, "graphCreateSubgraph: expected a handle, actual success with null");
        return Verdict.Pass();
    }

    private static Verdict ContextTensor(RawClient client)
    {
        RawClient.RequireOffered(client.Table.tensorCreateContextTensor, "tensorCreateContextTensor");
        Qnn_Tensor_t tensor = RawTensor.Describe(
            client.Memory, "shared", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, new Operand(QnnDataType.SFixed8, [1, 1, 8, 8], 1));
        Expect.OkOrNotOffered("tensorCreateContextTensor", client.Table.tensorCreateContextTensor(client.Context, &tensor));
        return Verdict.Pass();
    }

    private static Verdict ContextFinalize(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextFinalize, "contextFinalize");
        MatMulChecks.Pilot(client, client.Context, 1);
        Expect.OkOrNotOffered("contextFinalize", client.Table.contextFinalize(client.Context, null));
        return Verdict.Pass();
    }

    private static Verdict IncrementalBinary(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextGetIncrementalBinary, "contextGetIncrementalBinary");
        RawClient.RequireOffered(client.Table.contextReleaseIncrementalBinary, "contextReleaseIncrementalBinary");
        MatMulChecks.Pilot(client, client.Context, 1);
        void* binary = null;
        ulong start = 0;
        ulong bytes = 0;
        Expect.OkOrNotOffered("contextGetIncrementalBinary", client.Table.contextGetIncrementalBinary(client.Context, &binary, &start, &bytes));
        Expect.That(binary != null && bytes > 0, $"contextGetIncrementalBinary: expected bytes, actual {bytes}");
        Expect.Ok("contextReleaseIncrementalBinary", client.Table.contextReleaseIncrementalBinary(client.Context, binary, start));
        return Verdict.Pass($"{bytes} bytes");
    }

    private static Verdict BinarySection(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextGetBinarySectionSize, "contextGetBinarySectionSize");
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        ulong bytes = 0;
        Expect.OkOrNotOffered("contextGetBinarySectionSize", client.Table.contextGetBinarySectionSize(
            client.Context, pilot.Handle, QnnContext_SectionType_t.QNN_CONTEXT_SECTION_UPDATABLE, &bytes));
        return Verdict.Pass($"{bytes} bytes");
    }

    private static Verdict WithSignal(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextCreateFromBinaryWithSignal, "contextCreateFromBinaryWithSignal");
        MatMulChecks.Pilot(client, client.Context, 1, "pilot");
        byte[] binary = BinaryChecks.BinaryOf(client, client.Context);
        void* context = null;
        fixed (byte* start = binary)
        {
            Expect.OkOrNotOffered("contextCreateFromBinaryWithSignal", client.Table.contextCreateFromBinaryWithSignal(
                client.Backend, client.Device, null, start, (ulong)binary.Length, &context, null, null));
        }

        void* graph = null;
        ulong status = client.Table.graphRetrieve(context, client.Memory.Text("pilot"), &graph);
        Expect.Ok("contextFree", client.Table.contextFree(context, null));
        Expect.Ok("graphRetrieve", status);
        return Verdict.Pass();
    }

    private static Verdict GraphProperty(RawClient client)
    {
        RawClient.RequireOffered(client.Table.graphGetProperty, "graphGetProperty");
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        QnnGraph_Property_t* none = null;
        Expect.OkOrNotOffered("graphGetProperty", client.Table.graphGetProperty(pilot.Handle, &none));
        return Verdict.Pass();
    }

    private static Verdict Environment(RawClient client)
    {
        RawClient.RequireOffered(client.Table.graphPrepareExecutionEnvironment, "graphPrepareExecutionEnvironment");
        RawClient.RequireOffered(client.Table.graphReleaseExecutionEnvironment, "graphReleaseExecutionEnvironment");
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        var environment = new QnnGraph_ExecuteEnvironment_t
        {
            option = QnnGraph_ExecuteEnvironmentOption_t.QNN_GRAPH_EXECUTE_ENVIRONMENT_OPTION_POPULATE_CLIENT_BUFS,
        };
        QnnGraph_ExecuteEnvironment_t* only = &environment;
        Expect.OkOrNotOffered("graphPrepareExecutionEnvironment", client.Table.graphPrepareExecutionEnvironment(pilot.Handle, &only, 1));
        Expect.Ok("graphReleaseExecutionEnvironment", client.Table.graphReleaseExecutionEnvironment(pilot.Handle, &only, 1));
        return Verdict.Pass();
    }

    private static Verdict GlobalConfig(RawClient client)
    {
        RawClient.RequireOffered(client.Table.globalConfigSet, "globalConfigSet");
        QnnGlobalConfig_t* none = null;
        Expect.OkOrNotOffered("globalConfigSet", client.Table.globalConfigSet(&none));
        return Verdict.Pass();
    }
}
