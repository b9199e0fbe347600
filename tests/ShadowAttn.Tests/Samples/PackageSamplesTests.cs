using System.Numerics;
using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Attention;
using Xunit;

namespace ShadowAttn.Tests.Samples;

/// <summary>What the packages' README.md files show does what they say. That of ShadowAttn.Interop needs a backend in a file: see PackedPackagesTests.</summary>
public sealed class PackageSamplesTests
{
    [Fact]
    public void AViewWritesIntoItsBuffer() => Assert.Equal(1, PackageSamples.Memory());

    [Fact]
    public void SixteenKeysAreKeptPerRow()
    {
        const int rows = 3, keys = 100, dim = 64, words = 2;
        Random random = new(1);
        sbyte[] q8 = [.. Enumerable.Range(0, rows * dim).Select(_ => (sbyte)random.Next(-127, 128))];
        sbyte[] k8 = [.. Enumerable.Range(0, keys * dim).Select(_ => (sbyte)random.Next(-127, 128))];
        sbyte[] scores = new sbyte[rows * keys];
        ulong[] masks = new ulong[rows * words];
        PackageSamples.Kernels(q8, k8, rows, keys, dim, words, scores, masks);
        for (int row = 0; row < rows; row++)
        {
            Assert.Equal(16, BitOperations.PopCount(masks[row * words]) + BitOperations.PopCount(masks[(row * words) + 1]));
        }
    }

    [Fact]
    public void GraphsComeFromTheCacheTheSecondTime()
    {
        using var folder = new TemporaryFolder();
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        PilotPreparation first = PackageSamples.Graphs(backend, folder.Path);
        PilotPreparation second = PackageSamples.Graphs(backend, folder.Path);
        Assert.Equal((0, 1), (first.FromCache, first.Composed));
        Assert.Equal((1, 0), (second.FromCache, second.Composed));
    }

    [Fact]
    public void AttentionIsComputedOnTheSoftwareBackend()
    {
        using var data = new AttentionCase(12, 2, 8, 300, 128, seed: 1);
        AttentionReport report = PackageSamples.Attention(data.Q, data.K, data.V, data.O);
        Assert.InRange(report.KeptKeys, 1, report.VisibleKeys);
        Assert.True(float.IsFinite(data.O[11, 7, 127]) && data.O[11, 7, 127] != 0);
    }

    [Fact]
    public void TheSecondExecutionIsAborted() => PackageSamples.SoftHtp(backend =>
    {
        using QnnContext context = backend.CreateContext();
        using PilotGraph graph = PilotGraph.Compose(context, PilotGraphSpec.Universal(rows: 8, keys: 64, dim: 64, shift: 6));
        using var q8 = ShadowAttn.Memory.UnmanagedBuffer.Allocate(8 * 64);
        using var k8 = ShadowAttn.Memory.UnmanagedBuffer.Allocate(64 * 64);
        using var scores = ShadowAttn.Memory.UnmanagedBuffer.Allocate(8 * 64);
        using PilotBinding binding = graph.Bind(new PilotMemory(), q8, k8, scores);
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        binding.Execute();
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds >= 0.2);
        Assert.Equal(6031ul, Assert.Throws<QnnCallException>(() => binding.Execute()).Status.Code);
    });
}
