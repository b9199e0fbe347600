using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Executing: buffers, and what comes of inputs that are missing, null, unknown or in another order.</summary>
internal static unsafe class ExecuteChecks
{
    private const ulong InvalidTensor = 6004;
    private const ulong InvalidArgument = 6000;

    public static void Run(CheckRun run)
    {
        run.Check("again and again", Repeated);
        run.Check("buffers at other addresses", OtherBuffers);
        run.Check("buffers that are not aligned", Unaligned);
        run.Check("leaves its inputs and what is around its outputs", LeavesTheRest);
        run.Check("an input or output too few or too many", Counts);
        run.Check("null buffers", NullBuffers);
        run.Check("unknown ids", UnknownIds);
        run.Check("another shape", OtherShape);
        run.Check("inputs in another order", OtherOrder);
        run.Check("buffers that are too small", client => TooSmall(client, run.IsGuarded));
    }

    private static Verdict Repeated(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        for (int i = 0; i < 5; i++)
        {
            RawGraph.Contents(pilot.Outputs[0]).Fill((byte)(17 * i));
            pilot.Execute();
            MatMulChecks.PilotIsExact(pilot, $"execution {i}");
        }

        return Verdict.Pass("5 executions, the same results");
    }

    private static Verdict OtherBuffers(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        pilot.Execute();
        RawGraph other = pilot.As(client.Context, pilot.Handle);
        other.Rebind(30);
        other.Execute();
        MatMulChecks.PilotIsExact(pilot, "the first buffers");
        return MatMulChecks.PilotIsExact(other, "other buffers");
    }

    private static Verdict Unaligned(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        pilot.Rebind(31, misalignment: 1);
        pilot.Execute();
        return MatMulChecks.PilotIsExact(pilot, "buffers at odd addresses");
    }

    private static Verdict LeavesTheRest(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        Qnn_Tensor_t[] outputs = [.. pilot.Outputs];
        int bytes = pilot.OutputOperands[0].Bytes;
        const int margin = 256;
        var around = new Span<byte>(client.Memory.Allocate(bytes + 2 * margin), bytes + 2 * margin);
        around.Fill(0x5a);
        fixed (byte* start = around)
        {
            RawTensor.SetContents(ref outputs[0], start + margin, bytes);
        }

        byte[][] before = [.. pilot.Inputs.Select(input => RawGraph.Contents(input).ToArray())];
        Expect.Ok("graphExecute", pilot.TryExecute([.. pilot.Inputs], outputs));
        Expect.That(around[..margin].IndexOfAnyExcept((byte)0x5a) < 0, "bytes before the output: expected untouched, actual written");
        Expect.That(around[^margin..].IndexOfAnyExcept((byte)0x5a) < 0, "bytes behind the output: expected untouched, actual written");
        for (int i = 0; i < before.Length; i++)
        {
            Expect.That(RawGraph.Contents(pilot.Inputs[i]).SequenceEqual(before[i]), $"input {i}: expected untouched, actual written");
        }

        return Verdict.Pass();
    }

    private static Verdict Counts(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        Qnn_Tensor_t[] inputs = [.. pilot.Inputs];
        Qnn_Tensor_t[] outputs = [.. pilot.Outputs];
        Expect.Status("graphExecute with an input too few", InvalidTensor, pilot.TryExecute(inputs.AsSpan(0, 1), outputs));
        Expect.Status("graphExecute with an input too many", InvalidTensor, pilot.TryExecute([.. inputs, inputs[1]], outputs));
        Expect.Status("graphExecute without outputs", InvalidArgument, pilot.TryExecute(inputs, []));
        Expect.Ok("graphExecute after that", pilot.TryExecute());
        return MatMulChecks.PilotIsExact(pilot, "after that");
    }

    private static Verdict NullBuffers(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        Qnn_Tensor_t[] inputs = [.. pilot.Inputs];
        Qnn_Tensor_t[] outputs = [.. pilot.Outputs];
        inputs[1].Anonymous.v1.Anonymous.clientBuf.data = null;
        Expect.Status("graphExecute with a null input", InvalidTensor, pilot.TryExecute(inputs, outputs));
        outputs[0].Anonymous.v1.Anonymous.clientBuf.data = null;
        Expect.Status("graphExecute with a null output", InvalidTensor, pilot.TryExecute([.. pilot.Inputs], outputs));
        pilot.Execute();
        return MatMulChecks.PilotIsExact(pilot, "after that");
    }

    private static Verdict UnknownIds(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        foreach ((uint id, string what) in (ReadOnlySpan<(uint, string)>)
        [
            (999, "an unknown id"), (pilot.Inputs[0].Anonymous.v1.id, "one input's id twice"), (pilot.Outputs[0].Anonymous.v1.id, "the output's id as an input's"),
        ])
        {
            Qnn_Tensor_t[] inputs = [.. pilot.Inputs];
            inputs[1].Anonymous.v1.id = id;
            Expect.Status($"graphExecute with {what}", InvalidTensor, pilot.TryExecute(inputs, [.. pilot.Outputs]));
        }

        pilot.Execute();
        return MatMulChecks.PilotIsExact(pilot, "after that");
    }

    private static Verdict OtherShape(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        Qnn_Tensor_t[] inputs = [.. pilot.Inputs];
        // Smaller than the graph's, in a buffer that is large enough for both.
        inputs[0].Anonymous.v1.dimensions = client.Memory.Copy<uint>([1, 2, 4, 64]);
        Expect.Status("graphExecute with another shape", InvalidTensor, pilot.TryExecute(inputs, [.. pilot.Outputs]));
        return Verdict.Pass(Expect.Name(InvalidTensor));
    }

    private static Verdict OtherOrder(RawClient client)
    {
        Operand a = new Operand(QnnDataType.SFixed8, [1, 1, 16, 16], 1).Filled(1);
        Operand b = new Operand(QnnDataType.SFixed8, [1, 1, 16, 16], 1).Filled(2);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add("MatMul", inputs, [graph.Output(new Operand(QnnDataType.SFixed8, [1, 1, 16, 16], 512))]);
        graph.Finalized();
        Expect.Ok("graphExecute with its inputs swapped", graph.TryExecute([graph.Inputs[1], graph.Inputs[0]], [.. graph.Outputs]));
        return Comparison.Of(graph.Results()[0], Formulas.MatMul(a, b, false, false)).Within(0.5, "ids decide, not the order");
    }

    private static Verdict TooSmall(RawClient client, bool isGuarded)
    {
        if (!isGuarded)
        {
            return Verdict.NotSupported("not tried", "HTP reads past the end of a buffer that is too small");
        }

        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        Qnn_Tensor_t[] inputs = [.. pilot.Inputs];
        inputs[0].Anonymous.v1.Anonymous.clientBuf.dataSize--;
        Expect.Status("graphExecute with an input of a byte too few", InvalidTensor, pilot.TryExecute(inputs, [.. pilot.Outputs]));
        Qnn_Tensor_t[] outputs = [.. pilot.Outputs];
        outputs[0].Anonymous.v1.Anonymous.clientBuf.dataSize--;
        Expect.Status("graphExecute with an output of a byte too few", InvalidTensor, pilot.TryExecute([.. pilot.Inputs], outputs));
        return Verdict.Pass(Expect.Name(InvalidTensor));
    }
}
