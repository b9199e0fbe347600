using CsCheck;
using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Attention.Crossover;

public class CrossoverTests
{
    private static readonly Gen<CrossoverCosts> s_costs =
        from row in Gen.Double[0, 200]
        from score in Gen.Double[0.05, 0.6]
        from kept in Gen.Double[0.8, 2]
        select new CrossoverCosts(64, row, score, kept, 30, 100);

    [Fact]
    public void TheLimitIsWhereBothCostTheSame() => Gen.Select(s_costs, Gen.Double[0.01, 1], Gen.Int[1, 300], Gen.Enum<TailCompensation>()).Sample(
        (costs, keep, floor, tail) =>
        {
            double row = costs.Row + (tail == TailCompensation.Mean ? costs.MeanTail : tail == TailCompensation.Linear ? costs.LinearTail : 0);
            var options = new AttentionOptions { Heads = 1, KvHeads = 1, HeadDim = 64, Keep = KeepRatio.Share(keep), MinKeys = floor, Tail = tail };
            int limit = Assert.Single(CrossoverRule.Limits(options, costs));
            foreach (double visible in new[] { 1.0, 2, limit * 0.5, limit - 1.0, limit, limit + 1.0, limit * 2.0, 1e6 }.Where(v => v <= int.MaxValue))
            {
                double kept = Math.Min(visible, Math.Max(keep * visible, floor));
                bool sparseIsFaster = visible > floor && row + (costs.Score * visible) + (costs.Kept * kept) < visible;

                // The limit is a whole number: right next to it either will do.
                if (visible >= 1 && Math.Abs(visible - limit) > 1)
                {
                    Assert.Equal(sparseIsFaster, visible > limit);
                }
            }
        },
        seed: "0000KOIPe036",
        iter: 2000,
        threads: 1);

    [Fact]
    public void EveryInstructionSetHasCostsForHeadsOfAnyWidth()
    {
        foreach (InstructionSet set in Enum.GetValues<InstructionSet>())
        {
            ReadOnlySpan<CrossoverCosts> measured = CrossoverCosts.Of(set);
            Assert.Equal(measured[0], CrossoverCosts.At(measured, 8) with { Dim = measured[0].Dim });
            Assert.Equal(measured[^1], CrossoverCosts.At(measured, 512) with { Dim = measured[^1].Dim });
            CrossoverCosts middle = CrossoverCosts.At(measured, 96);
            Assert.Equal((measured[0].Kept + measured[^1].Kept) / 2, middle.Kept, 9);
            Assert.InRange(middle.Score, 0.05, 0.6);
        }
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 3)]
    public void RowsUpToTheLimitAreExactAndTheOthersAsEver(bool causal, int padding)
    {
        using var data = new AttentionCase(heads: 4, kvHeads: 2, queries: 300, keys: 420, dim: 32, seed: 5, padding);
        AttentionOptions off = data.Options with { Causal = causal, Tail = TailCompensation.Mean, MinKeys = 8, Keep = KeepRatio.Share(0.1) };
        off = off with { KeepPerHead = new double[] { 0.02, 0.1, 0.3, 1 } };
        AttentionOptions on = off with { Crossover = true };
        int[] limits = [.. Enumerable.Range(0, 4).Select(CrossoverRule.Of(on)!.Limit)];
        Assert.True(limits[0] < 420 && limits[3] > 420, $"the heads' limits are {limits[0]} to {limits[3]}: both sides of the keys are needed");
        float[] exact = data.Compute(off with { Mode = AttentionMode.Dense });
        float[] sparse = data.Compute(off);
        using var kept = new KeptKeys(4, 300, 420);
        using var attention = new ShadowAttention(null, on);
        AttentionReport report = attention.Compute(data.Q, data.K, data.V, data.O, kept);
        float[] switched = data.Output();
        int[] visible = data.Visible(causal);
        long marked = 0;
        for (int head = 0; head < 4; head++)
        {
            for (int row = 0; row < 300; row++)
            {
                int at = ((head * 300) + row) * 32;
                bool dense = visible[row] <= limits[head];
                ReadOnlySpan<float> expected = (dense ? exact : sparse).AsSpan(at, 32);
                for (int d = 0; d < 32; d++)
                {
                    Assert.Equal(expected[d], switched[at + d], dense ? 1e-5f : 1e-6f);
                }

                int count = 0;
                foreach (ulong word in kept.Row(head, row))
                {
                    count += System.Numerics.BitOperations.PopCount(word);
                }

                marked += count;
                if (dense)
                {
                    Assert.Equal(visible[row], count);
                }
            }
        }

        Assert.Equal(marked, report.KeptKeys);
    }

    [Fact]
    public void ChunksOfACacheDecideAsOneCallDoes()
    {
        using var data = new AttentionCase(heads: 4, kvHeads: 2, queries: 400, keys: 400, dim: 32, seed: 6);
        AttentionOptions on = data.Options with { Crossover = true, MinKeys = 4, Keep = KeepRatio.Share(0.05), Tail = TailCompensation.None };
        Assert.InRange(CrossoverRule.Of(on)!.Limit(0), 1, 390);
        KeyStatistics statistics = KeyStatistics.Measure(data.K);
        float[] whole = Outputs([400]);
        float[] chunks = Outputs([1, 40, 1, 1, 200, 7, 150]);
        Assert.All(whole, (value, i) => Assert.Equal(value, chunks[i], 1e-5f));

        float[] Outputs(int[] sizes)
        {
            using var attention = new ShadowAttention(null, on);
            using KvCache cache = attention.CreateCache(400, statistics: statistics);
            foreach (int size in sizes)
            {
                int first = cache.Count;
                cache.Append(data.K.Slice(1, first, size), data.V.Slice(1, first, size));
                attention.Compute(data.Q.Slice(1, first, size), cache, data.O.Slice(1, first, size));
            }

            return data.Output();
        }
    }

    [Theory]
    [InlineData(KvFormat.F32, 1e-5f)]
    [InlineData(KvFormat.F16, 2e-3f)]
    [InlineData(KvFormat.BF16, 2e-2f)]
    [InlineData(KvFormat.Q16, 1e-3f)]
    public void DecodeOfFewKeysIsExactWhateverTheCacheHasForgotten(KvFormat format, float tolerance)
    {
        using var data = new AttentionCase(heads: 6, kvHeads: 2, queries: 150, keys: 150, dim: 24, seed: 9);
        AttentionOptions on = data.Options with { Crossover = true, MinKeys = 4, Keep = KeepRatio.Share(0.05), Tail = TailCompensation.None, Threads = 2 };
        float[] exact = data.Compute(on with { Mode = AttentionMode.Dense });
        using var attention = new ShadowAttention(null, on);
        using KvCache cache = attention.CreateCache(150, format);
        Decode(61);
        Append(120, 20);
        cache.Truncate(61);
        Append(0, 64);
        cache.Truncate(50);
        Decode(150);
        float[] decoded = data.Output();
        for (int i = 0; i < exact.Length; i++)
        {
            Assert.Equal(exact[i], decoded[i], tolerance * MathF.Max(1, MathF.Abs(exact[i])));
        }

        void Append(int first, int count) => cache.Append(data.K.Slice(1, first, count), data.V.Slice(1, first, count));

        void Decode(int until)
        {
            while (cache.Count < until)
            {
                int query = cache.Count;
                Append(query, 1);
                using var kept = new KeptKeys(6, 1, query + 1);
                AttentionReport report = attention.Compute(data.Q.Slice(1, query, 1), cache, data.O.Slice(1, query, 1), kept);
                Assert.Equal(6 * (query + 1), report.KeptKeys);
                for (int head = 0; head < 6; head++)
                {
                    int count = 0;
                    foreach (ulong word in kept.Row(head, 0))
                    {
                        count += System.Numerics.BitOperations.PopCount(word);
                    }

                    Assert.Equal(query + 1, count);
                }
            }
        }
    }

    [Fact]
    public void ACallThatIsAllDenseIsCompleteAndAllocatesNothing()
    {
        using var data = new AttentionCase(heads: 4, kvHeads: 2, queries: 20, keys: 20, dim: 64, seed: 7);
        using var attention = new ShadowAttention(null, data.Options with { Crossover = true, Keep = KeepRatio.Share(1) });
        int completed = 0;
        attention.HeadCompleted = _ => Interlocked.Increment(ref completed);
        attention.Compute(data.Q, data.K, data.V, data.O);
        Assert.Equal(4, completed);
        attention.HeadCompleted = null;
        long least = long.MaxValue;
        for (int call = 0; call < 4; call++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            AttentionReport report = attention.Compute(data.Q, data.K, data.V, data.O);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(report.VisibleKeys, report.KeptKeys);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void WhatDenseRowsCannotDoIsNotSwitched()
    {
        var options = new AttentionOptions { Heads = 2, KvHeads = 1, HeadDim = 64, Mode = AttentionMode.ShadowCpu };
        Assert.NotNull(CrossoverRule.Of(options));
        Assert.Null(CrossoverRule.Of(options with { Crossover = false }));
        Assert.Null(CrossoverRule.Of(options with { SlidingWindow = 100 }));
        Assert.Null(CrossoverRule.Of(options with { AlibiSlopes = AlibiSlopes.Standard(2) }));
        Assert.Null(CrossoverRule.Of(options with { ExactTopK = ExactTopK.Sure }));
        Assert.Null(CrossoverRule.Of(options with { Mode = AttentionMode.SparseCpu }));
    }
}
