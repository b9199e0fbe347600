namespace ShadowAttn.Memory;

/// <summary>A mapping, of which the user sees a part, and the descriptor behind it, if any.</summary>
internal sealed unsafe class MappedAllocation : Allocation
{
    private const nint HugePageBytes = 2 << 20;
    private readonly byte* _mapping;
    private readonly nint _mappingBytes;

    private MappedAllocation(byte* pointer, byte* mapping, nint mappingBytes, int fileDescriptor = -1)
        : base(pointer, fileDescriptor)
    {
        _mapping = mapping;
        _mappingBytes = mappingBytes;
    }

    /// <summary>
    /// Transparent huge pages; where the kernel has none, pages of its reserved pool; where that is empty, ordinary pages.
    /// </summary>
    public static MappedAllocation AllocateHugePages(nint bytes)
    {
        nint rounded = checked(bytes + HugePageBytes - 1) & -HugePageBytes;
        nint mappingBytes = checked(rounded + HugePageBytes);
        byte* mapping = Libc.Map(mappingBytes, Libc.ProtReadWrite, Libc.MapPrivateAnonymous, -1, "anonymous memory");
        byte* aligned = (byte*)(((nint)mapping + HugePageBytes - 1) & -HugePageBytes);
        if (Libc.madvise((nint)aligned, (nuint)rounded, Libc.MadviseHugePage) != 0)
        {
            byte* reserved = Libc.TryMap(rounded, Libc.ProtReadWrite, Libc.MapPrivateAnonymous | Libc.MapHugeTlb, -1);
            if (reserved is not null)
            {
                Libc.Unmap(mapping, mappingBytes);
                return new MappedAllocation(reserved, reserved, rounded);
            }
        }

        return new MappedAllocation(aligned, mapping, mappingBytes);
    }

    /// <summary>A new anonymous file of <paramref name="bytes"/> bytes, mapped shared.</summary>
    public static MappedAllocation AllocateMemFd(nint bytes, string name)
    {
        int fileDescriptor = Libc.memfd_create(name, Libc.MemFdCloseOnExec);
        if (fileDescriptor < 0)
        {
            throw new PlatformNotSupportedException($"memfd is not on this machine: {Libc.LastError()}");
        }

        if (Libc.ftruncate(fileDescriptor, bytes) != 0)
        {
            string reason = Libc.LastError();
            _ = Libc.close(fileDescriptor);
            throw new InsufficientMemoryException($"cannot size a memfd to {bytes} bytes: {reason}");
        }

        return MapOwned(fileDescriptor, bytes, "a memfd");
    }

    /// <summary>Maps a descriptor that this allocation owns from now on; it is closed also when mapping fails.</summary>
    public static MappedAllocation MapOwned(int fileDescriptor, nint bytes, string what)
    {
        byte* mapping = Libc.TryMap(bytes, Libc.ProtReadWrite, Libc.MapShared, fileDescriptor);
        if (mapping is null)
        {
            string reason = Libc.LastError();
            _ = Libc.close(fileDescriptor);
            throw new InsufficientMemoryException($"cannot map {bytes} bytes of {what}: {reason}");
        }

        return new MappedAllocation(mapping, mapping, bytes, fileDescriptor);
    }

    /// <summary>Maps somebody else's descriptor through a duplicate of it.</summary>
    public static MappedAllocation MapDuplicate(int fileDescriptor, nint bytes)
    {
        int duplicate = Libc.dup(fileDescriptor);
        if (duplicate < 0)
        {
            throw new ArgumentException($"file descriptor {fileDescriptor} cannot be shared: {Libc.LastError()}", nameof(fileDescriptor));
        }

        long fileBytes = Libc.lseek(duplicate, 0, Libc.SeekEnd);
        if (fileBytes < bytes)
        {
            string reason = fileBytes < 0 ? Libc.LastError() : $"it has {fileBytes} bytes";
            _ = Libc.close(duplicate);
            throw new ArgumentException($"cannot map {bytes} bytes of file descriptor {fileDescriptor}: {reason}", nameof(fileDescriptor));
        }

        return MapOwned(duplicate, bytes, $"file descriptor {fileDescriptor}");
    }

    public override void Free()
    {
        Libc.Unmap(_mapping, _mappingBytes);
        if (FileDescriptor >= 0)
        {
            _ = Libc.close(FileDescriptor);
        }
    }
}
