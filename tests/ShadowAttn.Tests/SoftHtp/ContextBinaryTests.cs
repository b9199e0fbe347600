using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using ShadowAttn.SoftHtp.Binary;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class ContextBinaryTests
{
    private static readonly TestTensor Q8 = Random(1, [1, 1, 12, 32], 1);
    private static readonly TestTensor K8 = Random(2, [1, 1, 20, 32], 1);
    private static readonly TestTensor Scores = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 12, 20], 32);

    private static TestTensor Random(int seed, uint[] shape, float scale)
    {
        var tensor = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, shape, scale);
        return tensor with { Data = Elements.Draw(new Random(seed), tensor) };
    }

    /// <summary>Two graphs: the pilot, and a chain with a static tensor, a native one and a tensor parameter.</summary>
    private static ComposedGraph Compose(TableClient client)
    {
        ComposedGraph pilot = client.Compose("MatMul", [Q8, K8], [Scores], [client.Flag("transpose_in1", true)]);
        void* chain = client.Graph("chain");
        Qnn_Tensor_t a = client.Tensor("a", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, Q8);
        Qnn_Tensor_t constant = client.Tensor("constant", Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, Random(3, [32], 0.5f));
        Qnn_Tensor_t sum = client.Tensor("sum", Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE, Q8 with { Data = null });
        Qnn_Tensor_t turned = client.Tensor(
            "turned", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 32, 12], 1));
        client.Create(chain, ref a);
        client.Create(chain, ref constant);
        client.Create(chain, ref sum);
        client.Create(chain, ref turned);
        Qnn_Tensor_t perm = client.Tensor(
            "perm",
            Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC,
            new TestTensor(QNN_DATATYPE_UINT_32, [4], 0, 0, MemoryMarshal.AsBytes<uint>((uint[])[0, 1, 3, 2]).ToArray()));
        TableClient.Ok(client.Q.graphAddNode(chain, client.Op("ElementWiseAdd", [], [a, constant], [sum])));
        TableClient.Ok(client.Q.graphAddNode(chain, client.Op("Transpose", [client.TensorParameter("perm", perm)], [sum], [turned])));
        TableClient.Ok(client.Q.graphFinalize(chain, null, null));
        return pilot;
    }

    private static byte[] Binary(TableClient client)
    {
        ulong bytes, written;
        TableClient.Ok(client.Q.contextGetBinarySize(client.Context, &bytes));
        byte[] binary = new byte[bytes];
        fixed (byte* pointer = binary)
        {
            TableClient.Ok(client.Q.contextGetBinary(client.Context, pointer, bytes, &written));
        }
        Assert.Equal(bytes, written);
        return binary;
    }

    private static ulong Load(TableClient client, ReadOnlySpan<byte> binary, out nint context)
    {
        void* loaded = null;
        ulong status;
        fixed (byte* pointer = binary)
        {
            status = client.Q.contextCreateFromBinary(client.Backend, client.Device, null, pointer, (ulong)binary.Length, &loaded, null);
        }
        context = (nint)loaded;
        return status;
    }

    [Fact]
    public void A_loaded_context_computes_the_same()
    {
        byte[] binary, expected;
        using (TableClient client = TableClient.OfSoftHtp())
        {
            ComposedGraph pilot = Compose(client);
            TableClient.Ok(pilot.Execute());
            expected = pilot.Output(0).ToArray();
            binary = Binary(client);
            Assert.Equal(binary, Binary(client));
        }

        using TableClient other = TableClient.OfSoftHtp();
        TableClient.Ok(Load(other, binary, out nint context));
        void* graph = null;
        TableClient.Ok(other.Q.graphRetrieve((void*)context, other.Text("graph0"), &graph));
        QnnBinary info = QnnBinary.Read(binary);
        Assert.Equal(["graph0", "chain"], info.GraphNames);
        Qnn_Tensor_t* ins = stackalloc Qnn_Tensor_t[2];
        ins[0] = other.Tensor("in0", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, Q8);
        ins[1] = other.Tensor("in1", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, K8);
        ins[0].Anonymous.v1.id = info.InputIds[0][0];
        ins[1].Anonymous.v1.id = info.InputIds[0][1];
        Qnn_Tensor_t result = other.Tensor("out0", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, Scores with { Data = new byte[Scores.Bytes] });
        result.Anonymous.v1.id = info.OutputIds[0][0];
        TableClient.Ok(other.Q.graphExecute(graph, ins, 2, &result, 1, null, null));
        Assert.Equal(expected, new ReadOnlySpan<byte>(result.Anonymous.v1.Anonymous.clientBuf.data, Scores.Bytes).ToArray());

        // What was loaded can be written again, to the same bytes.
        ulong bytes, written;
        TableClient.Ok(other.Q.contextGetBinarySize((void*)context, &bytes));
        byte[] again = new byte[bytes];
        fixed (byte* pointer = again)
        {
            TableClient.Ok(other.Q.contextGetBinary((void*)context, pointer, bytes, &written));
        }
        Assert.Equal(binary, again);
    }

    [Fact]
    public void Names_of_graphs_can_limit_what_is_loaded()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Compose(client);
        byte[] binary = Binary(client);
        sbyte** names = stackalloc sbyte*[] { client.Text("chain"), null };
        var enable = new QnnContext_Config_t { option = QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_ENABLE_GRAPHS };
        enable.Anonymous.enableGraphs = names;
        QnnContext_Config_t** config = stackalloc QnnContext_Config_t*[] { &enable, null };
        void* context = null, graph = null;
        fixed (byte* pointer = binary)
        {
            TableClient.Ok(client.Q.contextCreateFromBinary(client.Backend, client.Device, config, pointer, (ulong)binary.Length, &context, null));
        }
        TableClient.Ok(client.Q.graphRetrieve(context, client.Text("chain"), &graph));
        Assert.Equal(6003UL, client.Q.graphRetrieve(context, client.Text("graph0"), &graph));
    }

    [Fact]
    public void Wrong_buffers_and_damaged_binaries_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Compose(client);
        byte[] binary = Binary(client);
        ulong written;
        fixed (byte* pointer = (byte[])binary.Clone())
        {
            Assert.Equal(5007UL, client.Q.contextGetBinary(client.Context, pointer, (ulong)binary.Length - 1, &written));
            Assert.Equal(5000UL, client.Q.contextGetBinary(client.Context, null, (ulong)binary.Length, &written));
            Assert.Equal(5000UL, client.Q.contextGetBinary(client.Context, pointer, (ulong)binary.Length, null));
            void* context = null;
            Assert.Equal(5000UL, client.Q.contextCreateFromBinary(client.Backend, client.Device, null, null, 10, &context, null));
            Assert.Equal(5000UL, client.Q.contextCreateFromBinary(client.Backend, client.Device, null, pointer, 0, &context, null));
            Assert.Equal(5000UL, client.Q.contextCreateFromBinary(client.Backend, client.Device, null, pointer, (ulong)binary.Length, null, null));
            Assert.Equal(0UL, client.Q.contextValidateBinary(client.Backend, client.Device, null, pointer, (ulong)binary.Length));
            Assert.Equal(30010UL, client.Q.contextValidateBinary(client.Backend, client.Device, null, pointer, (ulong)binary.Length / 2));
        }
        Assert.Equal(30010UL, Load(client, binary.AsSpan(0, binary.Length / 2), out _));
        Assert.Equal(30010UL, Load(client, binary.AsSpan(0, 9), out _));
        Assert.Equal(30001UL, Load(client, new byte[binary.Length], out _));
        byte[] flipped = (byte[])binary.Clone();
        for (int i = 0; i < 64; i++)
        {
            flipped[(flipped.Length / 2) + i] ^= 0xFF;
        }
        Assert.Equal(30010UL, Load(client, flipped, out _));
        byte[] newer = (byte[])binary.Clone();
        newer[8]++;
        Assert.Equal(5004UL, Load(client, newer, out _));
        Assert.Equal(1, client.Soft.LiveHandles.Contexts);
    }

    [Fact]
    public void Every_flipped_bit_is_noticed()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Compose(client);
        byte[] binary = Binary(client);
        for (int bit = 0; bit < binary.Length * 8; bit += 5)
        {
            binary[bit / 8] ^= (byte)(1 << (bit % 8));
            // Four bytes of the header are reserved and not looked at.
            bool isRead = bit / 8 is < 12 or > 15;
            Assert.Equal(!isRead, BinaryLayout.Examine(binary, out _) == BinaryState.Intact);
            binary[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mutated_binaries_do_no_harm(bool sealedAgain)
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1 });
        Compose(client);
        byte[] binary = Binary(client);
        var random = new Random(11);
        int refused = 0, accepted = 0;
        SoftHtpHandleCounts before = client.Soft.LiveHandles;
        int rounds = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 5000 : 100;
        for (int round = 0; round < rounds; round++)
        {
            byte[] mutated = Mutate(random, binary, sealedAgain);
            ulong status = Load(client, mutated, out nint context);
            if (status == 0)
            {
                accepted++;
                TableClient.Ok(client.Q.contextFree((void*)context, null));
            }
            else
            {
                refused++;
                Assert.True(status is 30001 or 30010 or 5004 or 1002 or 1100, $"status {status}");
            }
            QnnBinary.TryRead(mutated);
            client.Messages.Clear();
        }
        Assert.True(refused > rounds / 2, $"{accepted} of {rounds} accepted");
        Assert.Equal(before, client.Soft.LiveHandles);
    }

    private static byte[] Mutate(Random random, byte[] binary, bool sealedAgain)
    {
        var mutated = new List<byte>(binary);
        int changes = random.Next(1, 6);
        for (int i = 0; i < changes; i++)
        {
            int at = random.Next(sealedAgain ? BinaryLayout.HeaderBytes : 0, mutated.Count);
            switch (random.Next(5))
            {
                case 0: mutated[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: mutated[at] = (byte)random.Next(256); break;
                case 2: mutated[at] = 0xFF; break;
                case 3: mutated.RemoveRange(at, Math.Min(random.Next(1, 40), mutated.Count - at)); break;
                default: mutated.InsertRange(at, mutated.GetRange(at, Math.Min(random.Next(1, 40), mutated.Count - at))); break;
            }
            if (mutated.Count <= BinaryLayout.HeaderBytes)
            {
                break;
            }
        }
        byte[] result = [.. mutated];
        if (sealedAgain && result.Length >= BinaryLayout.HeaderBytes)
        {
            BinaryLayout.Seal(result);
        }
        return result;
    }

    [Fact]
    public void The_system_interface_describes_a_binary()
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = 1, SocModel = 69, Arch = 79, VtcmMib = 4 });
        Compose(client);
        QnnBinary info = QnnBinary.Read(Binary(client));
        Assert.Equal(["graph0", "chain"], info.GraphNames);
        Assert.Equal([2, 1], info.InputIds.Select(ids => ids.Length));
        Assert.Equal([1, 1], info.OutputIds.Select(ids => ids.Length));
        Assert.Equal(69U, info.SocModel);
        Assert.StartsWith("SoftHtp v", info.BuildId, StringComparison.Ordinal);
        Assert.Equal("in0 SFIXED_POINT_8 [1, 1, 12, 32] scale 1 offset 0", info.FirstInput);
    }

    [Fact]
    public void The_system_interface_refuses_what_is_wrong()
    {
        ref QnnSystemInterface_ImplementationV1_7_t q = ref SoftHtpBackend.SystemProviders[0]->Anonymous.v1_7;
        void* handle = null;
        QnnSystemContext_BinaryInfo_t* info;
        byte* block = stackalloc byte[64];
        new Span<byte>(block, 64).Clear();
        Assert.Equal(30001UL, q.systemContextCreate(null));
        TableClient.Ok(q.systemContextCreate(&handle));
        Assert.Equal(30000UL, q.systemContextGetMetaData(null, block, 64, &info));
        Assert.Equal(30001UL, q.systemContextGetMetaData(handle, null, 64, &info));
        Assert.Equal(30001UL, q.systemContextGetMetaData(handle, block, 64, null));
        Assert.Equal(30010UL, q.systemContextGetMetaData(handle, block, 64, &info));
        TableClient.Ok(q.systemContextFree(handle));
        Assert.Equal(30000UL, q.systemContextFree(handle));
    }
}

/// <summary>What the system interface says of a binary, read as a C client reads it.</summary>
internal sealed unsafe class QnnBinary
{
    internal string[] GraphNames { get; private init; } = [];

    internal uint[][] InputIds { get; private init; } = [];

    internal uint[][] OutputIds { get; private init; } = [];

    internal uint SocModel { get; private init; }

    internal string BuildId { get; private init; } = "";

    internal string FirstInput { get; private init; } = "";

    internal static QnnBinary Read(byte[] binary) => TryRead(binary) ?? throw new InvalidOperationException("The binary is refused.");

    internal static QnnBinary? TryRead(byte[] binary)
    {
        ref QnnSystemInterface_ImplementationV1_7_t q = ref SoftHtpBackend.SystemProviders[0]->Anonymous.v1_7;
        void* handle = null;
        TableClient.Ok(q.systemContextCreate(&handle));
        try
        {
            fixed (byte* pointer = binary)
            {
                QnnSystemContext_BinaryInfo_t* info;
                if (q.systemContextGetMetaData(handle, pointer, (ulong)binary.Length, &info) != 0)
                {
                    return null;
                }
                ref QnnSystemContext_BinaryInfoV3_t v3 = ref info->Anonymous.contextBinaryInfoV3;
                var names = new string[v3.numGraphs];
                var inputs = new uint[v3.numGraphs][];
                var outputs = new uint[v3.numGraphs][];
                string first = "";
                for (int g = 0; g < names.Length; g++)
                {
                    ref QnnSystemContext_GraphInfoV3_t graph = ref v3.graphs[g].Anonymous.graphInfoV3;
                    names[g] = Marshal.PtrToStringUTF8((nint)graph.graphName)!;
                    inputs[g] = Ids(graph.graphInputs, graph.numGraphInputs);
                    outputs[g] = Ids(graph.graphOutputs, graph.numGraphOutputs);
                    if (g == 0 && graph.numGraphInputs > 0)
                    {
                        ref Qnn_TensorV1_t tensor = ref graph.graphInputs[0].Anonymous.v1;
                        ref Qnn_ScaleOffset_t encoding = ref tensor.quantizeParams.Anonymous.scaleOffsetEncoding;
                        string shape = string.Join(", ", new ReadOnlySpan<uint>(tensor.dimensions, (int)tensor.rank).ToArray());
                        first = $"{Marshal.PtrToStringUTF8((nint)tensor.name)} {tensor.dataType.ToString().Replace("QNN_DATATYPE_", "", StringComparison.Ordinal)} "
                            + $"[{shape}] scale {encoding.scale} offset {encoding.offset}";
                    }
                }
                return new QnnBinary
                {
                    GraphNames = names,
                    InputIds = inputs,
                    OutputIds = outputs,
                    SocModel = v3.socModel,
                    BuildId = Marshal.PtrToStringUTF8((nint)v3.buildId)!,
                    FirstInput = first,
                };
            }
        }
        finally
        {
            TableClient.Ok(q.systemContextFree(handle));
        }
    }

    private static uint[] Ids(Qnn_Tensor_t* tensors, uint count)
    {
        var ids = new uint[count];
        for (uint i = 0; i < count; i++)
        {
            ids[i] = tensors[i].Anonymous.v1.id;
        }
        return ids;
    }
}
