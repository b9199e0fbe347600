using System.Numerics;

namespace ShadowAttn.Memory;

public sealed unsafe partial class UnmanagedBuffer
{
    /// <summary>The largest size that can be asked for: 128 TiB, the addresses of an x86-64 process.</summary>
    public const long MaxByteLength = 1L << 47;

    /// <summary>The environment variable that, set to 1, turns every <see cref="BufferKind.Heap"/> buffer into a guarded one (Linux).</summary>
    public const string GuardVariable = "SHADOWATTN_GUARD_PAGES";

    /// <summary>Allocates zeroed memory of the given kind.</summary>
    /// <param name="byteLength">Size in bytes, at least 1.</param>
    /// <param name="kind">Where from.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1 or above <see cref="MaxByteLength"/>, or the kind is unknown.</exception>
    /// <exception cref="PlatformNotSupportedException">This machine has no such memory; <see cref="IsAvailable"/> tells beforehand.</exception>
    /// <exception cref="InsufficientMemoryException">The system refuses.</exception>
    public static UnmanagedBuffer Allocate(long byteLength, BufferKind kind = BufferKind.Heap)
    {
        CheckLength(byteLength);
        if (kind == BufferKind.Heap && Environment.GetEnvironmentVariable(GuardVariable) == "1")
        {
            return AllocateGuarded(byteLength, GuardPlacement.After, Allocation.Alignment);
        }

        ThrowIfUnavailable(kind);
        return new UnmanagedBuffer(kind, false, byteLength, kind switch
        {
            BufferKind.Heap => HeapAllocation.Allocate((nint)byteLength),
            BufferKind.HugePages => MappedAllocation.AllocateHugePages((nint)byteLength),
            BufferKind.MemFd => MappedAllocation.AllocateMemFd((nint)byteLength, "shadowattn"),
            BufferKind.RpcMem => RpcMemAllocation.Allocate((nint)byteLength, s_rpcMem.Value.Api),
            _ => DmaBufHeap.Allocate((nint)byteLength),
        });
    }

    /// <summary>Allocates zeroed memory between two inaccessible pages (Linux).</summary>
    /// <param name="byteLength">Size in bytes, at least 1.</param>
    /// <param name="placement">Which end touches its page exactly.</param>
    /// <param name="alignment">
    /// Alignment of the first byte, a power of two up to a page. With <see cref="GuardPlacement.After"/> the last byte is exactly before the
    /// page if the size is a multiple of it; bytes left over there are checked when the buffer is freed.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A size or the alignment is wrong.</exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    /// <exception cref="InsufficientMemoryException">The system refuses.</exception>
    public static UnmanagedBuffer AllocateGuarded(long byteLength, GuardPlacement placement = GuardPlacement.After, int alignment = 1)
    {
        CheckLength(byteLength);
        if (alignment < 1 || !BitOperations.IsPow2(alignment) || alignment > Environment.SystemPageSize)
        {
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment,
                $"alignment must be a power of two from 1 to {Environment.SystemPageSize}");
        }

        if (placement is not (GuardPlacement.After or GuardPlacement.Before))
        {
            throw new ArgumentOutOfRangeException(nameof(placement), placement, "unknown placement");
        }

        return OperatingSystem.IsLinux()
            ? new UnmanagedBuffer(BufferKind.Heap, true, byteLength, GuardedAllocation.Allocate((nint)byteLength, placement, alignment))
            : throw new PlatformNotSupportedException($"guard pages ({GuardVariable}) are supported on Linux only");
    }

    /// <summary>
    /// Maps the first bytes of a descriptor that can be mapped shared (a memfd, a dma-buf), without copying. The descriptor is duplicated:
    /// the caller's stays the caller's. The bytes are what they are, not zeroed.
    /// </summary>
    /// <param name="fileDescriptor">A readable and writable descriptor.</param>
    /// <param name="byteLength">How much of it, in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1 or above <see cref="MaxByteLength"/>.</exception>
    /// <exception cref="ArgumentException">The descriptor is not valid, or has fewer bytes.</exception>
    /// <exception cref="InsufficientMemoryException">The system refuses the mapping.</exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    public static UnmanagedBuffer MapFileDescriptor(int fileDescriptor, long byteLength)
    {
        CheckLength(byteLength);
        return OperatingSystem.IsLinux()
            ? new UnmanagedBuffer(BufferKind.MemFd, false, byteLength, MappedAllocation.MapDuplicate(fileDescriptor, (nint)byteLength))
            : throw new PlatformNotSupportedException("shared file descriptors are supported on Linux only");
    }

    /// <summary>Whether this machine has memory of the given kind.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="reason">What it is based on, or why there is none: one line.</param>
    public static bool IsAvailable(BufferKind kind, out string reason)
    {
        if (kind == BufferKind.Heap)
        {
            reason = "C heap, aligned to 64 bytes";
            return true;
        }

        if (!OperatingSystem.IsLinux())
        {
            reason = "supported on Linux only";
            return false;
        }

        string? obstacle;
        (obstacle, reason) = kind switch
        {
            BufferKind.HugePages => (null, HugePageSetting()),
            BufferKind.MemFd => (MemFdObstacle(), "memfd_create"),
            BufferKind.RpcMem => (s_rpcMem.Value.Obstacle, RpcMemApi.LibraryName),
            BufferKind.DmaBufHeap => (DmaBufHeap.WhyUnavailable(), DmaBufHeap.Device),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown kind of buffer"),
        };
        reason = obstacle ?? reason;
        return obstacle is null;
    }

    /// <summary>For tests: rpcmem memory from given functions.</summary>
    internal static UnmanagedBuffer AllocateRpcMem(long byteLength, RpcMemApi api)
    {
        CheckLength(byteLength);
        return new UnmanagedBuffer(BufferKind.RpcMem, false, byteLength, RpcMemAllocation.Allocate((nint)byteLength, api));
    }

    private static readonly Lazy<(RpcMemApi Api, string? Obstacle)> s_rpcMem = new(() =>
    {
        string? obstacle = RpcMemApi.Find(out RpcMemApi api);
        return (api, obstacle);
    });

    private static void CheckLength(long byteLength)
    {
        if (byteLength is < 1 or > MaxByteLength)
        {
            throw new ArgumentOutOfRangeException(nameof(byteLength), byteLength,
                $"a buffer has 1 to {MaxByteLength} bytes");
        }
    }

    private static void ThrowIfUnavailable(BufferKind kind)
    {
        if (!IsAvailable(kind, out string reason))
        {
            throw new PlatformNotSupportedException($"{kind} memory is not on this machine: {reason}");
        }
    }

    private static string? MemFdObstacle()
    {
        int fileDescriptor = Libc.memfd_create("shadowattn", Libc.MemFdCloseOnExec);
        if (fileDescriptor < 0)
        {
            return $"memfd_create fails: {Libc.LastError()}";
        }

        _ = Libc.close(fileDescriptor);
        return null;
    }

    private static string HugePageSetting()
    {
        const string setting = "/sys/kernel/mm/transparent_hugepage/enabled";
        try
        {
            string text = File.ReadAllText(setting);
            int open = text.IndexOf('[', StringComparison.Ordinal);
            int close = text.IndexOf(']', StringComparison.Ordinal);
            string chosen = open >= 0 && close > open ? text[(open + 1)..close] : text.Trim();
            return chosen == "never"
                ? "mmap; transparent huge pages are switched off (never), so pages are ordinary"
                : $"mmap; transparent huge pages: {chosen}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "mmap; the kernel has no transparent huge pages, so its reserved pool is tried, then ordinary pages";
        }
    }
}
