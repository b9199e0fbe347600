using System.Text;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Context binaries: round trip, and binaries that are cut, empty, altered or foreign.</summary>
internal static unsafe class BinaryChecks
{
    private const ulong Malformed = 30010;
    private const ulong Foreign = 30001;

    public static void Run(CheckRun run)
    {
        run.Check("round trip", RoundTrip);
        run.Check("several graphs in one", Several);
        run.Check("outlives its context", OutlivesItsContext);
        run.Check("buffers that are too small or null", Buffers);
        run.Check("null or empty", Nulls);
        run.Check("cut in half", CutInHalf);
        run.Check("all zeros", Zeros);
        run.Check("of something else", SomethingElse);
        run.Check("64 bytes flipped", Flipped);
        run.Check("validated without loading", Validated);
        run.CheckLibrary("described by the system library", Described);
    }

    /// <summary>The binary of a context.</summary>
    /// <exception cref="NotOfferedException">The backend makes none.</exception>
    /// <exception cref="CheckFailedException">It failed to.</exception>
    public static byte[] BinaryOf(RawClient client, void* context)
    {
        RawClient.RequireOffered(client.Table.contextGetBinarySize, "contextGetBinarySize");
        RawClient.RequireOffered(client.Table.contextGetBinary, "contextGetBinary");
        RawClient.RequireOffered(client.Table.contextCreateFromBinary, "contextCreateFromBinary");
        ulong bytes = 0;
        Expect.OkOrNotOffered("contextGetBinarySize", client.Table.contextGetBinarySize(context, &bytes));
        Expect.That(bytes is > 0 and < 1 << 30, $"contextGetBinarySize: expected a size, actual {bytes}");
        byte[] binary = new byte[bytes];
        ulong written = 0;
        fixed (byte* start = binary)
        {
            Expect.Ok("contextGetBinary", client.Table.contextGetBinary(context, start, bytes, &written));
        }

        Expect.That(written > 0 && written <= bytes, $"contextGetBinary: expected 1 to {bytes} bytes written, actual {written}");
        return binary[..(int)written];
    }

    private static byte[] PilotBinary(RawClient client)
    {
        MatMulChecks.Pilot(client, client.Context, 1, "pilot");
        return BinaryOf(client, client.Context);
    }

    private static RawGraph Retrieve(RawClient client, void* context, RawGraph composed)
    {
        void* handle = null;
        Expect.Ok($"graphRetrieve of '{composed.Name}'", client.Table.graphRetrieve(context, client.Memory.Text(composed.Name), &handle));
        Expect.That(handle != null, "graphRetrieve: expected a handle, actual success with null");
        return composed.As(context, handle);
    }

    private static void* Load(RawClient client, byte[] binary)
    {
        Expect.Ok("contextCreateFromBinary", client.CreateContextFromBinary(binary, out void* context));
        Expect.That(context != null, "contextCreateFromBinary: expected a handle, actual success with null");
        return context;
    }

    private static Verdict RoundTrip(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1, "pilot");
        byte[] composed = pilot.Execute()[0].Data!;
        byte[] binary = BinaryOf(client, client.Context);
        RawGraph loaded = Retrieve(client, Load(client, binary), pilot);
        RawGraph.Contents(loaded.Outputs[0]).Clear();
        byte[] again = loaded.Execute()[0].Data!;
        Expect.That(composed.AsSpan().SequenceEqual(again), "scores of the loaded graph: expected those of the composed one, actual others");
        void* unknown = null;
        Expect.Status("graphRetrieve of a name that is not in it", 6003,
            client.Table.graphRetrieve(loaded.Context, client.Memory.Text("nowhere"), &unknown));
        MatMulChecks.PilotIsExact(loaded, "the loaded graph");
        return Verdict.Pass($"{binary.Length:N0} bytes, the same scores");
    }

    private static Verdict Several(RawClient client)
    {
        RawGraph[] composed = [.. Enumerable.Range(0, 3).Select(i => MatMulChecks.Pilot(client, client.Context, 20 * i, $"pilot{i}"))];
        void* context = Load(client, BinaryOf(client, client.Context));
        foreach (RawGraph graph in composed.Reverse())
        {
            RawGraph loaded = Retrieve(client, context, graph);
            loaded.Execute();
            MatMulChecks.PilotIsExact(loaded, $"graph '{graph.Name}'");
        }

        return Verdict.Pass($"{composed.Length} graphs");
    }

    private static Verdict OutlivesItsContext(RawClient client)
    {
        void* first = client.CreateContext();
        Operand weights = new Operand(QnnDataType.SFixed8, [1, 1, 16, 16], 1).Filled(3);
        Operand a = new Operand(QnnDataType.SFixed8, [1, 1, 4, 16], 1).Filled(4);
        RawGraph graph = client.Graph(first, "weights");
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Static(weights, "constant")];
        graph.Add("MatMul", inputs, [graph.Output(new Operand(QnnDataType.SFixed8, [1, 1, 4, 16], 512))]);
        graph.Finalized();
        byte[] binary = BinaryOf(client, first);
        Expect.Ok("contextFree", client.FreeContext(first));
        void* second = Load(client, binary);
        // The client's copy may go as well.
        Array.Clear(binary);
        RawGraph loaded = Retrieve(client, second, graph);
        return Comparison.Of(loaded.Execute()[0], Formulas.MatMul(a, weights, false, false)).Within(0.5, "constants come from the binary");
    }

    private static Verdict Buffers(RawClient client)
    {
        byte[] binary = PilotBinary(client);
        ulong written = 0;
        fixed (byte* start = binary)
        {
            Expect.Status("contextGetBinary into half the size", 5007,
                client.Table.contextGetBinary(client.Context, start, (ulong)binary.Length / 2, &written));
            Expect.Status("contextGetBinary into null", 5000, client.Table.contextGetBinary(client.Context, null, (ulong)binary.Length, &written));
        }

        Expect.Status("contextGetBinarySize into null", 5000, client.Table.contextGetBinarySize(client.Context, null));
        return Verdict.Pass();
    }

    private static Verdict Nulls(RawClient client)
    {
        byte[] binary = PilotBinary(client);
        void* context = null;
        fixed (byte* start = binary)
        {
            Expect.Status("contextCreateFromBinary of null", 5000,
                client.Table.contextCreateFromBinary(client.Backend, client.Device, null, null, (ulong)binary.Length, &context, null));
            Expect.Status("contextCreateFromBinary of 0 bytes", 5000,
                client.Table.contextCreateFromBinary(client.Backend, client.Device, null, start, 0, &context, null));
            Expect.Status("contextCreateFromBinary into null", 5000,
                client.Table.contextCreateFromBinary(client.Backend, client.Device, null, start, (ulong)binary.Length, null, null));
        }

        return Verdict.Pass();
    }

    private static Verdict CutInHalf(RawClient client)
    {
        byte[] binary = PilotBinary(client);
        Expect.Status("contextCreateFromBinary", Malformed, client.CreateContextFromBinary(binary.AsSpan(0, binary.Length / 2), out _));
        return Verdict.Pass(Expect.Name(Malformed));
    }

    private static Verdict Zeros(RawClient client)
    {
        byte[] binary = PilotBinary(client);
        Expect.Status("contextCreateFromBinary", Foreign, client.CreateContextFromBinary(new byte[binary.Length], out _));
        return Verdict.Pass(Expect.Name(Foreign));
    }

    private static Verdict SomethingElse(RawClient client)
    {
        int bytes = PilotBinary(client).Length;
        byte[] text = new byte[bytes];
        byte[] line = Encoding.ASCII.GetBytes("This is no context binary.\n");
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = line[i % line.Length];
        }

        Expect.Refusal("contextCreateFromBinary of a text", client.CreateContextFromBinary(text, out _));
        Expect.Refusal("contextCreateFromBinary of one byte", client.CreateContextFromBinary([1], out _));
        return Verdict.Pass("a text and one byte refused");
    }

    private static Verdict Flipped(RawClient client)
    {
        byte[] binary = PilotBinary(client);
        foreach (ref byte value in binary.AsSpan(binary.Length / 2, Math.Min(64, binary.Length / 4)))
        {
            value ^= 0xff;
        }

        ulong status = client.CreateContextFromBinary(binary, out _);
        return status == Expect.Success
            ? Verdict.Pass("accepted", "HTP accepts a binary with flipped bytes: a cache needs a checksum of its own")
            : Verdict.Pass($"refused: {Expect.Name(status)}");
    }

    private static Verdict Validated(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextValidateBinary, "contextValidateBinary");
        byte[] binary = PilotBinary(client);
        fixed (byte* start = binary)
        {
            Expect.OkOrNotOffered("contextValidateBinary",
                client.Table.contextValidateBinary(client.Backend, client.Device, null, start, (ulong)binary.Length));
            Expect.Refusal("contextValidateBinary of half a binary",
                client.Table.contextValidateBinary(client.Backend, client.Device, null, start, (ulong)binary.Length / 2));
        }

        return Verdict.Pass();
    }

    private static Verdict Described(QnnLibrary library)
    {
        QnnSystem system;
        try
        {
            system = library.SystemLibrary;
        }
        catch (QnnLoadException e)
        {
            throw new NotOfferedException(e.Message);
        }

        using var client = new RawClient(library);
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1, "pilot");
        byte[] binary = BinaryOf(client, client.Context);
        QnnBinaryInfo info = system.ReadBinary(binary);
        Expect.Equal("number of graphs", 1, info.Graphs.Count);
        QnnBinaryGraph graph = info.Graphs[0];
        Expect.Equal("name of the graph", "pilot", graph.Name);
        Expect.Equal("build id", InterfaceChecks.BuildIdOf(library), info.BuildId);
        Expect.Equal("core API", library.Info.CoreApiVersion, info.CoreApiVersion);
        Expect.Equal("inputs", pilot.Inputs.Count, graph.Inputs.Count);
        for (int i = 0; i < graph.Inputs.Count; i++)
        {
            Expect.Equal($"id of input {i}", pilot.Inputs[i].Anonymous.v1.id, graph.Inputs[i].Id);
            Expect.That(graph.Inputs[i].Spec.Shape.SequenceEqual(pilot.InputOperands[i].Shape), $"shape of input {i}: expected {pilot.InputOperands[i]}, actual {graph.Inputs[i]}");
        }

        bool half = false;
        try
        {
            system.ReadBinary(binary.AsSpan(0, binary.Length / 2));
            half = true;
        }
        catch (QnnException)
        {
            // Refused, as it should be.
        }

        Expect.That(!half, "half a binary: expected an error, actual a description");
        return Verdict.Pass($"graph '{graph.Name}', {graph.Inputs.Count} inputs, {graph.Outputs.Count} outputs");
    }
}
