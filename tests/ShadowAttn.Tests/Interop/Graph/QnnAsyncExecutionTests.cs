using System.Runtime.InteropServices;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Graph;

[Collection("fake provider")]
public sealed class QnnAsyncExecutionTests : IDisposable
{
    readonly FakeProvider _fake = new();
    readonly QnnLibrary _library;
    readonly QnnBackend _backend;
    readonly QnnContext _context;
    readonly QnnGraph _graph;
    readonly nint _page = Marshal.AllocHGlobal(64);

    public unsafe QnnAsyncExecutionTests()
    {
        _library = _fake.Library();
        _backend = QnnBackend.Open(_library);
        _context = _backend.CreateContext();
        _graph = FakeGraph.Compose(_context);
        _graph.BindInput(0, (void*)_page, 64);
        _graph.BindInput(1, (void*)_page, 32);
        _graph.BindOutput(0, (void*)_page, 64);
    }

    public void Dispose()
    {
        _graph.Dispose();
        _context.Dispose();
        _backend.Dispose();
        _library.Dispose();
        _fake.Dispose();
        Assert.Equal(0, _fake.LiveHandles);
        Marshal.FreeHGlobal(_page);
    }

    [Fact]
    public async Task The_task_ends_when_the_backend_says_so()
    {
        for (int i = 0; i < 3; i++)
        {
            await _graph.ExecuteAsync();
        }

        Assert.Equal(3, _fake.Calls.Count(call => call == "graphExecuteAsync"));
        Assert.Equal(3, _fake.LastExecution.Count);
    }

    [Fact]
    public async Task A_failure_of_the_execution_is_the_tasks()
    {
        _fake.Fails["execution"] = 6031;
        var e = await Assert.ThrowsAsync<QnnCallException>(async () => await _graph.ExecuteAsync());
        Assert.Equal("QNN_GRAPH_ERROR_ABORTED", e.Status.Name);

        _fake.Fails.Clear();
        await _graph.ExecuteAsync();
    }

    [Fact]
    public async Task A_start_that_is_refused_leaves_the_bindings_usable()
    {
        _fake.Fails["graphExecuteAsync"] = 6025;
        var full = await Assert.ThrowsAsync<QnnCallException>(async () => await _graph.ExecuteAsync());
        Assert.Equal("QNN_GRAPH_ERROR_EXECUTION_ASYNC_FIFO_FULL", full.Status.Name);
        _fake.Fails["graphExecuteAsync"] = 1000;
        await Assert.ThrowsAsync<QnnNotSupportedException>(async () => await _graph.ExecuteAsync());

        _fake.Fails.Clear();
        await _graph.ExecuteAsync();
        _graph.Execute();
    }

    [Fact]
    public async Task While_it_runs_nothing_is_bound_or_started_and_disposing_waits()
    {
        using var hold = new ManualResetEventSlim();
        _fake.HoldExecution = hold;
        Task running = _graph.ExecuteAsync().AsTask();

        Assert.Contains("wait for it before binding", Assert.Throws<InvalidOperationException>(Rebind).Message);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await _graph.ExecuteAsync());
        _graph.Dispose();
        _context.Dispose();
        Assert.DoesNotContain("contextFree", _fake.Calls);

        hold.Set();
        await running;
        Assert.Contains("contextFree", _fake.Calls);
    }

    unsafe void Rebind() => _graph.BindInput(0, (void*)_page, 64);
}
