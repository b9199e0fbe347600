using ShadowAttn.Interop;
using ShadowAttn.Memory;

namespace ShadowAttn.Graphs;

/// <summary>
/// The memory of the pilot's tensors: of the best kind that the machine can share with a device, registered with the backend where it takes it,
/// so that the device works on the CPU's own pages; plain client buffers otherwise.
/// </summary>
public sealed unsafe class PilotMemory
{
    private string? fallback;
    private bool registered;

    /// <summary>The kind of memory that <see cref="Allocate"/> gives.</summary>
    public BufferKind Kind { get; } = BestKind();

    /// <summary>What was used, in words: the kind, and whether it is registered or why not.</summary>
    public string Description => (Kind, registered, fallback) switch
    {
        (_, true, null) => $"{Kind}, registered",
        (_, true, { } reason) => $"{Kind}, partly registered ({reason})",
        (_, false, { } reason) => $"{Kind}, plain buffers ({reason})",
        _ => $"{Kind}",
    };

    /// <summary>Memory for one tensor, zeroed.</summary>
    /// <param name="bytes">Its size.</param>
    public UnmanagedBuffer Allocate(long bytes) => UnmanagedBuffer.Allocate(bytes, Kind);

    /// <summary>Registers memory for a tensor; after the first refusal no further try is made.</summary>
    internal QnnMemory Register(QnnContext context, QnnTensor tensor, UnmanagedBuffer buffer)
    {
        bool hopeless = fallback is not null && !registered;
        int descriptor = !hopeless && Kind is BufferKind.RpcMem or BufferKind.DmaBufHeap or BufferKind.MemFd ? buffer.FileDescriptor : -1;
        QnnMemoryKind kind = Kind == BufferKind.DmaBufHeap ? QnnMemoryKind.DmaBuf : QnnMemoryKind.Ion;
        QnnMemory memory = context.RegisterMemory(tensor, kind, descriptor, buffer.Pointer, (nuint)buffer.ByteLength);
        registered |= memory.IsRegistered;
        if (!memory.IsRegistered)
        {
            fallback ??= memory.FallbackReason;
        }

        return memory;
    }

    private static BufferKind BestKind()
    {
        foreach (BufferKind kind in new[] { BufferKind.RpcMem, BufferKind.DmaBufHeap, BufferKind.MemFd })
        {
            if (UnmanagedBuffer.IsAvailable(kind, out _))
            {
                return kind;
            }
        }

        return BufferKind.Heap;
    }
}
