using System.Runtime.CompilerServices;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Backend;

[Collection("fake provider")]
public sealed unsafe class LifetimeTests : IDisposable
{
    readonly FakeProvider _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public void Everything_is_freed_children_first_when_disposed_in_order()
    {
        QnnLibrary library = _fake.Library();
        var backend = QnnBackend.Open(library);
        QnnContext context = backend.CreateContext();
        QnnGraph graph = FakeGraph.Compose(context);

        graph.Dispose();
        context.Dispose();
        backend.Dispose();
        library.Dispose();

        Assert.Equal(["contextFree", "deviceFree", "backendFree", "logFree"], Frees());
        Assert.Equal(0, _fake.LiveHandles);
    }

    [Fact]
    public void Everything_is_freed_children_first_when_disposed_in_the_wrong_order()
    {
        byte* page = stackalloc byte[FakeGraph.InputBytes];
        QnnLibrary library = _fake.Library();
        var backend = QnnBackend.Open(library);
        QnnContext context = backend.CreateContext();
        QnnGraph graph = FakeGraph.Compose(context);
        QnnProfile profile = backend.CreateProfile(QnnProfileLevel.Basic);
        QnnPowerVote vote = backend.Device.VotePower(QnnPowerProfile.Burst);
        QnnMemory memory = context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, 5, page, FakeGraph.InputBytes);
        graph.BindInput(0, memory);

        library.Dispose();
        backend.Dispose();
        memory.Dispose();
        context.Dispose();
        Assert.Empty(Frees());
        profile.Dispose();
        vote.Dispose();
        Assert.Equal(["profileFree", "destroyPowerConfigId"], Frees());
        graph.Dispose();

        Assert.Equal(["profileFree", "destroyPowerConfigId", "memDeRegister", "contextFree", "deviceFree", "backendFree", "logFree"], Frees());
        Assert.Equal(0, _fake.LiveHandles);
    }

    [Fact]
    public void Disposing_twice_frees_once()
    {
        using QnnLibrary library = _fake.Library();
        var backend = QnnBackend.Open(library);
        QnnContext context = backend.CreateContext();

        context.Dispose();
        context.Dispose();
        backend.Dispose();
        backend.Dispose();

        Assert.Equal(["contextFree", "deviceFree", "backendFree", "logFree"], Frees());
    }

    [Fact]
    public void What_is_never_disposed_is_freed_by_the_garbage_collector()
    {
        Forget();

        for (int i = 0; i < 20 && _fake.LiveHandles > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(0, _fake.LiveHandles);
        Assert.Equal(["contextFree", "deviceFree", "backendFree", "logFree"], Frees());
    }

    [Fact]
    public void Using_what_was_disposed_is_said()
    {
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library);
        QnnContext context = backend.CreateContext();
        QnnGraphBuilder builder = FakeGraph.Builder(context);
        QnnGraph graph = FakeGraph.Compose(context, "second");
        QnnProfile profile = backend.CreateProfile(QnnProfileLevel.Basic);

        profile.Dispose();
        graph.Dispose();
        context.Dispose();

        Assert.Throws<ObjectDisposedException>(() => context.CreateGraph("third"));
        Assert.Throws<ObjectDisposedException>(() => context.GetBinary());
        Assert.Throws<ObjectDisposedException>(() => builder.FinalizeGraph());
        Assert.Throws<ObjectDisposedException>(() => profile.Read());
        byte* page = stackalloc byte[FakeGraph.InputBytes];
        nint data = (nint)page;
        Assert.Throws<ObjectDisposedException>(() => graph.BindInput(0, (void*)data, FakeGraph.InputBytes));
        Assert.Throws<ObjectDisposedException>(() => graph.CreateBindings());
    }

    [Fact]
    public void An_in_process_backends_owner_lives_as_long_as_its_handles()
    {
        (WeakReference owner, QnnContext context) = OpenWithOwner();

        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(owner.IsAlive);

        context.Dispose();
    }

    public static TheoryData<string> CreatingCalls =>
        ["backendCreate", "deviceCreate", "contextCreate", "graphCreate", "tensorCreateGraphTensor", "backendValidateOpConfig",
            "graphAddNode", "graphFinalize", "profileCreate", "createPowerConfigId", "setPowerConfig", "contextCreateFromBinary",
            "graphRetrieve", "contextGetBinarySize", "contextGetBinary", "deviceGetPlatformInfo", "profileGetEvents"];

    [Theory]
    [MemberData(nameof(CreatingCalls))]
    public void Whatever_fails_nothing_is_left_and_the_call_is_named(string call)
    {
        _fake.Fails[call] = 1003;

        var e = Assert.ThrowsAny<QnnException>(UseEverything);

        Assert.Contains(call, e.Message);
        Assert.Contains("1003", e.Message);
        Assert.Equal(call, Assert.IsAssignableFrom<QnnCallException>(e).Call);
        Assert.Equal(0, _fake.LiveHandles - (call == "createPowerConfigId" ? 1 : 0));
    }

    [Theory]
    [InlineData("backendCreate")]
    [InlineData("deviceCreate")]
    [InlineData("contextCreate")]
    [InlineData("graphCreate")]
    [InlineData("graphRetrieve")]
    [InlineData("profileCreate")]
    [InlineData("contextCreateFromBinary")]
    public void Success_without_a_handle_is_an_error(string call)
    {
        _fake.ReturnsNull.Add(call);

        var e = Assert.ThrowsAny<QnnException>(UseEverything);

        Assert.Equal($"The backend 'fake' reports success of {call} but returned null.", e.Message);
        Assert.Equal(0, _fake.LiveHandles);
    }

    [Theory]
    [InlineData("backendFree")]
    [InlineData("deviceFree")]
    [InlineData("contextFree")]
    [InlineData("logFree")]
    [InlineData("profileFree")]
    public void A_free_that_fails_is_logged_and_the_rest_is_freed(string call)
    {
        _fake.Fails[call] = 1003;
        var logger = new Logging.ListLogger();

        UseEverything(logger);

        Assert.Contains(logger.Lines, line => line.Text.Contains($"{call} failed: QNN_COMMON_ERROR_SYSTEM", StringComparison.Ordinal));
        Assert.Equal(0, _fake.LiveHandles);
    }

    void UseEverything() => UseEverything(null);

    void UseEverything(Logging.ListLogger? logger)
    {
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library, logger: logger);
        using QnnProfile profile = backend.CreateProfile(QnnProfileLevel.Detailed);
        Assert.Equal(2, backend.GetPlatformInfo().Count);
        using (backend.Device.VotePower(QnnPowerProfile.Sustained))
        {
        }
        using QnnContext context = backend.CreateContext();
        using QnnGraph graph = FakeGraph.Compose(context);
        byte[] binary = context.GetBinary();
        using QnnContext second = backend.CreateContext(binary);
        using QnnGraph retrieved = second.RetrieveGraph(new QnnBinaryGraph("pilot", graph.Inputs, graph.Outputs));
        Assert.NotEmpty(profile.Read());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Forget()
    {
        var backend = QnnBackend.Open(_fake.Library());
        QnnContext context = backend.CreateContext();
        FakeGraph.Compose(context);
        FakeGraph.Builder(context, "unfinished");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    (WeakReference Owner, QnnContext Context) OpenWithOwner()
    {
        var owner = new object();
        QnnContext context = QnnBackend.Open(_fake.Library(owner)).CreateContext();
        return (new WeakReference(owner), context);
    }

    List<string> Frees() => [.. _fake.Calls.Where(call => call.EndsWith("Free", StringComparison.Ordinal)
        || call is "memDeRegister" or "destroyPowerConfigId")];
}
