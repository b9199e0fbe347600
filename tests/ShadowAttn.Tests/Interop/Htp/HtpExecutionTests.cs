using ShadowAttn.Interop;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Interop.Htp;

[Collection("HTP simulator")]
public sealed unsafe class HtpExecutionTests(HtpSimulator htp)
{
    [Fact]
    public void A_detailed_profile_has_the_nodes_by_name()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using var pilot = new HtpPilot(1);
        pilot.Bind(graph.Bindings);
        using QnnProfile basic = htp.Backend.CreateProfile(QnnProfileLevel.Basic);
        using QnnProfile detailed = htp.Backend.CreateProfile(QnnProfileLevel.Detailed);

        graph.Execute(basic);
        graph.Execute(detailed);

        Assert.Contains(basic.Read(), record => record is { TypeName: "execute", Unit: QnnProfileUnit.Microseconds, Value: > 0 });
        QnnProfileRecord cycles = detailed.Read().First(record => record.TypeName == "execute: accelerator cycles");
        Assert.Equal(QnnProfileUnit.Cycles, cycles.Unit);
        Assert.Contains(cycles.Events, node => node.IsNode && node.Value > 0 && node.Identifier.StartsWith("scores_of_queries", StringComparison.Ordinal));
    }

    [Fact]
    public void A_context_binary_gives_the_same_scores()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using QnnGraph second = HtpPilot.Compose(context, "pilot2");
        using var pilot = new HtpPilot(2);
        pilot.Bind(graph.Bindings);
        graph.Execute();
        sbyte[] scores = pilot.Scores.ToArray();

        byte[] binary = context.GetBinary();
        QnnBinaryInfo info = htp.Backend.Library.SystemLibrary.ReadBinary(binary);
        using QnnContext loaded = htp.Backend.CreateContext(binary);
        using QnnGraph retrieved = loaded.RetrieveGraph(info.Graphs.Single(g => g.Name == "pilot"));
        pilot.ClearScores();
        pilot.Bind(retrieved.Bindings);
        retrieved.Execute();

        Assert.Equal(["pilot", "pilot2"], info.Graphs.Select(g => g.Name).Order());
        Assert.Equal(htp.Backend.BuildId, info.BuildId);
        Assert.Equal(htp.Backend.ApiVersion, info.CoreApiVersion);
        Assert.Equal(graph.Inputs.Select(input => input.ToString()), retrieved.Inputs.Select(input => input.ToString()));
        Assert.Equal(graph.Outputs.Select(output => output.ToString()), retrieved.Outputs.Select(output => output.ToString()));
        Assert.Equal(scores, pilot.Scores);
        Assert.True(pilot.IsExact());
        var e = Assert.Throws<QnnCallException>(() => loaded.RetrieveGraph(new QnnBinaryGraph("other", retrieved.Inputs, retrieved.Outputs)));
        Assert.Equal(6003ul, e.Status.Code);
    }

    [Fact]
    public void Broken_binaries_are_refused()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        byte[] binary = context.GetBinary();

        foreach (byte[] broken in new[] { binary[..(binary.Length / 2)], new byte[binary.Length], binary[..10], [1] })
        {
            var load = Assert.Throws<QnnCallException>(() => htp.Backend.CreateContext(broken));
            Assert.Equal("contextCreateFromBinary", load.Call);
            Assert.InRange(load.Status.Code, 5000ul, 30_010ul);
            Assert.Throws<QnnCallException>(() => htp.Backend.Library.SystemLibrary.ReadBinary(broken));
        }
    }

    [Fact]
    public void A_buffer_that_is_too_small_never_reaches_the_backend()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using var pilot = new HtpPilot(3);
        nint keys = (nint)pilot.K8;

        var e = Assert.Throws<ArgumentException>(() => graph.BindInput(0, (void*)keys, HtpPilot.KeyBytes - 1));

        Assert.Contains("the buffer has 3071 bytes, the tensor needs 3072", e.Message);
        Assert.Throws<InvalidOperationException>(() => graph.Execute());
    }

    [Fact]
    public void Memory_of_a_memfd_falls_back_to_a_plain_buffer_and_says_why()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using var pilot = new HtpPilot(4);
        pilot.Bind(graph.Bindings);
        using var buffer = UnmanagedBuffer.Allocate(HtpPilot.KeyBytes, BufferKind.MemFd);
        new ReadOnlySpan<byte>(pilot.K8, HtpPilot.KeyBytes).CopyTo(buffer.AsSpan<byte>());

        using QnnMemory memory = context.RegisterMemory(graph.Inputs[0], QnnMemoryKind.Ion, buffer.FileDescriptor, buffer.Pointer, HtpPilot.KeyBytes);
        graph.BindInput(0, memory);
        graph.Execute();

        Assert.False(memory.IsRegistered);
        Assert.Equal("memRegister of 'libQnnHtp.so' says QNN_COMMON_ERROR_NOT_SUPPORTED (1000, common)", memory.FallbackReason);
        Assert.True(pilot.IsExact());
    }

    [Fact]
    public void Threads_with_bindings_of_their_own_share_a_graph()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        int wrong = 0;

        var threads = Enumerable.Range(0, 8).Select(seed => new Thread(() =>
        {
            using var pilot = new HtpPilot(seed);
            using QnnBindings bindings = graph.CreateBindings();
            pilot.Bind(bindings);
            for (int i = 0; i < 10; i++)
            {
                pilot.ClearScores();
                bindings.Execute();
                Interlocked.Add(ref wrong, pilot.IsExact() ? 0 : 1);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());

        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Executing_allocates_nothing_on_the_managed_heap()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using var pilot = new HtpPilot(5);
        pilot.Bind(graph.Bindings);
        graph.Execute();

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            pilot.Bind(graph.Bindings);
            graph.Execute();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(pilot.IsExact());
    }

    [Fact]
    public void Asynchronous_execution_is_not_there_and_that_is_said()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        using var pilot = new HtpPilot(6);
        pilot.Bind(graph.Bindings);

        Assert.Throws<QnnNotSupportedException>(() => { _ = graph.ExecuteAsync().AsTask(); });
        graph.Execute();

        Assert.True(pilot.IsExact());
    }
}
