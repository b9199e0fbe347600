using System.Runtime.InteropServices;

namespace ShadowAttn.Memory;

/// <summary>The calls of Linux's C library that mappings need. The constants are the same on x86-64 and arm64.</summary>
internal static unsafe partial class Libc
{
    public const int ProtNone = 0;
    public const int ProtReadWrite = 1 | 2;
    public const int MapShared = 1;
    public const int MapPrivateAnonymous = 2 | 0x20;
    public const int MapHugeTlb = 0x40000;
    public const int MadviseHugePage = 14;
    public const uint MemFdCloseOnExec = 1;
    public const int SeekEnd = 2;

    private const nint MapFailed = -1;

    /// <summary>Maps memory; null when the kernel refuses, with the reason in <see cref="LastError"/>.</summary>
    public static byte* TryMap(nint bytes, int protection, int flags, int fileDescriptor)
    {
        nint address = mmap(0, (nuint)bytes, protection, flags, fileDescriptor, 0);
        return address == MapFailed ? null : (byte*)address;
    }

    /// <summary>Maps memory, or throws.</summary>
    /// <exception cref="InsufficientMemoryException">The kernel refuses.</exception>
    public static byte* Map(nint bytes, int protection, int flags, int fileDescriptor, string what)
    {
        byte* address = TryMap(bytes, protection, flags, fileDescriptor);
        return address is not null ? address : throw new InsufficientMemoryException($"cannot map {bytes} bytes of {what}: {LastError()}");
    }

    public static void Unmap(byte* address, nint bytes)
    {
        if (munmap((nint)address, (nuint)bytes) != 0)
        {
            throw new InvalidOperationException($"cannot unmap {bytes} bytes at 0x{(nint)address:x}: {LastError()}");
        }
    }

    /// <summary>The system's text for the error of the last call on this thread.</summary>
    public static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int madvise(nint address, nuint length, int advice);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ftruncate(int fileDescriptor, long length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial long lseek(int fileDescriptor, long offset, int whence);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int dup(int fileDescriptor);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int close(int fileDescriptor);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ioctl(int fileDescriptor, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int fileDescriptor, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int munmap(nint address, nuint length);
}
