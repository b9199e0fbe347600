using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Bench.Peers.OnnxRuntime;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class PeerComparisonTests
{
    private static readonly AttentionShape Small = new(Heads: 4, KvHeads: 2, HeadDim: 32, Queries: 96, Keys: 96, Causal: true);

    [Fact]
    public void ExactImplementationsAgreeAndSparseOnesAreClose()
    {
        // As many keys that the last rows are worth dropping some.
        PeerReport report = Run(Small with { Keys = 2048 }, threads: [1, 2], calls: 2, out _);

        Assert.Equal(["dense", "shadow-cpu, keep 0.2"], report.Results.Take(2).Select(r => r.Name));
        Assert.All(report.Results.Where(r => r.Exact), r => Assert.InRange(r.MaxAbsDifference, 0, 1e-5));
        Assert.All(report.Results.Where(r => !r.Exact), r => Assert.InRange(r.RelL2Difference, 1e-6, 0.5));
        Assert.All(report.Results, r => Assert.InRange(r.MinMs, double.Epsilon, r.MedianMs));
        Assert.Equal(report.Results.Count(r => r.Threads == 1), report.Results.Count(r => r.Threads == 2));
    }

    [Fact]
    public void OnnxRuntimeIsMeasuredWhereItCanBeLoaded()
    {
        Assert.SkipWhen(OnnxAttentionPeer.Unavailable is not null, OnnxAttentionPeer.Unavailable ?? string.Empty);

        PeerReport report = Run(Small, threads: [1], calls: 1, out List<string> log);

        Assert.Equal(Enum.GetValues<OnnxAttentionKind>().Select(OnnxAttentionModels.Name), report.Results.Skip(2).Select(r => r.Name));
        Assert.NotNull(report.OnnxRuntime);
        Assert.Empty(log);
    }

    [Fact]
    public void WhatCannotComputeTheShapeIsLeftOutAndSaid()
    {
        Assert.SkipWhen(OnnxAttentionPeer.Unavailable is not null, OnnxAttentionPeer.Unavailable ?? string.Empty);

        PeerReport report = Run(Small with { Causal = false, Queries = 8 }, threads: [1], calls: 1, out List<string> log);

        Assert.DoesNotContain(report.Results, r => r.Name == "ort GroupQueryAttention");
        Assert.Contains("GroupQueryAttention", Assert.Single(log), StringComparison.Ordinal);
    }

    [Fact]
    public void JsonAndTableSayMachineShapeAndTimes()
    {
        PeerReport report = Run(Small, threads: [1], calls: 1, out _);

        using JsonDocument json = JsonDocument.Parse(report.ToJson());
        Assert.Equal(32, json.RootElement.GetProperty("shape").GetProperty("head_dim").GetInt32());
        Assert.NotEmpty(json.RootElement.GetProperty("machine").GetProperty("cpu").GetString()!);
        Assert.Equal(report.Results.Count, json.RootElement.GetProperty("results").GetArrayLength());
        Assert.Equal(report.Results[0].MinMs, json.RootElement.GetProperty("results")[0].GetProperty("min_ms").GetDouble());
        Assert.Contains("4 heads, 2 KV heads, dim 32, 96 x 96 causal", report.ToTable(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4, 3, 8, 8, "4 heads are not a multiple of 3 KV heads")]
    [InlineData(4, 2, 9, 8, "9 queries are more than 8 keys")]
    [InlineData(4, 2, 0, 8, "at least 1")]
    public void AWrongShapeIsNamed(int heads, int kvHeads, int queries, int keys, string expected)
    {
        var shape = new AttentionShape(heads, kvHeads, 16, queries, keys, Causal: true);

        Assert.Contains(expected, Assert.Throws<ArgumentException>(shape.Validate).Message, StringComparison.Ordinal);
    }

    private static PeerReport Run(AttentionShape shape, int[] threads, int calls, out List<string> log)
    {
        log = [];
        return new PeerComparison(shape, AttentionData.Generate(shape, seed: 3), KeepRatio.Share(0.2)).Run(threads, calls, log.Add);
    }
}
