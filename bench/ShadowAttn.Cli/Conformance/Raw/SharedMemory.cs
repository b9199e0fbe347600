using ShadowAttn.Interop.Qnn;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>Memory that a backend can share by its file descriptor: of rpcmem where the machine has it, else a memfd.</summary>
internal sealed unsafe class SharedMemory : IDisposable
{
    private readonly RawClient _client;
    private readonly UnmanagedBuffer _buffer;

    private SharedMemory(RawClient client, UnmanagedBuffer buffer)
    {
        _client = client;
        _buffer = buffer;
    }

    public byte* Data => (byte*)_buffer.Pointer;

    /// <summary>Allocates.</summary>
    /// <exception cref="NotOfferedException">The machine has no such memory.</exception>
    public static SharedMemory Allocate(RawClient client, long bytes)
    {
        foreach (BufferKind kind in (ReadOnlySpan<BufferKind>)[BufferKind.RpcMem, BufferKind.MemFd])
        {
            if (UnmanagedBuffer.IsAvailable(kind, out _))
            {
                return new SharedMemory(client, UnmanagedBuffer.Allocate(bytes, kind));
            }
        }

        throw new NotOfferedException("this machine has neither rpcmem nor memfd");
    }

    /// <summary>Registers the memory as an 8-bit tensor of so many elements; the status of the call.</summary>
    public ulong TryRegister(void* context, uint elements, out void* handle)
    {
        handle = null;
        if (_client.Table.memRegister == null || _client.Table.memDeRegister == null)
        {
            return Expect.NotSupported;
        }

        uint* shape = stackalloc uint[] { elements };
        var descriptor = new Qnn_MemDescriptor_t
        {
            memShape = new Qnn_MemShape_t { numDim = 1, dimSize = shape },
            dataType = Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8,
            memType = Qnn_MemType_t.QNN_MEM_TYPE_ION,
        };
        descriptor.Anonymous.ionInfo.fd = _buffer.FileDescriptor;
        void* made = null;
        ulong status = _client.Table.memRegister(context, &descriptor, 1, &made);
        handle = made;
        return status;
    }

    public void Dispose() => _buffer.Dispose();
}
