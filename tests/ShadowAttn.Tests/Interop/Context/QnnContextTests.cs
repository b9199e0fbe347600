using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Context;

[Collection("fake provider")]
public sealed unsafe class QnnContextTests : IDisposable
{
    readonly FakeProvider _fake = new();
    readonly QnnLibrary _library;
    readonly QnnBackend _backend;
    readonly QnnContext _context;

    public QnnContextTests()
    {
        _library = _fake.Library();
        _backend = QnnBackend.Open(_library);
        _context = _backend.CreateContext();
    }

    public void Dispose()
    {
        _context.Dispose();
        _backend.Dispose();
        _library.Dispose();
        _fake.Dispose();
    }

    [Fact]
    public void The_binary_is_what_the_backend_wrote()
    {
        Assert.Equal([1, 2, 3, 4], _context.GetBinary());

        _fake.ClaimedBinaryBytes = 9;
        Assert.Equal([1, 2, 3, 4], _context.GetBinary());
    }

    [Fact]
    public void A_backend_that_lies_about_its_binarys_size_is_caught()
    {
        _fake.ClaimedBinaryBytes = 3;
        Assert.Contains("wrote 4 bytes of a binary that it said has 3", Assert.Throws<QnnException>(() => _context.GetBinary()).Message);
        _fake.ClaimedBinaryBytes = 0;
        Assert.Contains("says that the context's binary has 0 bytes", Assert.Throws<QnnException>(() => _context.GetBinary()).Message);
        _fake.ClaimedBinaryBytes = ulong.MaxValue;
        Assert.Throws<QnnException>(() => _context.GetBinary());
    }

    [Fact]
    public void An_empty_binary_is_refused() =>
        Assert.Contains("is empty", Assert.Throws<ArgumentException>(() => _backend.CreateContext(default(ReadOnlySpan<byte>))).Message);

    [Fact]
    public void Registered_memory_is_bound_by_its_handle()
    {
        using QnnGraph graph = FakeGraph.Compose(_context);
        byte* page = stackalloc byte[64];
        using QnnMemory memory = _context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 42, page, 64);
        using QnnMemory dmaBuf = _context.RegisterMemory(graph.Inputs[1], QnnMemoryKind.DmaBuf, 43, page, 64);

        graph.BindInput(0, memory);
        graph.BindInput(1, dmaBuf);
        graph.BindOutput(0, page, 64);
        graph.Execute();

        Assert.True(memory.IsRegistered);
        Assert.Equal("", memory.FallbackReason);
        Assert.Contains("memRegister QNN_MEM_TYPE_ION fd 42", _fake.Calls);
        Assert.Contains("memRegister QNN_MEM_TYPE_DMA_BUF fd 43", _fake.Calls);
        Assert.Equal(Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE, _fake.LastExecution[0].MemType);
        Assert.Equal((nint)memory.Value, _fake.LastExecution[0].Data);
        Assert.Equal(Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE, _fake.LastExecution[1].MemType);

        graph.BindInput(0, page, 64);
        graph.Execute();
        Assert.Equal((nint)page, _fake.LastExecution[0].Data);
    }

    [Fact]
    public void Memory_that_the_backend_does_not_take_is_used_as_a_plain_buffer_and_the_reason_is_kept()
    {
        _fake.Fails["memRegister"] = 1000;
        using QnnGraph graph = FakeGraph.Compose(_context);
        byte* page = stackalloc byte[64];

        using QnnMemory memory = _context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 42, page, 64);
        using QnnMemory without = _context.RegisterMemory(graph.Inputs[1], QnnMemoryKind.Ion, -1, page, 64);

        Assert.False(memory.IsRegistered);
        Assert.Equal("memRegister of 'fake' says QNN_COMMON_ERROR_NOT_SUPPORTED (1000, common)", memory.FallbackReason);
        Assert.Equal("the memory has no file descriptor", without.FallbackReason);
        graph.BindInput(0, memory);
        graph.BindInput(1, without);
        graph.BindOutput(0, page, 64);
        graph.Execute();
        Assert.Equal((Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW, (nint)page, 64u),
            (_fake.LastExecution[0].MemType, _fake.LastExecution[0].Data, _fake.LastExecution[0].DataBytes));
    }

    [Fact]
    public void Memory_that_does_not_fit_is_refused()
    {
        using QnnGraph graph = FakeGraph.Compose(_context);
        using QnnContext other = _backend.CreateContext();
        using QnnGraph otherGraph = FakeGraph.Compose(other);
        byte* page = stackalloc byte[64];
        nint data = (nint)page;

        Assert.Contains("has 63 bytes; the tensor needs 64",
            Assert.Throws<ArgumentException>(() => _context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 1, (void*)data, 63)).Message);
        Assert.Throws<ArgumentException>(() => _context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 1, null, 64));
        using QnnMemory keys = _context.RegisterMemory(graph.Inputs[1], QnnMemoryKind.Ion, 1, page, 32);
        Assert.Contains("the buffer has 32 bytes, the tensor needs 64", Assert.Throws<ArgumentException>(() => graph.BindInput(0, keys)).Message);
        Assert.Contains("registered with another context", Assert.Throws<ArgumentException>(() => otherGraph.BindInput(1, keys)).Message);
    }

    [Fact]
    public void Memory_stays_registered_while_it_is_bound()
    {
        QnnGraph graph = FakeGraph.Compose(_context);
        byte* page = stackalloc byte[64];
        QnnMemory memory = _context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 42, page, 64);
        graph.BindInput(0, memory);

        memory.Dispose();
        Assert.DoesNotContain("memDeRegister", _fake.Calls);
        Assert.Throws<ObjectDisposedException>(() => graph.BindInput(0, memory));
        graph.BindInput(0, page, 64);
        Assert.Contains("memDeRegister", _fake.Calls);
        graph.Dispose();
    }
}
