using System.Runtime.InteropServices;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Memory;

[Collection(ProcessStateCollection.Name)]
public unsafe class LiveAllocationTests
{
    [Fact]
    public void Counters_follow_every_kind_and_return_to_where_they_were()
    {
        LiveAllocations start = UnmanagedBuffer.Live;
        var buffers = new List<UnmanagedBuffer>();
        long bytes = 0;
        foreach (BufferKind kind in Enum.GetValues<BufferKind>())
        {
            if (UnmanagedBuffer.IsAvailable(kind, out _))
            {
                buffers.Add(UnmanagedBuffer.Allocate(1001, kind));
                bytes += 1001;
            }
        }

        if (OperatingSystem.IsLinux())
        {
            buffers.Add(UnmanagedBuffer.AllocateGuarded(77, GuardPlacement.Before));
            bytes += 77;
        }

        Assert.Equal(new LiveAllocations(start.Count + buffers.Count, start.Bytes + bytes), UnmanagedBuffer.Live);
        buffers.ForEach(b => b.AddReference());
        buffers.ForEach(b => b.Dispose());
        Assert.Equal(start.Bytes + bytes, UnmanagedBuffer.Live.Bytes);
        buffers.ForEach(b => b.Release());
        buffers.ForEach(b => b.Dispose());
        Assert.Equal(start, UnmanagedBuffer.Live);
    }

    [Fact]
    public void Failed_allocations_count_nothing_and_leak_no_descriptor()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mappings need Linux");
        LiveAllocations start = UnmanagedBuffer.Live;
        int descriptors = Directory.GetFiles("/proc/self/fd").Length;
        for (int i = 0; i < 20; i++)
        {
            using UnmanagedBuffer small = UnmanagedBuffer.Allocate(100, BufferKind.MemFd);
            Assert.Throws<ArgumentException>(() => UnmanagedBuffer.MapFileDescriptor(-1, 1));
            Assert.Throws<ArgumentException>(() => UnmanagedBuffer.MapFileDescriptor(small.FileDescriptor, 101));
        }

        Assert.Equal(start, UnmanagedBuffer.Live);
        Assert.InRange(Directory.GetFiles("/proc/self/fd").Length, 0, descriptors + 5);
    }

    [Fact]
    public void Sizes_that_no_process_can_address_are_refused_by_the_system_and_leave_nothing_behind()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "elsewhere a process may have more addresses, and an emulator may promise memory that nobody has");
        LiveAllocations start = UnmanagedBuffer.Live;
        int descriptors = Directory.GetFiles("/proc/self/fd").Length;
        for (int i = 0; i < 20; i++)
        {
            Assert.Throws<InsufficientMemoryException>(() => UnmanagedBuffer.Allocate(UnmanagedBuffer.MaxByteLength));
            Assert.Throws<InsufficientMemoryException>(() => UnmanagedBuffer.AllocateGuarded(UnmanagedBuffer.MaxByteLength));
            Assert.Throws<InsufficientMemoryException>(() => UnmanagedBuffer.Allocate(UnmanagedBuffer.MaxByteLength, BufferKind.HugePages));
            Assert.Throws<InsufficientMemoryException>(() => UnmanagedBuffer.Allocate(UnmanagedBuffer.MaxByteLength, BufferKind.MemFd));
        }

        Assert.Equal(start, UnmanagedBuffer.Live);
        Assert.InRange(Directory.GetFiles("/proc/self/fd").Length, 0, descriptors + 5);
    }

    [Fact]
    public void Racing_threads_free_exactly_once()
    {
        LiveAllocations start = UnmanagedBuffer.Live;
        for (int round = 0; round < 200; round++)
        {
            UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(64);
            buffer.AddReference();
            buffer.AddReference();
            int misuses = 0;
            Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            {
                if (i < 4)
                {
                    buffer.Dispose();
                    return;
                }

                try
                {
                    buffer.Release();
                }
                catch (InvalidOperationException)
                {
                    Interlocked.Increment(ref misuses);
                }
            });
            Assert.Equal(2, misuses);
            Assert.True(buffer.IsDisposed);
            Assert.Equal(start, UnmanagedBuffer.Live);
        }
    }

    [Fact]
    public void Racing_references_are_all_counted()
    {
        LiveAllocations start = UnmanagedBuffer.Live;
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(8, BufferKind.Heap);
        Parallel.For(0, 4, _ =>
        {
            for (int i = 0; i < 5000; i++)
            {
                buffer.AddReference().AsSpan<byte>()[0]++;
                buffer.Release();
            }
        });
        Assert.Throws<InvalidOperationException>(buffer.Release);
        buffer.Dispose();
        Assert.Equal(start, UnmanagedBuffer.Live);
    }

    [Fact]
    public void Without_the_variable_heap_buffers_are_not_guarded()
    {
        string? before = Environment.GetEnvironmentVariable(UnmanagedBuffer.GuardVariable);
        try
        {
            Environment.SetEnvironmentVariable(UnmanagedBuffer.GuardVariable, null);
            using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(1000);
            Assert.False(buffer.IsGuarded);
            Assert.Equal(0, (nint)buffer.Pointer & 63);
            Assert.False(buffer.AsSpan<byte>().ContainsAnyExcept((byte)0));
        }
        finally
        {
            Environment.SetEnvironmentVariable(UnmanagedBuffer.GuardVariable, before);
        }
    }
}
