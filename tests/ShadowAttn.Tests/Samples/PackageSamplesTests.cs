using System.Diagnostics;
using System.Numerics;
using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;
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
    public unsafe void TheSecondExecutionIsAborted() => PackageSamples.SoftHtp(backend =>
    {
        using QnnContext context = backend.CreateContext();
        using QnnGraphBuilder builder = context.CreateGraph("twice");
        QnnTensor a = builder.Input("a", QnnDataType.SFixed8, [1, 1, 8, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor b = builder.Input("b", QnnDataType.SFixed8, [1, 1, 64, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor c = builder.Output("c", QnnDataType.SFixed8, [1, 1, 8, 64], QnnEncoding.ScaleOffset(64, 0));
        builder.MatMul(a, b, c, transposeIn1: true);
        using QnnGraph graph = builder.FinalizeGraph();
        using UnmanagedBuffer left = UnmanagedBuffer.Allocate(8 * 64), right = UnmanagedBuffer.Allocate(64 * 64), product = UnmanagedBuffer.Allocate(8 * 64);
        graph.BindInput(0, left.Pointer, (nuint)left.ByteLength);
        graph.BindInput(1, right.Pointer, (nuint)right.ByteLength);
        graph.BindOutput(0, product.Pointer, (nuint)product.ByteLength);
        long start = Stopwatch.GetTimestamp();
        graph.Execute();
        Assert.True(Stopwatch.GetElapsedTime(start).TotalMilliseconds >= 0.2);
        Assert.Equal(6031ul, Assert.Throws<QnnCallException>(() => graph.Execute()).Status.Code);
    });
}
