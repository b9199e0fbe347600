using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Memory;

public unsafe class UnmanagedBufferTests
{
    public static TheoryData<BufferKind> Kinds => [.. Enum.GetValues<BufferKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_kind_is_zeroed_aligned_and_writable_to_its_last_byte(BufferKind kind)
    {
        foreach (long bytes in new long[] { 1, 63, 64, 4096, 4097, (2 << 20) + 3 })
        {
            using UnmanagedBuffer buffer = AllocateOrSkip(kind, bytes);
            Assert.Equal(bytes, buffer.ByteLength);
            Assert.Equal(kind, buffer.Kind);
            Assert.Equal(0, (nint)buffer.Pointer & 63);
            Assert.False(buffer.AsSpan<byte>().ContainsAnyExcept((byte)0));
            buffer.AsSpan<byte>().Fill(0xEE);
            Assert.Equal(bytes, buffer.AsSpan<byte>().Count((byte)0xEE));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Only_kinds_that_can_be_shared_have_a_descriptor(BufferKind kind)
    {
        using UnmanagedBuffer buffer = AllocateOrSkip(kind, 100);
        Assert.Equal(kind is BufferKind.MemFd or BufferKind.RpcMem or BufferKind.DmaBufHeap, buffer.FileDescriptor >= 0);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Availability_and_allocation_agree_and_give_one_line(BufferKind kind)
    {
        bool available = UnmanagedBuffer.IsAvailable(kind, out string reason);
        Assert.NotEmpty(reason);
        Assert.DoesNotContain('\n', reason);
        if (available)
        {
            UnmanagedBuffer.Allocate(1, kind).Dispose();
            return;
        }

        string message = Assert.Throws<PlatformNotSupportedException>(() => UnmanagedBuffer.Allocate(1, kind)).Message;
        Assert.Equal($"{kind} memory is not on this machine: {reason}", message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    [InlineData(UnmanagedBuffer.MaxByteLength + 1)]
    public void Impossible_sizes_are_refused_for_every_kind(long bytes)
    {
        foreach (BufferKind kind in Enum.GetValues<BufferKind>())
        {
            Assert.Throws<ArgumentOutOfRangeException>("byteLength", () => UnmanagedBuffer.Allocate(bytes, kind));
        }

        Assert.Throws<ArgumentOutOfRangeException>("byteLength", () => UnmanagedBuffer.AllocateGuarded(bytes));
        Assert.Throws<ArgumentOutOfRangeException>("byteLength", () => UnmanagedBuffer.MapFileDescriptor(0, bytes));
    }

    [Fact]
    public void Unknown_kinds_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>("kind", () => UnmanagedBuffer.Allocate(1, (BufferKind)99));
        Assert.Throws<ArgumentOutOfRangeException>("kind", () => UnmanagedBuffer.IsAvailable((BufferKind)99, out _));
    }

    [Fact]
    public void After_dispose_every_member_throws_and_dispose_does_nothing()
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(64);
        buffer.Dispose();
        buffer.Dispose();
        Assert.True(buffer.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => _ = (nint)buffer.Pointer);
        Assert.Throws<ObjectDisposedException>(() => _ = buffer.FileDescriptor);
        Assert.Throws<ObjectDisposedException>(() => buffer.AsSpan<byte>().Length);
        Assert.Throws<ObjectDisposedException>(() => buffer.AsSpan<byte>(0, 1).Length);
        Assert.Throws<ObjectDisposedException>(() => buffer.View<float>(4).Rank);
        Assert.Throws<ObjectDisposedException>(() => buffer.ViewAt<float>(0, 4).Rank);
        Assert.Throws<ObjectDisposedException>(() => buffer.ViewAt<float>(0, [4], [1]).Rank);
        Assert.Throws<ObjectDisposedException>(() => buffer.AddReference());
        Assert.Throws<InvalidOperationException>(buffer.Release);
        Assert.Equal(64, buffer.ByteLength);
    }

    [Fact]
    public void References_keep_the_memory_after_the_creator_has_disposed()
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(16);
        Assert.Same(buffer, buffer.AddReference());
        buffer.AddReference();
        buffer.Dispose();
        buffer.Dispose();
        Assert.False(buffer.IsDisposed);
        buffer.AsSpan<byte>()[15] = 7;
        buffer.Release();
        Assert.Equal(7, buffer.AsSpan<byte>()[15]);
        buffer.Release();
        Assert.True(buffer.IsDisposed);
        Assert.Throws<InvalidOperationException>(buffer.Release);
    }

    [Fact]
    public void Release_does_not_take_the_creators_reference()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(16);
        string message = Assert.Throws<InvalidOperationException>(buffer.Release).Message;
        Assert.Contains("more references released than were added", message, StringComparison.Ordinal);
        buffer.AddReference().Release();
        Assert.Throws<InvalidOperationException>(buffer.Release);
        Assert.False(buffer.IsDisposed);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, -1)]
    [InlineData(0, 9)]
    [InlineData(4, 8)]
    [InlineData(33, 0)]
    [InlineData(2, 1)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(long.MinValue, int.MaxValue)]
    [InlineData(0, int.MaxValue)]
    public void Spans_outside_the_buffer_or_unaligned_are_refused(long byteOffset, int count)
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(32);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.AsSpan<int>(byteOffset, count).Length);
    }

    [Fact]
    public void Spans_reach_the_bytes_they_name()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(35);
        buffer.AsSpan<int>(28, 1)[0] = 0x01020304;
        Assert.Equal(8, buffer.AsSpan<int>().Length);
        Assert.Equal(0x01020304, buffer.AsSpan<int>()[7]);
        Assert.Equal(0, buffer.AsSpan<int>(32, 0).Length);
        Assert.Equal(BitConverter.IsLittleEndian ? 4 : 1, buffer.AsSpan<byte>()[28]);
    }

    [Fact]
    public void Views_outside_the_buffer_or_unaligned_are_refused()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(96);
        Assert.Equal(24, buffer.View<float>(2, 3, 4).ElementCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.View<float>(25).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.View<float>(5, 5).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.View<float>(-1).Rank);
        Assert.ThrowsAny<ArgumentException>(() => buffer.View<float>().Rank);
        Assert.ThrowsAny<ArgumentException>(() => buffer.View<float>(1, 1, 1, 1, 1).Rank);
        Assert.ThrowsAny<ArgumentException>(() => buffer.View<float>(int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.ViewAt<float>(4, 24).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.ViewAt<float>(-4, 1).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.ViewAt<float>(2, 1).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.ViewAt<float>(long.MaxValue - 3, 1).Rank);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.ViewAt<float>(0, [2, 2], [23, 1]).Rank);
        Assert.Equal(22, buffer.ViewAt<float>(0, [2, 2], [22, 1]).Stride(0));
        Assert.Equal(0, buffer.ViewAt<float>(96, 0).ElementCount);
        Assert.True(buffer.ViewAt<float>(92, 1).Pointer == buffer.View<float>(24).Pointer + 23);
    }

    private static UnmanagedBuffer AllocateOrSkip(BufferKind kind, long bytes)
    {
        Assert.SkipUnless(UnmanagedBuffer.IsAvailable(kind, out string reason), $"{kind}: {reason}");
        return UnmanagedBuffer.Allocate(bytes, kind);
    }
}
