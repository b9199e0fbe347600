using CsCheck;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention.Cache;

public sealed class KvCacheTests
{
    private const int Heads = 4;
    private const int KvHeads = 2;
    private const int Dim = 32;

    public static TheoryData<AttentionMode> Modes => [AttentionMode.ShadowCpu, AttentionMode.Shadow, AttentionMode.Dense];

    [Theory]
    [MemberData(nameof(Modes))]
    public void ChunksOfAnySizeAndSingleStepsGiveWhatOnePrefillGives(AttentionMode mode)
    {
        const int Keys = 420;
        using var data = new AttentionCase(Heads, KvHeads, Keys, Keys, Dim, seed: 5);
        using Host host = new(data.Options with { Mode = mode, MinKeys = 16 });
        float[] whole = Run(host, data, [Keys]);
        foreach (int[] chunks in new int[][] { [64, 64, 64, 228], [1, 255, 1, 1, 100, 62], [300, 119, 1], [255, 1, 164], [417, 1, 1, 1] })
        {
            float[] chunked = Run(host, data, chunks);
            Assert.InRange(RelativeError(whole, chunked), 0, 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void WithACalibrationChunksGiveTheSameFromTheFirstKeyOn(AttentionMode mode)
    {
        const int Keys = 150;
        using var data = new AttentionCase(Heads, KvHeads, Keys, Keys, Dim, seed: 6);
        using Host host = new(data.Options with { Mode = mode, MinKeys = 8 });
        KeyStatistics statistics = KeyStatistics.Measure(data.K);
        float[] whole = Run(host, data, [Keys], statistics);
        Assert.InRange(RelativeError(whole, Run(host, data, [10, 90, 1, 49], statistics)), 0, 1e-5);

        // Measured on the same keys, a cache is what a call without one is; only where it rounds to the other side do pilots differ.
        data.Compute(host.Attention.Options, host.Backend);
        Assert.InRange(RelativeError(whole, data.Output()), 0, 1e-2);
    }

    [Theory]
    [InlineData(KvFormat.F32, 1, TailCompensation.Linear)]
    [InlineData(KvFormat.F16, 1, TailCompensation.None)]
    [InlineData(KvFormat.F32, 0.2, TailCompensation.Linear)]
    [InlineData(KvFormat.F16, 0.2, TailCompensation.Linear)]
    [InlineData(KvFormat.BF16, 0.2, TailCompensation.Mean)]
    [InlineData(KvFormat.Q16, 1, TailCompensation.None)]
    [InlineData(KvFormat.Q16, 0.2, TailCompensation.Linear)]
    public void AnySequenceOfOperationsEqualsTheReference(KvFormat format, double keep, TailCompensation tail)
    {
        const int Capacity = 700;
        const int Rows = 40;
        using var source = new AttentionCase(Heads, KvHeads, Rows, Capacity, Dim, seed: 11);
        AttentionOptions options = source.Options with { Mode = AttentionMode.ShadowCpu, Keep = KeepRatio.Share(keep), MinKeys = 20, Tail = tail };

        // A key far out makes the scale grow, and going back behind it shrink.
        for (int d = 0; d < Dim; d++)
        {
            source.K[1, 470, d] *= 4;
        }

        Gen.Select(Gen.Int[0, 3], Gen.Int[1, 300]).Array[3, 9].Sample(
            steps =>
            {
                using var attention = new ShadowAttention(null, options);
                using KvCache cache = attention.CreateCache(Capacity, format);
                foreach ((int kind, int amount) in steps)
                {
                    switch (kind)
                    {
                        case 0:
                            cache.Truncate(cache.Count - Math.Min(cache.Count, amount));
                            break;
                        case 1 when cache.Count > 0:
                            CompareLastRows(attention, cache, source, Math.Min(cache.Count, 1 + (amount % Rows)));
                            break;
                        default:
                            int added = Math.Min(amount, Capacity - cache.Count);
                            if (added > 0)
                            {
                                cache.Append(source.K.Slice(1, cache.Count, added), source.V.Slice(1, cache.Count, added));
                            }

                            break;
                    }
                }

                if (cache.Count > 0)
                {
                    CompareLastRows(attention, cache, source, 1);
                }
            },
            iter: 6,
            seed: "0000KOIPe036",
            threads: 1);
    }

    [Fact]
    public void OnARealTraceChunksGiveTheSameAndTheErrorIsThatOfOneCall()
    {
        using TraceInput trace = TraceInput.Open(Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors"));
        var options = new AttentionOptions
        {
            Heads = trace.Heads, KvHeads = trace.KvHeads, HeadDim = trace.HeadDim, Scale = trace.Scale, Mode = AttentionMode.ShadowCpu, Crossover = false, Threads = 2,
        };
        using UnmanagedBuffer output = UnmanagedBuffer.Allocate((long)trace.Heads * trace.QueryCount * trace.HeadDim * sizeof(float));
        TensorView<float> o = output.View<float>(trace.Heads, trace.QueryCount, trace.HeadDim);
        float[] whole = Outputs([512]);
        Assert.InRange(RelativeError(whole, Outputs([100, 60, 96, 1, 7, 248])), 0, 1e-5);
        using var all = new ShadowAttention(null, options with { Mode = AttentionMode.Dense });
        all.Compute(trace.Q, trace.K, trace.V, o);

        // Rows that see fewer than 256 keys are exact; the others have the error of a call without a cache, 0.0135 over all rows.
        Assert.InRange(RelativeError(output.AsSpan<float>(), whole), 1e-4, 0.0135);

        float[] Outputs(int[] chunks)
        {
            using var attention = new ShadowAttention(null, options);
            using KvCache cache = attention.CreateCache(512);
            foreach (int chunk in chunks)
            {
                int first = cache.Count;
                cache.Append(trace.K.Slice(1, first, chunk), trace.V.Slice(1, first, chunk));
                attention.Compute(trace.Q.Slice(1, first, chunk), cache, o.Slice(1, first, chunk));
            }

            return output.AsSpan<float>().ToArray();
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void AfterTruncationACacheIsWhatAFreshOneIs(AttentionMode mode)
    {
        using var data = new AttentionCase(Heads, KvHeads, 30, 500, Dim, seed: 8);
        using Host host = new(data.Options with { Mode = mode, MinKeys = 8 });
        using KvCache cache = host.Attention.CreateCache(500);
        cache.Append(data.K, data.V);
        host.Attention.Compute(data.Q, cache, data.O);
        float[] expected = data.Output();
        using var other = new AttentionCase(Heads, KvHeads, 1, 450, Dim, seed: 9);
        foreach (int keep in new[] { 0, 100, 290, 499 })
        {
            cache.Truncate(keep);
            cache.Append(other.K.Slice(1, 0, 500 - Math.Max(keep, 50)), other.V.Slice(1, 0, 500 - Math.Max(keep, 50)));
            host.Attention.Compute(data.Q, cache, data.O);
            cache.Truncate(keep);
            cache.Append(data.K.Slice(1, keep, 500 - keep), data.V.Slice(1, keep, 500 - keep));
            host.Attention.Compute(data.Q, cache, data.O);
            Assert.InRange(RelativeError(expected, data.Output()), 0, 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void SequencesDoNotDisturbEachOther(AttentionMode mode)
    {
        using var a = new AttentionCase(Heads, KvHeads, 1, 300, Dim, seed: 1);
        using var b = new AttentionCase(Heads, KvHeads, 1, 300, Dim, seed: 2);
        using Host host = new(a.Options with { Mode = mode });
        using KvCache first = host.Attention.CreateCache(300);
        float[] alone = Append(first, a);
        first.Truncate(0);
        using (KvCache second = host.Attention.CreateCache(300))
        {
            first.Append(a.K.Slice(1, 0, 280), a.V.Slice(1, 0, 280));
            Append(second, b);
            first.Append(a.K.Slice(1, 280, 20), a.V.Slice(1, 280, 20));
            host.Attention.Compute(b.Q, second, b.O);
        }

        host.Attention.Compute(a.Q, first, a.O);
        Assert.Equal(alone, a.Output());

        float[] Append(KvCache cache, AttentionCase data)
        {
            cache.Append(data.K, data.V);
            host.Attention.Compute(data.Q, cache, data.O);
            return data.Output();
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void InQ16ChunksDifferByRoundingOnly(AttentionMode mode)
    {
        const int Keys = 420;
        using var data = new AttentionCase(Heads, KvHeads, Keys, Keys, Dim, seed: 15);

        // Later keys are larger: every chunk makes scales grow.
        for (int key = 0; key < Keys; key++)
        {
            for (int d = 0; d < Dim; d++)
            {
                data.K[0, key, d] *= 1 + (key / 200f);
                data.V[1, key, d] *= 1 + (key / 100f);
            }
        }

        using Host host = new(data.Options with { Mode = mode, MinKeys = 16 });
        KeyStatistics statistics = KeyStatistics.Measure(data.K);
        float[] exact = Run(host, data, [Keys], statistics);
        float[] whole = Run(host, data, [Keys], statistics, KvFormat.Q16);
        foreach (int[] chunks in new int[][] { [64, 64, 64, 228], [1, 255, 1, 1, 100, 62], [300, 119, 1] })
        {
            Assert.InRange(RelativeError(whole, Run(host, data, chunks, statistics, KvFormat.Q16)), 0, mode == AttentionMode.Dense ? 2e-4 : 1e-2);
        }

        Assert.InRange(RelativeError(exact, whole), 0, mode == AttentionMode.Dense ? 2e-4 : 1e-2);
    }

    [Fact]
    public void Q16ScalesSpanWhatHasBeenThereAndNumbersAreWithinAStep()
    {
        using var data = new AttentionCase(Heads, KvHeads, 1, 300, Dim, seed: 16);
        for (int key = 0; key < 300; key++)
        {
            data.K[0, key, 0] = 0;
            data.K[0, key, 1] = key == 150 ? -3000 : key == 299 ? 1e-3f : 1;
            data.V[1, key, 2] *= MathF.Pow(1.05f, key);
        }

        using var attention = new ShadowAttention(null, data.Options with { Mode = AttentionMode.ShadowCpu });
        using KvCache cache = attention.CreateCache(300, KvFormat.Q16);
        for (int first = 0; first < 300; first += 20)
        {
            cache.Append(data.K.Slice(1, first, 20), data.V.Slice(1, first, 20));
        }

        foreach ((KvView stored, TensorView<float> given) in new[] { (cache.Keys, data.K), (cache.Values, data.V) })
        {
            Assert.Equal(KvFormat.Q16, stored.Format);
            for (int head = 0; head < KvHeads; head++)
            {
                for (int d = 0; d < Dim; d++)
                {
                    float most = Enumerable.Range(0, 300).Max(key => MathF.Abs(given[head, key, d]));
                    unsafe
                    {
                        float step = stored.Rows(head).Scales[d];
                        Assert.Equal(step, MathF.ScaleB(1, MathF.ILogB(step)));
                        Assert.True(most <= 32767 * step, "the scale spans the largest number");
                        Assert.True(most == 0 || most > 32767 * step / 2, "and no power of two less does");
                        for (int key = 0; key < 300; key++)
                        {
                            Assert.InRange(MathF.Abs(stored.Rows(head).At(key, d) - given[head, key, d]), 0, step);
                        }
                    }
                }
            }
        }

        cache.Truncate(0);
        cache.Append(data.K.Slice(1, 0, 100), data.V.Slice(1, 0, 100));
        unsafe
        {
            Assert.Equal(MathF.ScaleB(1, -14), cache.Keys.Rows(0).Scales[1]);
        }
    }

    [Fact]
    public void DensePanelsHoldHalfPrecisionToo()
    {
        using var data = new AttentionCase(Heads, KvHeads, 3, 200, Dim, seed: 3);
        using var attention = new ShadowAttention(null, data.Options with { Mode = AttentionMode.Dense });
        using KvCache cache = attention.CreateCache(256, KvFormat.F16);
        cache.Append(data.K, data.V);
        attention.Compute(data.Q, cache, data.O);
        using var kept = new KeptKeys(Heads, 3, 200);
        attention.Compute(data.Q, cache, data.O, kept);
        Assert.InRange(ExactAttention.Compare(attention.Options, data.Q, cache.Keys, cache.Values, data.O, kept).RelL2Error, 0, 1e-6);
    }

    [Fact]
    public void MisuseIsNamed()
    {
        using var data = new AttentionCase(Heads, KvHeads, 4, 10, Dim, seed: 1);
        using var attention = new ShadowAttention(null, data.Options);
        using var another = new ShadowAttention(null, data.Options);
        using KvCache cache = attention.CreateCache(12);
        Expect<ArgumentException>("the cache is empty", () => attention.Compute(data.Q, cache, data.O));
        cache.Append(data.K, data.V);
        Expect<ArgumentException>("10 keys do not fit: the cache has 10 of 12", () => cache.Append(data.K, data.V));
        Expect<ArgumentException>("v has 9 keys, k has 1", () => cache.Append(data.K.Slice(1, 0, 1), data.V.Slice(1, 0, 9)));
        Expect<ArgumentException>("another operator", () => another.Compute(data.Q, cache, data.O));
        Expect<ArgumentException>("9: is no format", () => attention.CreateCache(1, (KvFormat)9));
        Expect<ArgumentException>("statistics are of [1, 32]", () => attention.CreateCache(1, statistics: KeyStatistics.Measure(data.K.Slice(0, 0, 1))));
        Expect<ArgumentException>("capacity", () => attention.CreateCache(0));
        Expect<ArgumentException>("count", () => cache.Truncate(11));
        Expect<ArgumentException>("every number must be finite", () => new KeyStatistics([float.NaN], [1], [1]));
        Expect<ArgumentException>("mean has 3 numbers", () => new KeyStatistics([1, 2, 3], [1], [1]));
        cache.Dispose();
        Expect<ObjectDisposedException>("KvCache", () => cache.Append(data.K, data.V));
        Expect<ObjectDisposedException>("KvCache", () => attention.Compute(data.Q, cache, data.O));

        static void Expect<T>(string message, Action action)
            where T : Exception => Assert.Contains(message, Assert.ThrowsAny<T>(action).Message, StringComparison.Ordinal);
    }

    internal static double RelativeError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double error = 0;
        double norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            error += Math.Pow((double)expected[i] - actual[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        return Math.Sqrt(error / norm);
    }

    /// <summary>Appends and attends chunk by chunk; all queries' outputs.</summary>
    private static float[] Run(Host host, AttentionCase data, int[] chunks, KeyStatistics? statistics = null, KvFormat format = KvFormat.F32)
    {
        AttentionCase.Fill(data.O, () => float.NaN);
        using KvCache cache = host.Attention.CreateCache(data.K.Length(1), format, statistics);
        foreach (int chunk in chunks)
        {
            int first = cache.Count;
            cache.Append(data.K.Slice(1, first, chunk), data.V.Slice(1, first, chunk));
            host.Attention.Compute(data.Q.Slice(1, first, chunk), cache, data.O.Slice(1, first, chunk));
        }

        return data.Output();
    }

    private static void CompareLastRows(ShadowAttention attention, KvCache cache, AttentionCase source, int queries)
    {
        AttentionOptions options = attention.Options;
        using var kept = new KeptKeys(Heads, queries, cache.Count);
        attention.Compute(source.Q.Slice(1, 0, queries), cache, source.O.Slice(1, 0, queries), kept);
        int[] visible = [.. Enumerable.Range(0, queries).Select(r => cache.Count - queries + r + 1)];
        double error = 0;
        double norm = 0;
        int differing = 0;
        for (int head = 0; head < Heads; head++)
        {
            double[][] k = Rows(cache.Keys, head / (Heads / KvHeads));
            double[][] v = Rows(cache.Values, head / (Heads / KvHeads));
            ReferenceAttention.Result expected = ReferenceAttention.Run(
                source.Rows(source.Q, head)[..queries], k, v, visible, (float)(1 / Math.Sqrt(Dim)), options.Keep, options.MinKeys, options.Tail,
                ReferenceAttention.QuantiseCached(k));
            for (int r = 0; r < queries; r++)
            {
                bool same = true;
                for (int i = 0; i < visible[r]; i++)
                {
                    same &= (((kept.Row(head, r)[i / 64] >> (i % 64)) & 1) == 1) == expected.Kept[r][i];
                }

                differing += same ? 0 : 1;
                for (int d = 0; d < Dim && same; d++)
                {
                    error += Math.Pow(source.O[head, r, d] - expected.Output[r][d], 2);
                    norm += Math.Pow(expected.Output[r][d], 2);
                }
            }
        }

        // Where fp32 rounds a quantised value to the other side than double, a row may keep another key.
        Assert.InRange(differing, 0, Math.Max(1, Heads * queries / 50));
        double tolerance = options.Keep.Value == 1 ? 1e-6 : options.Tail == TailCompensation.None ? 1e-4 : 5e-3;
        Assert.InRange(norm == 0 ? 0 : Math.Sqrt(error / norm), 0, tolerance);
    }

    private static double[][] Rows(KvView view, int head) =>
        [.. Enumerable.Range(0, view.Keys).Select(r => Enumerable.Range(0, view.Dim).Select(d => (double)view.Rows(head).At(r, d)).ToArray())];

    /// <summary>An operator with a backend where its mode needs one.</summary>
    private sealed class Host : IDisposable
    {
        private readonly SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        private readonly QnnLibrary library;

        public Host(AttentionOptions options)
        {
            library = soft.CreateLibrary();
            Backend = QnnBackend.Open(library);
            Attention = new ShadowAttention(Backend, options);
        }

        public QnnBackend Backend { get; }

        public ShadowAttention Attention { get; }

        public void Dispose()
        {
            Attention.Dispose();
            Backend.Dispose();
            library.Dispose();
            soft.Dispose();
        }
    }
}
