using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>The baselines with an estimate in fp32: what they keep is what their definition says, and what they compute is exact over that.</summary>
public sealed class FloatEstimateTests
{
    public static TheoryData<int, int, int, int, int, bool, int?> Shapes => new()
    {
        { 1, 1, 1, 1, 8, true, null },
        { 4, 2, 100, 300, 32, true, null },
        { 3, 1, 33, 130, 80, false, null },
        { 2, 1, 70, 230, 20, true, 90 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void SparseCpuKeepsTheExactTop(int heads, int kvHeads, int queries, int keys, int dim, bool causal, int? window)
    {
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: keys);
        AttentionOptions options = Options(data, AttentionMode.SparseCpu, causal, window);
        using var kept = new KeptKeys(heads, queries, keys);
        data.Compute(options, kept: kept);
        Assert.InRange(data.Accuracy(options, kept).Recall, 0.99999, 1);
        Check(data, options, kept, (head, query, mask) =>
        {
            (int first, int end) = Seen(options, data, query);
            int count = options.Keep.Count(end - first, options.MinKeys);
            Assert.Equal(count, mask.Count(m => m));
            Assert.All(mask[..first], Assert.False);
        });
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void BlockSparseKeepsWholeBlocksByTheirMeanKey(int heads, int kvHeads, int queries, int keys, int dim, bool causal, int? window)
    {
        using var data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: keys);
        AttentionOptions options = Options(data, AttentionMode.BlockSparse, causal, window);
        using var kept = new KeptKeys(heads, queries, keys);
        data.Compute(options, kept: kept);
        Check(data, options, kept, (head, query, mask) =>
        {
            (int first, int end) = Seen(options, data, query);
            int wanted = options.Keep.Count(end - first, options.MinKeys);
            double[] q = data.Rows(data.Q, head)[query];
            double[][] k = data.Rows(data.K, head / (heads / kvHeads));
            bool[] expected = new bool[end];
            int count = 0;
            foreach (int block in Enumerable.Range(first / 64, ((end + 63) / 64) - (first / 64)).OrderByDescending(b => b == (end - 1) / 64 ? double.MaxValue : Score(b)))
            {
                for (int i = Math.Max(first, block * 64); count < wanted && i < Math.Min(end, (block + 1) * 64); i++)
                {
                    expected[i] = true;
                }

                count = expected.Count(e => e);
            }

            // The last block is taken whole.
            for (int i = 0; i < end; i++)
            {
                expected[i] |= i >= first && expected[Math.Clamp(i / 64 * 64, first, end - 1)];
            }

            Assert.Equal(expected, mask);

            double Score(int block) => Enumerable.Range(block * 64, Math.Min(64, keys - (block * 64))).Average(i => q.Select((x, d) => x * k[i][d]).Sum());
        });
    }

    [Fact]
    public void EveryModeRunsWithEveryTailAndHalfPrecision()
    {
        using var data = new AttentionCase(4, 2, 90, 200, 32, seed: 4);
        foreach (AttentionMode mode in new[] { AttentionMode.SparseCpu, AttentionMode.BlockSparse })
        {
            using KvTensor k = KvTensor.Convert(data.K, KvFormat.F16);
            using KvTensor v = KvTensor.Convert(data.V, KvFormat.F16);
            foreach (TailCompensation tail in Enum.GetValues<TailCompensation>())
            {
                using var attention = new ShadowAttention(null, data.Options with { Mode = mode, Tail = tail, MinKeys = 16 });
                attention.Compute(data.Q, k.View, v.View, data.O);
                float[] half = data.Output();
                attention.Compute(data.Q, data.K, data.V, data.O);
                Assert.InRange(Cache.KvCacheTests.RelativeError(data.Output(), half), 0, 0.05);
            }
        }
    }

    private static AttentionOptions Options(AttentionCase data, AttentionMode mode, bool causal, int? window) => data.Options with
    {
        Mode = mode, Causal = causal, SlidingWindow = window, MinKeys = 5, Tail = TailCompensation.None,
    };

    private static (int First, int End) Seen(AttentionOptions options, AttentionCase data, int query)
    {
        int end = data.Visible(options.Causal)[query];
        return (Math.Max(0, end - (options.SlidingWindow ?? end)), end);
    }

    /// <summary>Hands every row's mask over, and compares the output with double precision over it.</summary>
    private static void Check(AttentionCase data, AttentionOptions options, KeptKeys kept, Action<int, int, bool[]> check)
    {
        for (int head = 0; head < options.Heads; head++)
        {
            double[][] k = data.Rows(data.K, head / (options.Heads / options.KvHeads));
            double[][] v = data.Rows(data.V, head / (options.Heads / options.KvHeads));
            double[][] q = data.Rows(data.Q, head);
            for (int query = 0; query < q.Length; query++)
            {
                int end = data.Visible(options.Causal)[query];
                bool[] mask = [.. Enumerable.Range(0, end).Select(i => ((kept.Row(head, query)[i / 64] >> (i % 64)) & 1) == 1)];
                check(head, query, mask);
                double[] logits = [.. Enumerable.Range(0, end).Select(i => q[query].Select((x, d) => x * k[i][d]).Sum() / Math.Sqrt(options.HeadDim))];
                double top = logits.Where((_, i) => mask[i]).Max();
                double[] weights = [.. logits.Select((l, i) => mask[i] ? Math.Exp(l - top) : 0)];
                for (int d = 0; d < options.HeadDim; d++)
                {
                    double expected = weights.Select((w, i) => w * v[i][d]).Sum() / weights.Sum();
                    Assert.InRange(Math.Abs(expected - data.O[head, query, d]), 0, 1e-4);
                }
            }
        }
    }
}
