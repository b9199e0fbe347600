using System.Text;
using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention.Calibration;

public sealed class CalibrationProfileTests
{
    [Fact]
    public void HeadsKeepWhatTheirRatiosSay()
    {
        using AttentionCase c = new(4, 2, 30, 200, 32, seed: 2);
        double[] shares = [0.05, 0.5, 0.1, 1];
        foreach (AttentionMode mode in new[] { AttentionMode.ShadowCpu, AttentionMode.SparseCpu })
        {
            using var kept = new KeptKeys(4, 30, 200);
            c.Compute(c.Options with { Mode = mode, KeepPerHead = shares, MinKeys = 12 }, kept: kept);
            for (int head = 0; head < 4; head++)
            {
                for (int query = 0; query < 30; query++)
                {
                    int visible = 200 - 30 + query + 1;
                    int expected = Math.Max(12, (int)Math.Ceiling(shares[head] * visible));
                    Assert.Equal(expected, kept.Row(head, query).ToArray().Sum(System.Numerics.BitOperations.PopCount));
                }
            }
        }
    }

    [Fact]
    public void RatiosOfTheWrongNumberOrRangeAreRefused()
    {
        var options = new AttentionOptions { Heads = 4, KvHeads = 2, HeadDim = 32, Mode = AttentionMode.ShadowCpu };
        Assert.Contains("there are 4 query heads", Refusal(options with { KeepPerHead = new double[] { 0.5 } }), StringComparison.Ordinal);
        Assert.Contains("above 0 and at most 1", Refusal(options with { KeepPerHead = new[] { 0.5, 0.5, 0, 0.5 } }), StringComparison.Ordinal);
        Assert.Contains("share of the mass", Refusal(options with { KeepPerHead = new[] { 0.5, 0.5, 0.5, 0.5 }, Keep = KeepRatio.Mass(0.9) }), StringComparison.Ordinal);
        static string Refusal(AttentionOptions options) => Assert.ThrowsAny<ArgumentException>(options.Validate).Message;
    }

    [Fact]
    public void AProfileSurvivesItsFile()
    {
        CalibrationProfile profile = Make(new CalibrationOptions { Budget = 0.3, DenseBelow = 0 });
        CalibrationProfile again = CalibrationProfile.Parse(Write(profile));
        Assert.Equal(Write(profile), Write(again));
        Assert.Equal([3, 5], again.Layers.Select(l => l.Layer));
        AttentionOptions applied = again.Apply(Shape() with { Keep = KeepRatio.Share(0.9) }, 5);
        Assert.Equal(profile.Layers[1].Keep, applied.KeepPerHead.ToArray());
        Assert.Equal(4, applied.MinKeys);
        Assert.Equal(2, again.Layers[0].Statistics().KvHeads);
        Assert.Contains("no layer 4", Assert.Throws<ArgumentException>(() => again.Apply(Shape(), 4)).Message, StringComparison.Ordinal);
        Assert.Contains("dim 32", Assert.Throws<ArgumentException>(() => again.Apply(Shape() with { HeadDim = 16 }, 5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ALayerThatIsNotSparseBecomesDense()
    {
        CalibrationProfile profile = Make(new CalibrationOptions { DenseBelow = 1 });
        Assert.All(profile.Layers, l => Assert.True(l.Dense));
        Assert.Equal(AttentionMode.Dense, profile.Apply(Shape(), 3).Mode);
    }

    [Theory]
    [InlineData("\"version\": 1", "\"version\": 2", "has version 2")]
    [InlineData("\"heads\": 4", "\"heads\": 3", "no shape of a layer")]
    [InlineData("\"min_keys\": 4", "\"min_keys\": 0", "min_keys is 0")]
    [InlineData("\"layer\": 5", "\"layer\": 3", "layers must ascend")]
    [InlineData("\"keep\": [", "\"keep\": [ 7,", "needs a ratio for each of the 4 heads")]
    [InlineData("\"key_mean\": [", "\"key_mean\": [ [],", "need 2 lists of 32 numbers")]
    [InlineData("\"key_variance\": [\n        [\n          ", "\"key_variance\": [\n        [\n          -", "variance has -")]
    [InlineData("\"layers\"", "\"lairs\"", "is no calibration profile")]
    [InlineData("{", "[", "is no calibration profile")]
    public void WhatIsWrongInAFileIsNamed(string from, string to, string message)
    {
        string json = Encoding.UTF8.GetString(Write(Make(new CalibrationOptions { DenseBelow = 0 }))).ReplaceLineEndings("\n");
        int at = json.IndexOf(from, StringComparison.Ordinal);
        Assert.True(at >= 0, from);
        string wrong = json[..at] + to + json[(at + from.Length)..];
        Assert.Contains(message, Assert.Throws<FormatException>(() => CalibrationProfile.Parse(Encoding.UTF8.GetBytes(wrong))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StatisticsOfTwoInputsAreThoseOfBothTogether()
    {
        using AttentionCase a = new(2, 2, 1, 50, 16, seed: 1);
        using AttentionCase b = new(2, 2, 1, 50, 16, seed: 2);
        using AttentionCase both = new(2, 2, 1, 100, 16, seed: 3);
        for (int head = 0; head < 2; head++)
        {
            for (int key = 0; key < 100; key++)
            {
                for (int d = 0; d < 16; d++)
                {
                    both.K[head, key, d] = key < 50 ? a.K[head, key, d] : b.K[head, key - 50, d];
                }
            }
        }

        KeyStatistics merged = KeyStatistics.Merge([KeyStatistics.Measure(a.K), KeyStatistics.Measure(b.K)]);
        KeyStatistics whole = KeyStatistics.Measure(both.K);
        for (int c = 0; c < 32; c++)
        {
            Assert.Equal(whole.Mean.Span[c], merged.Mean.Span[c], 1e-5);
            Assert.Equal(whole.Variance.Span[c], merged.Variance.Span[c], 1e-4);
        }

        Assert.All(Enumerable.Range(0, 2), head => Assert.InRange(merged.AbsMax.Span[head], whole.AbsMax.Span[head] - 1e-5, whole.AbsMax.Span[head] + 1));
    }

    private static AttentionOptions Shape() => new() { Heads = 4, KvHeads = 2, HeadDim = 32, MinKeys = 4, Mode = AttentionMode.ShadowCpu, Threads = 2 };

    private static CalibrationProfile Make(CalibrationOptions options)
    {
        var calibrator = new Calibrator("made up", Shape());
        foreach (int layer in new[] { 5, 3, 5 })
        {
            using AttentionCase c = new(4, 2, 20, 60, 32, seed: layer);
            calibrator.Add(layer, MassCurves.Measure(Shape(), c.Q, c.K), KeyStatistics.Measure(c.K));
        }

        return calibrator.Build(options);
    }

    private static byte[] Write(CalibrationProfile profile)
    {
        using var stream = new MemoryStream();
        profile.Write(stream);
        return stream.ToArray();
    }
}
