using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention.Timeline;

[Collection(ProcessStateCollection.Name)]
public sealed class TimelineRecorderTests
{
    [Theory]
    [InlineData(AttentionMode.Shadow, ExactTopK.TwoErrors)]
    [InlineData(AttentionMode.ShadowCpu, ExactTopK.None)]
    [InlineData(AttentionMode.Dense, ExactTopK.None)]
    [InlineData(AttentionMode.NpuInt8, ExactTopK.None)]
    [InlineData(AttentionMode.SparseCpu, ExactTopK.None)]
    public void RecordingAllocatesNothingAndChangesNothing(AttentionMode mode, ExactTopK exact)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var data = new AttentionCase(4, 2, 300, 320, 32, seed: 2);
        using var attention = new ShadowAttention(backend, data.Options with { Mode = mode, Threads = 1, ExactTopK = exact });
        attention.Compute(data.Q, data.K, data.V, data.O);
        float[] expected = data.Output();
        var recorder = new TimelineRecorder();
        attention.Recorder = recorder;
        attention.Compute(data.Q, data.K, data.V, data.O);
        var allocated = new long[4];
        for (int i = 0; i < allocated.Length; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            attention.Compute(data.Q, data.K, data.V, data.O);
            allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated.Min());
        Assert.Equal(expected, data.Output());
        Assert.NotEmpty(recorder.Read());
        attention.Recorder = null;
        long end = recorder.EndTicks;
        attention.Compute(data.Q, data.K, data.V, data.O);
        Assert.Equal(end, recorder.EndTicks);
    }

    [Fact]
    public void EveryHeadAndStageIsThereAndLanesDoNotOverlap()
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var data = new AttentionCase(6, 3, 300, 320, 32, seed: 3);
        using var attention = new ShadowAttention(backend, data.Options with { Mode = AttentionMode.Shadow, Threads = 2 });
        attention.Recorder = new TimelineRecorder();
        attention.Compute(data.Q, data.K, data.V, data.O);
        attention.Compute(data.Q, data.K, data.V, data.O);
        IReadOnlyList<TimelineLane> lanes = attention.Recorder.Read();
        Assert.Equal(0, attention.Recorder.Dropped);
        Assert.Equal(["CPU stage", "NPU stage"], lanes.Take(2).Select(l => l.Name));
        foreach (TimelineLane lane in lanes)
        {
            long end = attention.Recorder.StartTicks;
            foreach (TimelineEvent e in lane.Events)
            {
                Assert.InRange(e.StartTicks, end, e.EndTicks);
                end = e.EndTicks;
            }

            Assert.InRange(end, attention.Recorder.StartTicks, attention.Recorder.EndTicks);
        }

        int[] Heads(string lane, string name) =>
            [.. lanes.Where(l => l.Name.StartsWith(lane, StringComparison.Ordinal)).SelectMany(l => l.Events)
                .Where(e => e.Name == name).Select(e => lane == "worker" ? e.Item.Head : e.Item.KvHead).Distinct().Order()];
        Assert.Equal([0, 1, 2], Heads("CPU stage", "attend"));
        Assert.Equal([0, 1, 2], Heads("NPU stage", "pilot"));
        Assert.Equal([0, 1, 2, 3, 4, 5], Heads("worker", "gather"));
        Assert.Equal([0, 1, 2, 3, 4, 5], Heads("worker", "select"));

        // Every row of every head, once.
        int rows = lanes.Where(l => l.Worker >= 0).SelectMany(l => l.Events).Where(e => e.Name == "gather").Sum(e => e.Item.Count);
        Assert.Equal(6 * 300, rows);
    }

    [Fact]
    public void ALaneThatIsFullKeepsTheLastEvents()
    {
        using var data = new AttentionCase(2, 1, 300, 320, 32, seed: 4);
        using var attention = new ShadowAttention(null, data.Options with { Threads = 1 });
        attention.Recorder = new TimelineRecorder(eventsPerLane: 8);
        attention.Compute(data.Q, data.K, data.V, data.O);
        TimelineLane lane = Assert.Single(attention.Recorder.Read());
        Assert.Equal((8, 0), (lane.Events.Count, lane.Worker));
        Assert.True(attention.Recorder.Dropped > 0);
        Assert.Equal(lane.Events.OrderBy(e => e.StartTicks), lane.Events);
        Assert.Equal("gather", lane.Events[^1].Name);
        Assert.Throws<ArgumentOutOfRangeException>(() => new TimelineRecorder(0));
    }
}
