using Microsoft.Win32.SafeHandles;

namespace ShadowAttn.Memory;

/// <summary>The kernel's dma-buf heap (linux/dma-heap.h). Its pages come zeroed.</summary>
internal static unsafe class DmaBufHeap
{
    public const string Device = "/dev/dma_heap/system";

    // _IOWR('H', 0, struct dma_heap_allocation_data)
    private const nuint AllocateRequest = 0xC018_4800;
    private const uint ReadWriteCloseOnExec = 0x8_0002;

    /// <summary>Why the heap cannot be used, or null.</summary>
    public static string? WhyUnavailable()
    {
        if (!File.Exists(Device))
        {
            return $"there is no {Device}";
        }

        try
        {
            using SafeFileHandle device = Open();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{Device} cannot be opened: {e.Message}";
        }
    }

    public static MappedAllocation Allocate(nint bytes)
    {
        nint page = Environment.SystemPageSize;
        var request = new AllocationData
        {
            ByteLength = (ulong)(checked(bytes + page - 1) & -page),
            DescriptorFlags = ReadWriteCloseOnExec,
        };
        using (SafeFileHandle device = Open())
        {
            if (Libc.ioctl((int)device.DangerousGetHandle(), AllocateRequest, &request) != 0)
            {
                throw new InsufficientMemoryException($"{Device} refuses {bytes} bytes: {Libc.LastError()}");
            }
        }

        return MappedAllocation.MapOwned((int)request.FileDescriptor, bytes, "a dma-buf");
    }

    private static SafeFileHandle Open() => File.OpenHandle(Device, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    private struct AllocationData
    {
        public ulong ByteLength;
        public uint FileDescriptor;
        public uint DescriptorFlags;
#pragma warning disable CS0649 // No heap flag exists.
        public ulong HeapFlags;
#pragma warning restore CS0649
    }
}
