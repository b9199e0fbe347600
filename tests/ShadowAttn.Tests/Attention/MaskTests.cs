using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>Sliding window, ALiBi, sinks and local window, against the definition and against exact attention in double precision.</summary>
public sealed class MaskTests
{
    private const int Heads = 4;

    public static TheoryData<int?, bool, int, int> Masks => new()
    {
        { 1, false, 0, 0 },
        { 64, false, 0, 0 },
        { 100, false, 4, 8 },
        { 5000, false, 0, 300 },
        { null, true, 0, 0 },
        { 90, true, 3, 5 },
        { null, false, 2, 10 },
    };

    [Theory]
    [MemberData(nameof(Masks))]
    public void EqualsTheReference(int? window, bool alibi, int sinks, int local)
    {
        foreach (string keep in new[] { "0.2", "0.02", "mass:0.8" })
        {
            foreach (TailCompensation tail in Enum.GetValues<TailCompensation>())
            {
                using var data = new AttentionCase(Heads, 2, 70, 230, 32, seed: sinks + 3);
                Assert.True(KeepRatio.TryParse(keep, out KeepRatio ratio));
                ShadowAttentionTests.CompareWithReference(
                    data, Options(data, window, alibi, sinks, local) with { Keep = ratio, Tail = tail, MinKeys = 8 }, 0.01);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Masks))]
    public void DenseAndKeepingAllEqualDoublePrecision(int? window, bool alibi, int sinks, int local)
    {
        using var data = new AttentionCase(Heads, 2, 70, 230, 32, seed: 4);
        using var kept = new KeptKeys(Heads, 70, 230);
        foreach (AttentionOptions mode in new[]
        {
            data.Options with { Mode = AttentionMode.Dense }, data.Options with { Keep = KeepRatio.Share(1) },
        })
        {
            AttentionOptions options = Options(data, window, alibi, sinks, local) with { Mode = mode.Mode, Keep = mode.Keep };
            data.Compute(options, kept: kept);
            AttentionAccuracy accuracy = data.Accuracy(options, kept);
            Assert.InRange(accuracy.RelL2Error, 0, 2e-6);
            Assert.Equal(1, accuracy.CapturedMass, 12);
            Assert.Equal(1, accuracy.Recall);
        }
    }

    [Theory]
    [MemberData(nameof(Masks))]
    public void TheBackendsPilotAndCachesGiveTheSame(int? window, bool alibi, int sinks, int local)
    {
        using var data = new AttentionCase(Heads, 2, 70, 230, 32, seed: 5);
        AttentionOptions options = Options(data, window, alibi, sinks, local) with { MinKeys = 8 };
        float[] expected = data.Compute(options);
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        Assert.Equal(expected, data.Compute(options with { Mode = AttentionMode.Shadow }, backend));

        KeyStatistics statistics = KeyStatistics.Measure(data.K);
        float[] whole = Cached([230]);
        Assert.InRange(Cache.KvCacheTests.RelativeError(whole, Cached([200, 29, 1])), 0, 1e-5);

        float[] Cached(int[] chunks)
        {
            using var attention = new ShadowAttention(null, options);
            using KvCache cache = attention.CreateCache(230, KvFormat.F16, statistics);
            foreach (int chunk in chunks)
            {
                int first = cache.Count;
                cache.Append(data.K.Slice(1, first, chunk), data.V.Slice(1, first, chunk));
                int queries = Math.Min(cache.Count - 160, chunk);
                int query = cache.Count - 160 - queries;
                attention.Compute(data.Q.Slice(1, query, queries), cache, data.O.Slice(1, query, queries));
            }

            return data.Output();
        }
    }

    [Fact]
    public void StandardSlopesAreThoseOfThePaper()
    {
        Assert.Equal([0.5f, 0.25f, 0.125f, 1 / 16f, 1 / 32f, 1 / 64f, 1 / 128f, 1 / 256f], AlibiSlopes.Standard(8));
        Assert.Equal([0.25f, 1 / 16f, 1 / 64f, 1 / 256f, 0.5f, 0.125f], AlibiSlopes.Standard(6));
    }

    [Fact]
    public void WrongMasksAreNamed()
    {
        AttentionOptions good = new() { Heads = 4, KvHeads = 2, HeadDim = 64, Mode = AttentionMode.Dense };
        Expect(good with { SlidingWindow = 0 }, "SlidingWindow (0) must be at least 1");
        Expect(good with { AlibiSlopes = new float[3] }, "AlibiSlopes has 3 slopes; there are 4 query heads");
        Expect(good with { AlibiSlopes = new[] { 1, 1, 1, -1f } }, "AlibiSlopes has -1");
        Expect(good with { Sinks = -1 }, "Sinks");
        Expect(good with { LocalWindow = -1 }, "LocalWindow");
        Expect(good with { SlidingWindow = 9, Causal = false }, "need Causal");
        Expect(good with { SlidingWindow = 9, Mode = AttentionMode.NpuInt8 }, "mode NpuInt8 has no SlidingWindow");

        static void Expect(AttentionOptions options, string message) =>
            Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    private static AttentionOptions Options(AttentionCase data, int? window, bool alibi, int sinks, int local) => data.Options with
    {
        SlidingWindow = window,
        AlibiSlopes = alibi ? AlibiSlopes.Standard(Heads) : default(ReadOnlyMemory<float>),
        Sinks = sinks,
        LocalWindow = local,
    };
}
