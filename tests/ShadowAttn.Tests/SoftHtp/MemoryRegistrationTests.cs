using ShadowAttn.Interop.Qnn;
using ShadowAttn.Memory;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public unsafe class MemoryRegistrationTests
{
    private static readonly TestTensor Q8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 24, 64], 1, 0, new byte[24 * 64]);
    private static readonly TestTensor K8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 40, 64], 1, 0, new byte[40 * 64]);
    private static readonly TestTensor Scores = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 24, 40], 64);

    private static UnmanagedBuffer Shared(int bytes)
    {
        Assert.SkipUnless(UnmanagedBuffer.IsAvailable(BufferKind.MemFd, out string reason), $"no memfd: {reason}");
        return UnmanagedBuffer.Allocate(bytes, BufferKind.MemFd);
    }

    private static Qnn_MemDescriptor_t Descriptor(TableClient client, TestTensor tensor, int fileDescriptor)
    {
        var descriptor = new Qnn_MemDescriptor_t { dataType = tensor.DataType, memType = Qnn_MemType_t.QNN_MEM_TYPE_ION };
        descriptor.memShape.numDim = (uint)tensor.Dimensions.Length;
        descriptor.memShape.dimSize = client.Array<uint>(tensor.Dimensions);
        descriptor.Anonymous.ionInfo.fd = fileDescriptor;
        return descriptor;
    }

    private static void* Register(TableClient client, TestTensor tensor, UnmanagedBuffer buffer)
    {
        Qnn_MemDescriptor_t descriptor = Descriptor(client, tensor, buffer.FileDescriptor);
        void* handle = null;
        TableClient.Ok(client.Q.memRegister(client.Context, &descriptor, 1, &handle));
        return handle;
    }

    private static void Use(ref Qnn_Tensor_t tensor, void* handle)
    {
        tensor.Anonymous.v1.memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE;
        tensor.Anonymous.v1.Anonymous.memHandle = handle;
    }

    [Fact]
    public void Executions_read_and_write_the_registered_pages_in_place()
    {
        using UnmanagedBuffer q = Shared(Q8.Bytes), k = Shared(K8.Bytes), scores = Shared(Scores.Bytes);
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = client.Compose("MatMul", [Q8, K8], [Scores], [client.Flag("transpose_in1", true)]);
        Use(ref graph.Inputs[0], Register(client, Q8, q));
        Use(ref graph.Inputs[1], Register(client, K8, k));
        Use(ref graph.Outputs[0], Register(client, Scores, scores));
        var random = new Random(1);
        for (int round = 0; round < 3; round++)
        {
            // Written after registration, through the client's own mapping: a copy made earlier would be stale.
            random.NextBytes(q.AsSpan<byte>());
            random.NextBytes(k.AsSpan<byte>());
            TableClient.Ok(graph.Execute());
            byte[] expected = client.Run(
                "MatMul",
                [Q8 with { Data = q.AsSpan<byte>().ToArray() }, K8 with { Data = k.AsSpan<byte>().ToArray() }],
                [Scores],
                client.Flag("transpose_in1", true))[0];
            Assert.Equal(expected, scores.AsSpan<byte>().ToArray());
        }
        Assert.Equal(0, client.Soft.StagedBytes);
        Assert.Equal(3, client.Soft.LiveHandles.Memories);
    }

    [Fact]
    public void Copies_are_counted_where_a_kernel_needs_them()
    {
        using TableClient client = TableClient.OfSoftHtp();
        var u8 = new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [8, 16], 1, -128, new byte[128]);
        client.Run("MatMul", [u8, u8], [new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [8, 8], 64, -128)], client.Flag("transpose_in1", true));
        Assert.Equal(256, client.Soft.StagedBytes);
    }

    [Fact]
    public void Shared_buffers_hold_several_tensors()
    {
        using UnmanagedBuffer pool = Shared(Q8.Bytes + K8.Bytes);
        using TableClient client = TableClient.OfSoftHtp();
        new Random(2).NextBytes(pool.AsSpan<byte>());
        var custom = new QnnMemHtp_Descriptor_t { type = QnnHtpMem_Type_t.QNN_HTP_MEM_SHARED_BUFFER, size = (ulong)pool.ByteLength };
        custom.Anonymous.sharedBufferConfig.fd = pool.FileDescriptor;
        custom.Anonymous.sharedBufferConfig.offset = (ulong)Q8.Bytes;
        Qnn_MemDescriptor_t descriptor = Descriptor(client, K8, -1);
        descriptor.memType = Qnn_MemType_t.QNN_MEM_TYPE_CUSTOM;
        descriptor.Anonymous.customInfo = &custom;
        void* handle = null;
        TableClient.Ok(client.Q.memRegister(client.Context, &descriptor, 1, &handle));
        byte[] keys = pool.AsSpan<byte>()[Q8.Bytes..].ToArray();
        ComposedGraph graph = client.Compose("MatMul", [Q8, K8], [Scores], [client.Flag("transpose_in1", true)]);
        new Random(3).NextBytes(graph.Input(0));
        byte[] queries = graph.Input(0).ToArray();
        Use(ref graph.Inputs[1], handle);
        TableClient.Ok(graph.Execute());
        Assert.Equal(
            client.Run("MatMul", [Q8 with { Data = queries }, K8 with { Data = keys }], [Scores], client.Flag("transpose_in1", true))[0],
            graph.Output(0).ToArray());
    }

    [Fact]
    public void What_cannot_be_registered_is_refused_whole()
    {
        using UnmanagedBuffer buffer = Shared(Q8.Bytes);
        using TableClient client = TableClient.OfSoftHtp();
        Qnn_MemDescriptor_t right = Descriptor(client, Q8, buffer.FileDescriptor);
        void** handles = stackalloc void*[2];
        Assert.Equal(8000UL, client.Q.memRegister(client.Context, null, 1, handles));
        Assert.Equal(8000UL, client.Q.memRegister(client.Context, &right, 0, handles));
        Assert.Equal(8000UL, client.Q.memRegister(client.Context, &right, 1, null));
        Qnn_MemDescriptor_t wrong = Descriptor(client, Q8, -1);
        Assert.Equal(8003UL, client.Q.memRegister(client.Context, &wrong, 1, handles));
        // More than the file has: touching it would end the process.
        wrong = Descriptor(client, Q8 with { Dimensions = [1, 4096, 24, 64] }, buffer.FileDescriptor);
        Assert.Equal(8003UL, client.Q.memRegister(client.Context, &wrong, 1, handles));
        wrong = right;
        wrong.memType = (Qnn_MemType_t)9;
        Assert.Equal(8005UL, client.Q.memRegister(client.Context, &wrong, 1, handles));
        wrong = right;
        wrong.memShape.dimSize = null;
        Assert.Equal(8004UL, client.Q.memRegister(client.Context, &wrong, 1, handles));
        Qnn_MemDescriptor_t* both = stackalloc Qnn_MemDescriptor_t[] { right, wrong };
        Assert.Equal(8004UL, client.Q.memRegister(client.Context, both, 2, handles));
        Assert.True(handles[0] == null && handles[1] == null);
        Assert.Equal(0, client.Soft.LiveHandles.Memories);
    }

    [Fact]
    public void Registrations_serve_their_own_context_and_only_while_they_last()
    {
        using UnmanagedBuffer buffer = Shared(Q8.Bytes);
        using TableClient client = TableClient.OfSoftHtp();
        ComposedGraph graph = client.Compose("MatMul", [Q8, K8], [Scores], [client.Flag("transpose_in1", true)]);
        void* own = client.Context;
        void* other = null;
        TableClient.Ok(client.Q.contextCreate(client.Backend, client.Device, null, &other));
        client.Context = other;
        void* foreign = Register(client, Q8, buffer);
        client.Context = own;
        Use(ref graph.Inputs[0], foreign);
        Assert.Equal(6004UL, graph.Execute());
        void* mine = Register(client, Q8, buffer);
        Use(ref graph.Inputs[0], mine);
        Assert.Equal(0UL, graph.Execute());
        // Too small for the second input.
        Qnn_Tensor_t queries = graph.Inputs[0], keys = graph.Inputs[1];
        Use(ref graph.Inputs[1], mine);
        Assert.Equal(6004UL, graph.Execute());
        graph.Inputs[1] = keys;
        TableClient.Ok(client.Q.memDeRegister(&mine, 1));
        Assert.Equal(8001UL, client.Q.memDeRegister(&mine, 1));
        Assert.Equal(6004UL, graph.Execute());
        TableClient.Ok(client.Q.contextFree(other, null));
        Assert.Equal(0, client.Soft.LiveHandles.Memories);
        Assert.Equal(8001UL, client.Q.memDeRegister(&foreign, 1));
    }
}
