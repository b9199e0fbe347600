using System.Runtime.InteropServices;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Memory;

public unsafe partial class GuardPageTests
{
    private const int Efault = 14;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4095, 1)]
    [InlineData(4096, 1)]
    [InlineData(100_003, 1)]
    [InlineData(128, 64)]
    [InlineData(12, 4)]
    public void The_byte_behind_the_last_one_is_inaccessible(int bytes, int alignment)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "guard pages need Linux");
        using UnmanagedBuffer buffer = UnmanagedBuffer.AllocateGuarded(bytes, GuardPlacement.After, alignment);
        Assert.True(buffer.IsGuarded);
        Assert.Equal(0, (nint)buffer.Pointer % alignment);
        Assert.False(buffer.AsSpan<byte>().ContainsAnyExcept((byte)0));
        buffer.AsSpan<byte>().Fill(1);
        Assert.True(IsReadable(buffer.Pointer + bytes - 1));
        Assert.False(IsReadable(buffer.Pointer + bytes));
        Assert.False(IsReadable(buffer.Pointer + bytes + Environment.SystemPageSize - 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5000)]
    public void The_byte_before_the_first_one_is_inaccessible(int bytes)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "guard pages need Linux");
        using UnmanagedBuffer buffer = UnmanagedBuffer.AllocateGuarded(bytes, GuardPlacement.Before);
        buffer.AsSpan<byte>().Fill(1);
        Assert.True(IsReadable(buffer.Pointer));
        Assert.False(IsReadable(buffer.Pointer - 1));
        Assert.False(IsReadable(buffer.Pointer - Environment.SystemPageSize));
    }

    [Theory]
    [InlineData(GuardPlacement.After, 9, 16, 9)]
    [InlineData(GuardPlacement.After, 9, 16, -1)]
    [InlineData(GuardPlacement.Before, 9, 1, 9)]
    public void Writes_that_no_page_catches_are_reported_when_freed(GuardPlacement placement, int bytes, int alignment, int where)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "guard pages need Linux");
        UnmanagedBuffer buffer = UnmanagedBuffer.AllocateGuarded(bytes, placement, alignment);
        buffer.Pointer[where]++;
        string message = Assert.Throws<InvalidOperationException>(buffer.Dispose).Message;
        Assert.Contains(where < 0 ? "1 bytes before its start" : "0 bytes behind its end", message, StringComparison.Ordinal);
        Assert.True(buffer.IsDisposed);
        buffer.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(1 << 20)]
    public void Alignments_must_be_powers_of_two_up_to_a_page(int alignment)
        => Assert.Throws<ArgumentOutOfRangeException>(nameof(alignment),
            () => UnmanagedBuffer.AllocateGuarded(10, GuardPlacement.After, alignment));

    [Fact]
    public void Unknown_placements_are_refused()
        => Assert.Throws<ArgumentOutOfRangeException>("placement", () => UnmanagedBuffer.AllocateGuarded(10, (GuardPlacement)7));

    [Fact]
    public void The_tests_run_with_guarded_heap_buffers()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(UnmanagedBuffer.GuardVariable) == "1",
            $"needs Linux, and {UnmanagedBuffer.GuardVariable} not set to something else");
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(640);
        Assert.True(buffer.IsGuarded);
        Assert.Equal(BufferKind.Heap, buffer.Kind);
        Assert.False(IsReadable(buffer.Pointer + 640));
    }

    // The kernel reads the byte on our behalf, so that a fault is an error code and not a signal.
    private static bool IsReadable(byte* address)
    {
        using UnmanagedBuffer sink = UnmanagedBuffer.Allocate(1, BufferKind.MemFd);
        if (write(sink.FileDescriptor, address, 1) == 1)
        {
            return true;
        }

        Assert.Equal(Efault, Marshal.GetLastPInvokeError());
        return false;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fileDescriptor, byte* bytes, nuint count);
}
