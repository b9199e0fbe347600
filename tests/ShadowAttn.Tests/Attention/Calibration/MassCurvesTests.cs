using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention.Calibration;

public sealed class MassCurvesTests
{
    [Theory]
    [InlineData(true, null, 4)]
    [InlineData(false, null, 4)]
    [InlineData(true, 40, 1)]
    public void ACurveSaysWhatTheOperatorCaptures(bool causal, int? window, int minKeys)
    {
        using AttentionCase c = new(6, 2, 50, 90, 64, seed: 3);
        AttentionOptions options = c.Options with { Causal = causal, SlidingWindow = window, MinKeys = minKeys };
        MassCurves curves = MassCurves.Measure(options, c.Q, c.K);
        foreach (int step in new[] { 5, 20, 60, 100 })
        {
            using var kept = new KeptKeys(6, 50, 90);
            AttentionOptions at = options with { Keep = KeepRatio.Share(step / 100.0) };
            c.Compute(at, kept: kept);
            AttentionAccuracy accuracy = c.Accuracy(at, kept);
            Assert.Equal(accuracy.CapturedMass, Enumerable.Range(0, 6).Average(h => curves.Mass(h, step)), 5);
            Assert.Equal(accuracy.CapturedMassWorstHead, Enumerable.Range(0, 6).Min(h => curves.Mass(h, step)), 5);
        }
    }

    [Fact]
    public void CurvesRiseFromTheFloorToTheWhole()
    {
        using AttentionCase c = new(2, 1, 40, 100, 32, seed: 5);
        MassCurves curves = MassCurves.Measure(c.Options with { MinKeys = 10 }, c.Q, c.K);
        for (int head = 0; head < 2; head++)
        {
            Assert.InRange(curves.Mass(head, 0), 0.05, 0.999);
            Assert.Equal(1, curves.Mass(head, MassCurves.Steps), 6);
            Assert.Equal(1, curves.Kept(head, MassCurves.Steps), 9);
            for (int step = 0; step < MassCurves.Steps; step++)
            {
                Assert.True(curves.Mass(head, step + 1) >= curves.Mass(head, step));
                Assert.True(curves.Kept(head, step + 1) >= curves.Kept(head, step));
            }

            Assert.Equal((curves.Mass(head, 10) + curves.Mass(head, 11)) / 2, curves.At(head, 0.105).Mass, 9);
        }
    }

    [Fact]
    public void TheBundledLayerHasASinkAndManyNegligibleScores()
    {
        using var trace = ShadowAttn.Cli.Input.TraceInput.Open(Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors"));
        var options = new AttentionOptions { Heads = 9, KvHeads = 3, HeadDim = 64, Scale = trace.Scale, Threads = 2 };
        HeadFigures[] figures = [.. SparsityAnalysis.Measure(options, trace.Q, trace.K).Heads.Select(h => h.Figures)];
        Assert.InRange(figures.Average(f => f.SinkMass), 0.25, 0.9);
        Assert.InRange(figures.Average(f => f.NegligibleShare), 0.3, 0.95);
        Assert.All(figures, f => Assert.InRange(f.EffectiveKeys, 1, 512));
        Assert.All(figures, f => Assert.InRange(f.LocalMass, 0, 1));
    }

    [Fact]
    public void SpreadWeightsHaveNothingNegligibleAndAsManyEffectiveKeys()
    {
        using AttentionCase c = new(1, 1, 8, 64, 16, seed: 1);
        AttentionCase.Fill(c.Q, () => 0);
        AttentionOptions options = c.Options with { Causal = false, MinKeys = 1 };
        MassCurves curves = MassCurves.Measure(options, c.Q, c.K);
        HeadFigures f = SparsityAnalysis.Measure(options, c.Q, c.K).Heads[0].Figures;
        Assert.Equal((0, 4 / 64.0, 1.0, 64.0), (f.NegligibleShare, Math.Round(f.SinkMass, 9), Math.Round(f.LocalMass, 9), Math.Round(f.EffectiveKeys, 6)));
        Assert.Equal(20 / 64.0 * 1.0, curves.Mass(0, 31), 6);
    }
}
