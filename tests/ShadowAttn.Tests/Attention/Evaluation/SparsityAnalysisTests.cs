using ShadowAttn.Attention;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Attention.Evaluation;

public sealed unsafe class SparsityAnalysisTests
{
    [Fact]
    public void EqualWeightsNeedAsManyKeysAsMass()
    {
        SparsityAnalysis analysis = Measure(Options(heads: 1) with { Causal = false }, queries: 3, keys: 100, (_, _, _) => 0, (_, key, _) => key);
        Assert.Equal(3, analysis.Rows);
        HeadSparsity head = Assert.Single(analysis.Heads);
        for (int step = 0; step <= MassCurves.Steps; step++)
        {
            Assert.Equal(step / 100.0, head.MassCurve[step], 9);
        }

        Assert.Equal([0.8, 0.9, 0.95, 0.99], head.KeysNeeded, (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(0, head.Figures.NegligibleShare);
        Assert.Equal(0.04, head.Figures.SinkMass, 9);
        Assert.Equal(0.64, head.Figures.LocalMass, 9);
        Assert.Equal(100, head.Figures.EffectiveKeys, 6);
    }

    [Fact]
    public void OneHeavyKeyIsAllThatIsNeeded()
    {
        // The first of 101 keys has weight 0.951, the others 0.00049 each, below 1/1010.
        float logit = (float)Math.Log(0.951 / 0.00049);
        SparsityAnalysis analysis = Measure(
            Options(heads: 1) with { Causal = false }, queries: 2, keys: 101, (_, _, d) => d == 0 ? 1 : 0, (_, key, d) => key == 0 && d == 0 ? logit : 0);
        HeadSparsity head = Assert.Single(analysis.Heads);
        Assert.Equal(0.951 + 0.00049, head.MassCurve[1], 6);
        Assert.Equal(0.951 + (20 * 0.00049), head.MassCurve[20], 6);
        Assert.Equal([1 / 101.0, 1 / 101.0, 1 / 101.0, 81 / 101.0], head.KeysNeeded, (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(100 / 101.0, head.Figures.NegligibleShare, 9);
        Assert.Equal(0.951 + (3 * 0.00049), head.Figures.SinkMass, 6);
        Assert.Equal(64 * 0.00049, head.Figures.LocalMass, 6);
        double entropy = -((0.951 * Math.Log(0.951)) + (100 * 0.00049 * Math.Log(0.00049)));
        Assert.Equal(Math.Exp(entropy), head.Figures.EffectiveKeys, 4);
    }

    [Fact]
    public void HeadsUseTheirKvHeadAndOnlyLongRowsCount()
    {
        // KV head 0 has nothing but zeros, KV head 1 a key at the start that takes all; four query heads, two each.
        SparsityAnalysis analysis = Measure(
            Options(heads: 4) with { KvHeads = 2 }, queries: 40, keys: 40, (_, _, d) => d == 1 ? 1 : 0, (head, key, d) => head == 1 && key == 0 && d == 1 ? 60 : 0);
        Assert.Equal(9, analysis.Rows);
        Assert.Equal(4, analysis.Heads.Count);
        double seen = Enumerable.Range(32, 9).Average();
        for (int head = 0; head < 4; head++)
        {
            HeadFigures figures = analysis.Heads[head].Figures;
            Assert.Equal(head < 2 ? seen : 1, figures.EffectiveKeys, 6);
            Assert.Equal(head < 2 ? Enumerable.Range(32, 9).Average(n => 4.0 / n) : 1, figures.SinkMass, 9);
            Assert.Equal(1, figures.LocalMass, 9);
        }

        HeadSparsity mean = HeadSparsity.Mean(analysis.Heads);
        Assert.Equal((seen + 1) / 2, mean.Figures.EffectiveKeys, 6);
    }

    [Fact]
    public void AWindowHidesWhatIsBeforeIt()
    {
        SparsityAnalysis analysis = Measure(
            Options(heads: 1) with { SlidingWindow = 50 }, queries: 5, keys: 200, (_, _, _) => 1, (_, key, _) => key < 100 ? 1000 : 0);
        Assert.Equal(50, analysis.Heads[0].Figures.EffectiveKeys, 6);
        Assert.Equal(0, analysis.Heads[0].Figures.SinkMass);
        Assert.Equal(1, analysis.Heads[0].Figures.LocalMass, 9);
    }

    [Fact]
    public void ChannelsOfTheKeysAreCompared()
    {
        // Channel 0 is constant, 1 alternates between 5 and 7 (mean 6, deviation 1), 2 between -10 and 10, 3 between 0 and 2.
        float[] low = [3, 5, -10, 0];
        float[] high = [3, 7, 10, 2];
        KeyChannels keys = Assert.Single(Measure(Options(heads: 1), 1, 6, (_, _, _) => 0, (_, key, d) => key % 2 == 0 ? low[d] : high[d]).Keys);
        Assert.Equal((10.0, 5.0, 2), (keys.LargestAbsMax, keys.MedianAbsMax, keys.OutlierChannel));
        Assert.Equal(2, keys.OutlierRatio);
        Assert.Equal(6, keys.LargestMeanOverStd!.Value, 9);
        Assert.Equal((1, 1), (keys.ShiftedChannel, keys.ConstantChannels));

        KeyChannels zeros = Assert.Single(Measure(Options(heads: 1), 1, 6, (_, _, _) => 0, (_, _, _) => 0).Keys);
        Assert.Null(zeros.OutlierRatio);
        Assert.Null(zeros.LargestMeanOverStd);
        Assert.Equal(4, zeros.ConstantChannels);
    }

    [Fact]
    public void ItCanBeCancelled()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Measure(Options(heads: 1), 4, 4, (_, _, _) => 0, (_, _, _) => 0, source.Token));
    }

    private static AttentionOptions Options(int heads) => new() { Heads = heads, KvHeads = 1, HeadDim = 4, Scale = 1, Threads = 2 };

    private static SparsityAnalysis Measure(
        AttentionOptions options, int queries, int keys, Func<int, int, int, float> q, Func<int, int, int, float> k, CancellationToken cancellation = default)
    {
        using UnmanagedBuffer queryBuffer = Fill(options.Heads, queries, options.HeadDim, q);
        using UnmanagedBuffer keyBuffer = Fill(options.KvHeads, keys, options.HeadDim, k);
        return SparsityAnalysis.Measure(
            options,
            queryBuffer.View<float>(options.Heads, queries, options.HeadDim),
            keyBuffer.View<float>(options.KvHeads, keys, options.HeadDim),
            cancellationToken: cancellation);
    }

    private static UnmanagedBuffer Fill(int heads, int rows, int dim, Func<int, int, int, float> value)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)heads * rows * dim * sizeof(float));
        var numbers = (float*)buffer.Pointer;
        for (int i = 0; i < heads * rows * dim; i++)
        {
            numbers[i] = value(i / (rows * dim), i / dim % rows, i % dim);
        }

        return buffer;
    }
}
