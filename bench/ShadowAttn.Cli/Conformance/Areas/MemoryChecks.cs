using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Registered memory: tensors that the backend reads and writes in shared pages.</summary>
internal static unsafe class MemoryChecks
{
    public const string SimulatorHasNone = "HTP's simulator announces shared memory and registers none";

    public static void Run(CheckRun run)
    {
        run.Check("inputs and outputs in shared memory", Shared);
        run.Check("what is written later counts", WrittenLater);
        run.Check("several at once", SeveralAtOnce);
        run.Check("refuses what is no file descriptor", client => WrongDescriptor(client, run.IsGuarded));
        run.Check("refuses handles that were taken back", client => TakenBack(client, run.IsGuarded));
    }

    private static void* Register(RawClient client, SharedMemory memory, int bytes)
    {
        ulong status = memory.TryRegister(client.Context, (uint)bytes, out void* handle);
        Expect.OkOrNotOffered("memRegister", status);
        Expect.That(handle != null, "memRegister: expected a handle, actual success with null");
        return handle;
    }

    private static Verdict OrKnown(Func<Verdict> body)
    {
        try
        {
            return body();
        }
        catch (NotOfferedException e)
        {
            return Verdict.NotSupported(e.Message, SimulatorHasNone);
        }
    }

    private static Qnn_Tensor_t Bound(Qnn_Tensor_t tensor, void* handle)
    {
        tensor.Anonymous.v1.memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE;
        tensor.Anonymous.v1.Anonymous.clientBuf = default;
        tensor.Anonymous.v1.Anonymous.memHandle = handle;
        return tensor;
    }

    private static Verdict Shared(RawClient client) => OrKnown(() =>
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        byte[] scores = pilot.Execute()[0].Data!;
        using var q = SharedMemory.Allocate(client, pilot.InputOperands[0].Bytes);
        using var result = SharedMemory.Allocate(client, scores.Length);
        pilot.InputOperands[0].Data.CopyTo(new Span<byte>(q.Data, pilot.InputOperands[0].Bytes));
        void*[] handles = [Register(client, q, pilot.InputOperands[0].Bytes), Register(client, result, scores.Length)];
        Expect.That(handles[0] != handles[1], "memRegister: expected two handles, actual one twice");
        Qnn_Tensor_t[] inputs = [Bound(pilot.Inputs[0], handles[0]), pilot.Inputs[1]];
        Expect.Ok("graphExecute", pilot.TryExecute(inputs, [Bound(pilot.Outputs[0], handles[1])]));
        Expect.That(new Span<byte>(result.Data, scores.Length).SequenceEqual(scores),
            "scores in shared memory: expected those in a plain buffer, actual others");
        fixed (void** list = handles)
        {
            Expect.Ok("memDeRegister", client.Table.memDeRegister(list, 2));
        }

        return Verdict.Pass("the same scores as in plain buffers");
    });

    private static Verdict WrittenLater(RawClient client) => OrKnown(() =>
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        using var q = SharedMemory.Allocate(client, pilot.InputOperands[0].Bytes);
        void* handle = Register(client, q, pilot.InputOperands[0].Bytes);
        for (int seed = 50; seed < 53; seed++)
        {
            pilot.InputOperands[0] = pilot.InputOperands[0].Filled(seed);
            pilot.InputOperands[0].Data.CopyTo(new Span<byte>(q.Data, pilot.InputOperands[0].Bytes));
            Expect.Ok("graphExecute", pilot.TryExecute([Bound(pilot.Inputs[0], handle), pilot.Inputs[1]], [.. pilot.Outputs]));
            MatMulChecks.PilotIsExact(pilot, $"contents {seed}");
        }

        Expect.Ok("memDeRegister", client.Table.memDeRegister(&handle, 1));
        return Verdict.Pass("3 contents in one registration");
    });

    private static Verdict SeveralAtOnce(RawClient client) => OrKnown(() =>
    {
        const int count = 16;
        const int bytes = 4096;
        var memory = new List<SharedMemory>();
        var handles = new HashSet<nint>();
        try
        {
            for (int i = 0; i < count; i++)
            {
                memory.Add(SharedMemory.Allocate(client, bytes));
                handles.Add((nint)Register(client, memory[^1], bytes));
            }

            Expect.Equal("handles", count, handles.Count);
        }
        finally
        {
            foreach (nint handle in handles)
            {
                void* value = (void*)handle;
                client.Table.memDeRegister(&value, 1);
            }

            memory.ForEach(block => block.Dispose());
        }

        return Verdict.Pass($"{count} registrations");
    });

    private static Verdict WrongDescriptor(RawClient client, bool isGuarded) => OrKnown(() =>
    {
        if (!isGuarded)
        {
            throw new NotOfferedException("not tried: only the built-in backend is known to survive it");
        }

        uint* shape = stackalloc uint[] { 64 };
        var descriptor = new Qnn_MemDescriptor_t
        {
            memShape = new Qnn_MemShape_t { numDim = 1, dimSize = shape },
            dataType = Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8,
            memType = Qnn_MemType_t.QNN_MEM_TYPE_ION,
        };
        descriptor.Anonymous.ionInfo.fd = -1;
        void* handle = null;
        ulong status = client.Table.memRegister(client.Context, &descriptor, 1, &handle);
        Expect.That(status != Expect.NotSupported, "memRegister of descriptor -1: expected an error of its own, actual 1000");
        Expect.Refusal("memRegister of descriptor -1", status);
        return Verdict.Pass(Expect.Name(status));
    });

    private static Verdict TakenBack(RawClient client, bool isGuarded) => OrKnown(() =>
    {
        if (!isGuarded)
        {
            throw new NotOfferedException("not tried: HTP follows memory handles");
        }

        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        using var q = SharedMemory.Allocate(client, pilot.InputOperands[0].Bytes);
        void* handle = Register(client, q, pilot.InputOperands[0].Bytes);
        Expect.Ok("memDeRegister", client.Table.memDeRegister(&handle, 1));
        Expect.Status("graphExecute", 6004, pilot.TryExecute([Bound(pilot.Inputs[0], handle), pilot.Inputs[1]], [.. pilot.Outputs]));
        Expect.Status("memDeRegister again", 8001, client.Table.memDeRegister(&handle, 1));
        return Verdict.Pass();
    });
}
