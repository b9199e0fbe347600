using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Cli;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>With a certificate the kept keys are the exact top: recall 1, whatever the pilot says.</summary>
public sealed class ExactTopKTests
{
    [Theory]
    [InlineData(ExactTopK.Sure, AttentionMode.ShadowCpu, 64, true)]
    [InlineData(ExactTopK.Sure, AttentionMode.Shadow, 80, true)]
    [InlineData(ExactTopK.Sure, AttentionMode.ShadowCpu, 7, false)]
    [InlineData(ExactTopK.ThreeErrors, AttentionMode.ShadowCpu, 64, true)]
    [InlineData(ExactTopK.ThreeErrors, AttentionMode.Shadow, 32, false)]
    public void RecallIsOne(ExactTopK exact, AttentionMode mode, int dim, bool causal)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var data = new AttentionCase(4, 2, 60, 300, dim, seed: dim);
        AttentionOptions options = data.Options with { Mode = mode, Causal = causal, MinKeys = 9, ExactTopK = exact };
        using var kept = new KeptKeys(4, 60, 300);
        data.Compute(options, backend, kept);
        Assert.Equal(1, data.Accuracy(options, kept).Recall);
        Assert.True(data.Accuracy(options, kept).CapturedMass > Without(data, options with { ExactTopK = ExactTopK.None }, backend));
    }

    [Fact]
    public void SaturatedRowsAreExactToo()
    {
        // Half of the keys are far above what 8 bits of score can hold.
        using var data = new AttentionCase(1, 1, 4, 128, 16, seed: 1);
        Random random = new(5);
        for (int i = 0; i < 128; i += 2)
        {
            for (int d = 0; d < 16; d++)
            {
                float x = d == 0 ? 127 : random.Next(90, 128);
                data.K[0, i, d] = x;
                data.K[0, i + 1, d] = -x;
            }
        }

        AttentionCase.Fill(data.Q, () => (float)random.NextDouble() + 100);
        AttentionOptions options = data.Options with
        {
            Causal = false, Keep = KeepRatio.Share(0.1), MinKeys = 1, Scale = 1e-4f, ExactTopK = ExactTopK.Sure,
        };
        using var kept = new KeptKeys(1, 4, 128);
        data.Compute(options, kept: kept);
        Assert.Equal(1, data.Accuracy(options, kept).Recall);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(100, false)]
    [InlineData(null, true)]
    public void CachesWithOutliersAndMasksAreExactToo(int? window, bool alibi)
    {
        using var data = new AttentionCase(2, 1, 40, 500, 32, seed: 3);
        for (int d = 0; d < 32; d++)
        {
            data.K[0, 470, d] *= 9;
            data.K[0, 300, d] *= 4;
        }

        AttentionOptions options = data.Options with
        {
            MinKeys = 9,
            ExactTopK = ExactTopK.Sure,
            SlidingWindow = window,
            AlibiSlopes = alibi ? AlibiSlopes.Standard(2) : default(ReadOnlyMemory<float>),
        };
        using var attention = new ShadowAttention(null, options);
        using KvCache cache = attention.CreateCache(500, KvFormat.F16);
        cache.Append(data.K.Slice(1, 0, 450), data.V.Slice(1, 0, 450));
        cache.Append(data.K.Slice(1, 450, 50), data.V.Slice(1, 450, 50));
        using var kept = new KeptKeys(2, 40, 500);
        AttentionReport report = attention.Compute(data.Q, cache, data.O, kept);
        Assert.InRange(report.ExactScores, 1, report.VisibleKeys - 1);
        Assert.Equal(1, ExactAttention.Compare(options, data.Q, cache.Keys, cache.Values, data.O, kept).Recall);
    }

    [Theory]
    [InlineData("sure", 1, 0.4)]
    [InlineData("3", 1, 0.12)]
    [InlineData("2", 0.99999, 0.08)]
    public void OnARealTraceFewKeysAreScoredExactly(string exact, double recall, double share)
    {
        CommandRun run = CommandRun.Of("run", "--json", "--repeat", "1", "--mode", "shadow-cpu", "--exact-topk", exact);
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal(exact, report.GetProperty("exact_topk").GetString());
        Assert.InRange(report.GetProperty("recall").GetDouble(), recall, 1);
        Assert.InRange(report.GetProperty("exact_scores").GetDouble() / report.GetProperty("visible_keys").GetDouble(), 0.02, share);
        Assert.Contains(report.GetProperty("operators").EnumerateArray(), o => o.GetProperty("name").GetString() == "certify");
    }

    [Fact]
    public void WhereItDoesNotApplyIsSaid()
    {
        CommandRun.Of("run", "--exact-topk", "4").AssertBadInput("--exact-topk: unknown value '4'; choose none, sure, 2 or 3");
        CommandRun.Of("run", "--exact-topk", "2", "--keep", "mass:0.9").AssertBadInput("--exact-topk: only for --mode shadow and shadow-cpu");
        AttentionOptions dense = new() { Heads = 1, KvHeads = 1, HeadDim = 8, Mode = AttentionMode.Dense, ExactTopK = ExactTopK.Sure };
        Assert.Contains("ExactTopK is for modes", Assert.Throws<ArgumentException>(dense.Validate).Message, StringComparison.Ordinal);
    }

    private static double Without(AttentionCase data, AttentionOptions options, QnnBackend backend)
    {
        using var kept = new KeptKeys(options.Heads, data.Q.Length(1), data.K.Length(1));
        data.Compute(options, backend, kept);
        AttentionAccuracy accuracy = data.Accuracy(options, kept);
        Assert.InRange(accuracy.Recall, 0.5, 0.9999);
        return accuracy.CapturedMass;
    }
}
