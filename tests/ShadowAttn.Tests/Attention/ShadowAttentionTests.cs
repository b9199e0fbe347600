using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Attention;

public sealed class ShadowAttentionTests
{
    public static TheoryData<int, int, int, int, int, bool, int> Shapes => new()
    {
        { 1, 1, 1, 1, 1, true, 0 },
        { 1, 1, 1, 1, 64, false, 0 },
        { 2, 1, 1, 200, 64, true, 0 },
        { 6, 2, 70, 70, 64, true, 3 },
        { 3, 3, 33, 130, 80, true, 0 },
        { 4, 1, 65, 65, 96, false, 1 },
        { 2, 2, 40, 20, 16, false, 0 },
        { 2, 1, 100, 257, 128, true, 5 },
        { 1, 1, 31, 64, 7, true, 0 },
        { 2, 1, 17, 90, 160, true, 0 },
        { 2, 1, 17, 90, 256, true, 0 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void DenseEqualsDoublePrecision(int heads, int kvHeads, int queries, int keys, int dim, bool causal, int padding)
    {
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: queries + keys, padding);
        AttentionOptions options = data.Options with { Mode = AttentionMode.Dense, Causal = causal };
        using var kept = new KeptKeys(heads, queries, keys);
        data.Compute(options, kept: kept);
        AttentionAccuracy accuracy = data.Accuracy(options, kept);
        Assert.InRange(accuracy.RelL2Error, 0, 1e-6);
        Assert.Equal(1, accuracy.CapturedMass, 12);
        Assert.Equal(1, accuracy.Recall);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void KeepingAllEqualsDense(int heads, int kvHeads, int queries, int keys, int dim, bool causal, int padding)
    {
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: queries + keys, padding);
        AttentionOptions options = data.Options with { Keep = KeepRatio.Share(1), Causal = causal };
        using var kept = new KeptKeys(heads, queries, keys);
        data.Compute(options, kept: kept);
        Assert.InRange(data.Accuracy(options, kept).RelL2Error, 0, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void EqualsTheReference(int heads, int kvHeads, int queries, int keys, int dim, bool causal, int padding)
    {
        foreach (string keep in new[] { "0.2", "0.01", "mass:0.7" })
        {
            foreach (TailCompensation tail in Enum.GetValues<TailCompensation>())
            {
                foreach (int minKeys in new[] { 1, 24 })
                {
                    using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: queries + keys, padding);
                    Assert.True(KeepRatio.TryParse(keep, out KeepRatio ratio));
                    CompareWithReference(data, data.Options with { Causal = causal, Keep = ratio, Tail = tail, MinKeys = minKeys }, 0.002);
                }
            }
        }
    }

    [Fact]
    public void RowsThatSaturateMoreKeysThanTheyKeepAreOrderedByTheirProducts()
    {
        // Integer data whose quantisation is exact: half of the keys are far above what 8 bits of score can hold.
        const int Keys = 128;
        using var data = new AttentionCase(1, 1, 4, Keys, 16, seed: 1);
        Random random = new(5);
        for (int i = 0; i < Keys; i += 2)
        {
            for (int d = 0; d < 16; d++)
            {
                float x = d == 0 ? 127 : random.Next(90, 128);
                data.K[0, i, d] = x;
                data.K[0, i + 1, d] = -x;
            }
        }

        AttentionCase.Fill(data.Q, () => random.Next(100, 128));
        AttentionOptions options = data.Options with { Causal = false, Keep = KeepRatio.Share(0.1), MinKeys = 1, Scale = 1e-4f };
        ReferenceAttention.Result expected = CompareWithReference(data, options, 0);
        Assert.Equal(4, expected.RescoredRows);
        using var attention = new ShadowAttention(null, options);
        Assert.Equal(4, attention.Compute(data.Q, data.K, data.V, data.O).RescoredRows);
    }

    [Fact]
    public void EqualScoresKeepTheLargerIndices()
    {
        using var data = new AttentionCase(1, 1, 3, 100, 32, seed: 3);
        AttentionCase.Fill(data.K, () => 0.25f);
        AttentionOptions options = data.Options with { Causal = false, Keep = KeepRatio.Share(0.2), MinKeys = 1 };
        using var kept = new KeptKeys(1, 3, 100);
        data.Compute(options, kept: kept);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(i >= 80, ((kept.Row(0, 1)[i / 64] >> (i % 64)) & 1) == 1);
        }
    }

    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.ShadowCpu)]
    public void TheNumberOfThreadsDoesNotChangeTheResult(AttentionMode mode)
    {
        using var data = new AttentionCase(4, 2, 150, 300, 64, seed: 9);
        float[] one = data.Compute(data.Options with { Mode = mode, Threads = 1 });
        float[] four = data.Compute(data.Options with { Mode = mode, Threads = 4 });
        Assert.Equal(one, four);
    }

    [Fact]
    public void OperatorsTakeOneShapeAfterAnother()
    {
        using var small = new AttentionCase(2, 1, 20, 40, 64, seed: 4);
        using var large = new AttentionCase(2, 1, 90, 300, 64, seed: 4);
        using var attention = new ShadowAttention(null, small.Options);
        foreach (AttentionCase data in new[] { small, large, small })
        {
            attention.Compute(data.Q, data.K, data.V, data.O);
            float[] actual = data.Output();
            Assert.Equal(data.Compute(data.Options), actual);
        }
    }

    [Fact]
    public void NonFiniteValuesNeitherCrashNorLeaveTheirRows()
    {
        using var data = new AttentionCase(2, 1, 40, 200, 64, seed: 6);
        data.K[0, 3, 5] = float.NaN;
        data.Q[1, 7, 0] = float.PositiveInfinity;
        foreach (string keep in new[] { "0.2", "mass:0.9", "1" })
        {
            Assert.True(KeepRatio.TryParse(keep, out KeepRatio ratio));
            data.Compute(data.Options with { Keep = ratio });
        }

        data.Compute(data.Options with { Mode = AttentionMode.Dense });
    }

    [Theory]
    [InlineData(KvFormat.F16)]
    [InlineData(KvFormat.BF16)]
    [InlineData(KvFormat.Q16)]
    public unsafe void SixteenBitKeysAndValuesGiveWhatTheirNumbersGive(KvFormat format)
    {
        using var data = new AttentionCase(4, 2, 70, 200, 80, seed: 12, padding: 3);
        using KvTensor k = KvTensor.Convert(data.K, format);
        using KvTensor v = KvTensor.Convert(data.V, format);
        for (int head = 0; head < 2; head++)
        {
            for (int key = 0; key < 200; key++)
            {
                k.View.Rows(head).From(key).Widen(1, 80, data.K.RowPointer(head, key), 80);
                v.View.Rows(head).From(key).Widen(1, 80, data.V.RowPointer(head, key), 80);
            }
        }

        foreach (AttentionMode mode in new[] { AttentionMode.Dense, AttentionMode.ShadowCpu })
        {
            foreach (string keep in new[] { "0.2", "mass:0.7" })
            {
                Assert.True(KeepRatio.TryParse(keep, out KeepRatio ratio));
                AttentionOptions options = data.Options with { Mode = mode, Keep = ratio, MinKeys = 8 };
                using var keptWide = new KeptKeys(4, 70, 200);
                float[] expected = data.Compute(options, kept: keptWide);
                using var attention = new ShadowAttention(null, options);
                using var kept = new KeptKeys(4, 70, 200);
                attention.Compute(data.Q, k.View, v.View, data.O, kept);
                Assert.Equal(keptWide.Row(3, 69), kept.Row(3, 69));
                float[] actual = data.Output();
                double error = Math.Sqrt(expected.Zip(actual, (a, b) => (double)(a - b) * (a - b)).Sum() / expected.Sum(a => (double)a * a));
                Assert.InRange(error, 0, 2e-6);
            }
        }
    }

    [Fact]
    public unsafe void WrongTensorsAreNamed()
    {
        using var data = new AttentionCase(4, 2, 8, 16, 32, seed: 1);
        using var attention = new ShadowAttention(null, data.Options);
        TensorView<float> flat = new(data.Q.Pointer, 4 * 8 * 32);
        TensorView<float> fewKeys = data.K.Slice(1, 0, 4);
        Expect("q has rank 1", () => attention.Compute(flat, data.K, data.V, data.O));
        Expect("k is [4, 8, 32]; the options say [2, rows >= 1, 32]", () => attention.Compute(data.Q, data.Q, data.V, data.O));
        Expect("v has 4 keys, k has 16", () => attention.Compute(data.Q, data.K, data.V.Slice(1, 0, 4), data.O));
        Expect("q has 8 queries and k only 4 keys", () => attention.Compute(data.Q, fewKeys, data.V.Slice(1, 0, 4), data.O));
        Expect("o has 3 queries, q has 8", () => attention.Compute(data.Q, data.K, data.V, data.O.Slice(1, 0, 3)));
        using KvTensor half = KvTensor.Convert(data.K, KvFormat.F16);
        Expect("v has 4 keys, k has 16", () => attention.Compute(data.Q, half.View, data.V.Slice(1, 0, 4), data.O));
        TensorView<short> words = new((short*)data.K.Pointer, 2, 16, 32);
        Expect("scales must be [2, 32]", () => _ = new KvView(words, data.K.Index(0)));
        using var kept = new KeptKeys(4, 8, 15);
        Expect("kept is for [4, 8, 15], the call is [4, 8, 16]", () => attention.Compute(data.Q, data.K, data.V, data.O, kept));

        static void Expect(string message, Action action) =>
            Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongOptionsAreNamed()
    {
        AttentionOptions good = new() { Heads = 4, KvHeads = 2, HeadDim = 64, Mode = AttentionMode.Dense };
        Expect(good with { Heads = 5 }, "must be a multiple of KvHeads");
        Expect(good with { KvHeads = 0 }, "KvHeads");
        Expect(good with { HeadDim = 5000 }, "HeadDim");
        Expect(good with { MinKeys = 0 }, "MinKeys");
        Expect(good with { Threads = -1 }, "Threads");
        Expect(good with { Scale = float.NaN }, "Scale");
        Expect(good with { Keep = default }, "Keep");
        Expect(good with { Mode = AttentionMode.Shadow }, "mode Shadow needs a QNN backend");

        static void Expect(AttentionOptions options, string message) =>
            Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(() => new ShadowAttention(null, options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADisposedOperatorSaysSo()
    {
        using var data = new AttentionCase(1, 1, 2, 4, 8, seed: 1);
        var attention = new ShadowAttention(null, data.Options);
        attention.Dispose();
        attention.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attention.Compute(data.Q, data.K, data.V, data.O));
    }

    /// <summary>Kept sets may differ in a share of the rows: fp32 and double rarely round a quantised value to different sides.</summary>
    internal static ReferenceAttention.Result CompareWithReference(
        AttentionCase data, AttentionOptions options, double differingRows, ShadowAttn.Interop.QnnBackend? backend = null)
    {
        int heads = options.Heads;
        int queries = data.Q.Length(1);
        using var kept = new KeptKeys(heads, queries, data.K.Length(1));
        data.Compute(options, backend, kept);
        int[] visible = data.Visible(options.Causal);
        double error = 0;
        double norm = 0;
        int differing = 0;
        ReferenceAttention.Result? result = null;
        for (int head = 0; head < heads; head++)
        {
            int kvHead = head / (heads / options.KvHeads);
            float scale = options.Scale ?? (float)(1 / Math.Sqrt(options.HeadDim));
            result = ReferenceAttention.Run(
                data.Rows(data.Q, head), data.Rows(data.K, kvHead), data.Rows(data.V, kvHead), visible, scale, options.Keep, options.MinKeys, options.Tail,
                masks: new ReferenceAttention.Masks(
                    options.SlidingWindow ?? int.MaxValue, options.Sinks, options.LocalWindow, options.AlibiSlopes.IsEmpty ? 0 : options.AlibiSlopes.Span[head]));
            for (int r = 0; r < queries; r++)
            {
                int wrong = 0;
                for (int i = 0; i < visible[r]; i++)
                {
                    wrong += (((kept.Row(head, r)[i / 64] >> (i % 64)) & 1) == 1) != result.Kept[r][i] ? 1 : 0;
                }

                differing += wrong > 0 ? 1 : 0;
                for (int d = 0; d < options.HeadDim && wrong == 0; d++)
                {
                    double difference = data.O[head, r, d] - result.Output[r][d];
                    error += difference * difference;
                    norm += result.Output[r][d] * result.Output[r][d];
                }
            }
        }

        // By mass, a rounding of the sum moves the cut by a key; the tail's clamp is per key in the reference and per row in the operator.
        Assert.InRange(differing, 0, (int)Math.Ceiling((options.Keep.IsMass ? 0.15 : differingRows) * heads * queries));
        Assert.InRange(Math.Sqrt(error / norm), 0, options.Tail == TailCompensation.None ? 1e-4 : 5e-3);
        return result!;
    }
}
