namespace ShadowAttn.Memory;

/// <summary>Where the bytes of an <see cref="UnmanagedBuffer"/> come from.</summary>
public enum BufferKind
{
    /// <summary>The C heap, aligned to 64 bytes. Everywhere.</summary>
    Heap,

    /// <summary>Anonymous mapping, aligned to 2 MiB, which the kernel is asked to back with huge pages. Linux.</summary>
    HugePages,

    /// <summary>Anonymous file (<c>memfd_create</c>) whose descriptor other mappings and other processes can share. Linux.</summary>
    MemFd,

    /// <summary>Memory that the DSP shares, from <c>libcdsprpc.so</c>. Linux and Android machines with a Hexagon DSP.</summary>
    RpcMem,

    /// <summary>A dma-buf from <c>/dev/dma_heap/system</c>. Linux kernels with dma-buf heaps.</summary>
    DmaBufHeap,
}
