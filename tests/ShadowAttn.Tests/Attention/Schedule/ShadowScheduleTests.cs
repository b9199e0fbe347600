using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Attention.Schedule;

/// <summary>Neither the order of the units nor the number of KV heads per graph is to be seen in the output.</summary>
[Collection("HTP simulator")]
public sealed class ShadowScheduleTests(HtpSimulator simulator)
{
    [Theory]
    [InlineData(5, 5, 150, 300, 32, true)]
    [InlineData(14, 7, 40, 40, 16, true)]
    [InlineData(6, 3, 33, 70, 64, false)]
    public void OutputsAreTheSameToTheBit(int heads, int kvHeads, int queries, int keys, int dim, bool causal)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        Check(backend, heads, kvHeads, queries, keys, dim, causal);
    }

    [Fact]
    public void OnTheHtpSimulatorToo()
    {
        HtpSimulator.SkipUnlessThere();
        Check(simulator.Backend!, 5, 5, 40, 90, 64, causal: true);
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 3)]
    [InlineData(4, 2)]
    public void GraphsHaveAsManyHeadsAsThereAre(int headsPerGraph, int executions)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var data = new AttentionCase(5, 5, 20, 100, 32, seed: 1);
        using var attention = new ShadowAttention(backend, data.Options with { Mode = AttentionMode.Shadow, MinKeys = 4, HeadsPerGraph = headsPerGraph });
        Assert.Null(attention.StageTimes);
        AttentionReport report = attention.Compute(data.Q, data.K, data.V, data.O);
        Assert.Equal(headsPerGraph, report.HeadsPerGraph);
        Assert.Equal(executions, report.Buckets.Sum(b => b.Executions));
        Assert.Equal(5, report.Buckets.Sum(b => b.Executions * b.KvHeads));
        PipelineTimes times = attention.StageTimes!;
        Assert.Equal(executions, times.Jobs.Count);
        Assert.All(times.Jobs, j => Assert.True(j.Npu > 0 && j.Cpu > 0));
    }

    [Fact]
    public void RowsThatAreDenseNeedNoGraph()
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var data = new AttentionCase(4, 2, 300, 420, 32, seed: 5);
        AttentionOptions options = data.Options with
        {
            Mode = AttentionMode.Shadow, Crossover = true, Tail = TailCompensation.Mean, MinKeys = 8, KeepPerHead = new double[] { 0.02, 0.1, 1, 1 },
        };
        float[] cpu = data.Compute(options with { Mode = AttentionMode.ShadowCpu });
        using var attention = new ShadowAttention(backend, options);
        AttentionReport report = attention.Compute(data.Q, data.K, data.V, data.O);
        float[] npu = data.Output();
        Assert.All(cpu, (value, i) => Assert.Equal(value, npu[i], 1e-6f));

        // The second KV head's rows all keep everything.
        Assert.True(report.KeptKeys > report.VisibleKeys / 2);
        Assert.All(attention.StageTimes!.Jobs.Skip(attention.StageTimes!.Jobs.Count / 2), j => Assert.Equal(0, j.Npu));
    }

    [Fact]
    public void WhatIsWrongIsNamed()
    {
        using var data = new AttentionCase(4, 2, 8, 8, 16, seed: 1);
        Assert.Contains("HeadsPerGraph (3)", Assert.Throws<ArgumentException>(() => data.Compute(data.Options with { HeadsPerGraph = 3 })).Message);
        AttentionOptions paper = data.Options with { Mode = AttentionMode.Shadow, Buckets = PilotBuckets.Paper, HeadsPerGraph = 2 };
        Assert.Contains("universal pilot", Assert.Throws<ArgumentException>(() => data.Compute(paper)).Message);
    }

    private static void Check(QnnBackend backend, int heads, int kvHeads, int queries, int keys, int dim, bool causal)
    {
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: keys);
        AttentionOptions options = data.Options with { Causal = causal, MinKeys = 8, Mode = AttentionMode.Shadow };
        float[] expected = data.Compute(options with { Schedule = HeadSchedule.Fifo }, backend);
        foreach (HeadSchedule schedule in Enum.GetValues<HeadSchedule>())
        {
            foreach (int headsPerGraph in new[] { 1, 2, 4 })
            {
                using var attention = new ShadowAttention(backend, options with { Schedule = schedule, HeadsPerGraph = headsPerGraph });

                // The order is found by the times of the calls before.
                for (int call = 0; call < 3; call++)
                {
                    attention.Compute(data.Q, data.K, data.V, data.O);
                    Assert.Equal(expected, data.Output());
                }

                if (!causal)
                {
                    continue;
                }

                using KvCache cache = attention.CreateCache(keys, statistics: KeyStatistics.Measure(data.K));
                if (keys > queries)
                {
                    cache.Append(data.K.Slice(1, 0, keys - queries), data.V.Slice(1, 0, keys - queries));
                }

                for (int first = 0; first < queries; first += 25)
                {
                    int count = Math.Min(25, queries - first);
                    cache.Append(data.K.Slice(1, keys - queries + first, count), data.V.Slice(1, keys - queries + first, count));
                    attention.Compute(data.Q.Slice(1, first, count), cache, data.O.Slice(1, first, count));
                }

                Assert.InRange(RelativeError(expected, data.Output()), 0, 0.05);
            }
        }
    }

    private static double RelativeError(float[] expected, float[] actual) => Math.Sqrt(
        expected.Zip(actual, (e, a) => Math.Pow((double)e - a, 2)).Sum() / expected.Sum(e => (double)e * e));
}
