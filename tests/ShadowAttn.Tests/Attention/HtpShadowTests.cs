using ShadowAttn.Attention;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>The operator with the pilot on Qualcomm's HTP simulator.</summary>
[Collection("HTP simulator")]
public sealed class HtpShadowTests(HtpSimulator simulator)
{
    [Theory]
    [InlineData(6, 2, 70, 70, 64, true)]
    [InlineData(2, 1, 300, 600, 64, true)]
    [InlineData(2, 2, 40, 100, 128, false)]
    [InlineData(3, 3, 33, 130, 80, true)]
    public void EqualsTheCpuPilotBitForBit(int heads, int kvHeads, int queries, int keys, int dim, bool causal)
    {
        HtpSimulator.SkipUnlessThere();
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: keys);
        AttentionOptions options = data.Options with { Causal = causal, MinKeys = 16 };
        float[] cpu = data.Compute(options);
        float[] npu = data.Compute(options with { Mode = AttentionMode.Shadow }, simulator.Backend);
        Assert.Equal(cpu, npu);
    }

    [Fact]
    public void ThePapersBucketsRunToo()
    {
        HtpSimulator.SkipUnlessThere();
        using var data = new AttentionCase(4, 2, 64, 200, 64, seed: 8);
        AttentionOptions options = data.Options with { Mode = AttentionMode.Shadow, Buckets = PilotBuckets.Paper, MinKeys = 16 };
        using var kept = new KeptKeys(4, 64, 200);
        data.Compute(options, simulator.Backend, kept);
        Assert.InRange(data.Accuracy(options, kept).Recall, 0.9, 1);
    }

    [Theory]
    [InlineData(6, 2, 70, 70, 64, true)]
    [InlineData(2, 1, 300, 600, 64, true)]
    [InlineData(2, 2, 40, 100, 128, false)]
    public void WholeAttentionInInt8IsNearButNotExact(int heads, int kvHeads, int queries, int keys, int dim, bool causal)
    {
        HtpSimulator.SkipUnlessThere();
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: keys);
        AttentionOptions options = data.Options with { Causal = causal, Mode = AttentionMode.NpuInt8 };
        using var kept = new KeptKeys(heads, queries, keys);
        data.Compute(options, simulator.Backend, kept);
        AttentionAccuracy accuracy = data.Accuracy(options, kept);
        Assert.Equal(1, accuracy.CapturedMass, 12);
        Assert.InRange(accuracy.RelL2Error, 0.001, 0.25);
    }
}
