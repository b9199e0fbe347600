using System.Runtime.InteropServices;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Memory;

public unsafe class SharedMemoryTests
{
    private static int s_allocations;
    private static nint s_allocated;
    private static nint s_freed;
    private static int s_descriptor;

    [Fact]
    public void Two_mappings_of_a_memfd_see_the_same_bytes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "memfd needs Linux");
        UnmanagedBuffer first = UnmanagedBuffer.Allocate(10_000, BufferKind.MemFd);
        UnmanagedBuffer second = UnmanagedBuffer.MapFileDescriptor(first.FileDescriptor, 10_000);
        Assert.NotEqual((nint)first.Pointer, (nint)second.Pointer);
        first.AsSpan<byte>()[9_999] = 42;
        Assert.Equal(42, second.AsSpan<byte>()[9_999]);
        second.AsSpan<byte>()[0] = 17;
        Assert.Equal(17, first.AsSpan<byte>()[0]);

        first.Dispose();
        Assert.Equal(42, second.AsSpan<byte>()[9_999]);
        using (UnmanagedBuffer third = UnmanagedBuffer.MapFileDescriptor(second.FileDescriptor, 5))
        {
            Assert.Equal(17, third.AsSpan<byte>()[0]);
        }

        second.Dispose();
    }

    [Fact]
    public void Descriptors_that_cannot_be_mapped_are_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "memfd needs Linux");
        Assert.Throws<ArgumentException>("fileDescriptor", () => UnmanagedBuffer.MapFileDescriptor(-1, 10));
        Assert.Throws<ArgumentException>("fileDescriptor", () => UnmanagedBuffer.MapFileDescriptor(1 << 20, 10));
        using UnmanagedBuffer small = UnmanagedBuffer.Allocate(100, BufferKind.MemFd);
        string message = Assert.Throws<ArgumentException>(() => UnmanagedBuffer.MapFileDescriptor(small.FileDescriptor, 101)).Message;
        Assert.Contains("it has 100 bytes", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rpcmem_is_cleared_and_freed_once_with_the_pointer_that_it_gave()
    {
        s_allocated = 0;
        s_freed = 0;
        s_allocations = 0;
        s_descriptor = 123;
        var api = new RpcMemApi(&FakeAlloc, &FakeFree, &FakeToDescriptor);
        UnmanagedBuffer buffer = UnmanagedBuffer.AllocateRpcMem(1000, api);
        Assert.Equal(s_allocated, (nint)buffer.Pointer);
        Assert.Equal(123, buffer.FileDescriptor);
        Assert.Equal(BufferKind.RpcMem, buffer.Kind);
        Assert.False(buffer.AsSpan<byte>().ContainsAnyExcept((byte)0));
        buffer.Dispose();
        buffer.Dispose();
        Assert.Equal(s_allocated, s_freed);
        Assert.Equal(0, s_allocations);

        s_descriptor = -1;
        Assert.Throws<InvalidOperationException>(() => UnmanagedBuffer.AllocateRpcMem(1000, new(&FakeAlloc, &FakeFree, &FakeToDescriptor)));
        Assert.Equal(0, s_allocations);
        Assert.Throws<InsufficientMemoryException>(
            () => UnmanagedBuffer.AllocateRpcMem(13, new(&FakeAlloc, &FakeFree, &FakeToDescriptor)));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => UnmanagedBuffer.AllocateRpcMem(1L << 31, new(&FakeAlloc, &FakeFree, &FakeToDescriptor)));
    }

    // Refuses 13 bytes.
    [UnmanagedCallersOnly]
    private static void* FakeAlloc(int heap, uint flags, int bytes)
    {
        if (bytes == 13 || heap != 25)
        {
            return null;
        }

        s_allocations++;
        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        new Span<byte>(memory, bytes).Fill(0xFF);
        s_allocated = (nint)memory;
        return memory;
    }

    [UnmanagedCallersOnly]
    private static void FakeFree(void* memory)
    {
        s_allocations--;
        s_freed = (nint)memory;
        NativeMemory.AlignedFree(memory);
    }

    [UnmanagedCallersOnly]
    private static int FakeToDescriptor(void* memory) => (nint)memory == s_allocated ? s_descriptor : -2;
}
