using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>What a host has in its hands: cancellation, a callback per head, its own threads, plans made ahead.</summary>
[Collection(ProcessStateCollection.Name)]
public sealed class HostControlTests
{
    public static TheoryData<AttentionMode> Modes =>
        [AttentionMode.Dense, AttentionMode.ShadowCpu, AttentionMode.Shadow, AttentionMode.SparseCpu, AttentionMode.BlockSparse, AttentionMode.NpuInt8];

    [Theory]
    [MemberData(nameof(Modes))]
    public void ACancelledCallThrowsAndTheNextOneIsRight(AttentionMode mode)
    {
        using Host host = new();
        using var data = new AttentionCase(4, 2, 100, 200, 32, seed: 1);
        using var attention = new ShadowAttention(host.Backend, data.Options with { Mode = mode, MinKeys = 16, Threads = 1 });
        attention.Compute(data.Q, data.K, data.V, data.O);
        float[] expected = data.Output();
        using var source = new CancellationTokenSource();
        List<int> completed = [];
        attention.HeadCompleted = head =>
        {
            completed.Add(head);
            source.Cancel();
        };
        Assert.Throws<OperationCanceledException>(() => attention.Compute(data.Q, data.K, data.V, data.O, cancellationToken: source.Token));
        Assert.InRange(completed.Count, 1, 3);
        Assert.Throws<OperationCanceledException>(() => attention.Compute(data.Q, data.K, data.V, data.O, cancellationToken: source.Token));
        attention.HeadCompleted = null;
        attention.Compute(data.Q, data.K, data.V, data.O);
        Assert.Equal(expected, data.Output());
    }

    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.ShadowCpu)]
    public void ALongCallIsCancelledWithinAHead(AttentionMode mode)
    {
        Assert.SkipWhen(Emulation.IsEmulated, "a call that is long enough takes too long under emulation");
        using var data = new AttentionCase(1, 1, 6000, 6000, 32, seed: 1);
        using var attention = new ShadowAttention(null, data.Options with { Mode = mode, Threads = 1 });
        attention.Prepare(6000, 6000);
        for (int attempt = 0; attempt < 20; attempt++)
        {
            AttentionCase.Fill(data.O, () => float.NaN);
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(2));
            try
            {
                attention.Compute(data.Q, data.K, data.V, data.O, cancellationToken: source.Token);
            }
            catch (OperationCanceledException)
            {
                // Long rows come first: the first row is among the last.
                if (float.IsNaN(data.O[0, 0, 0]) && !float.IsNaN(data.O[0, 5999, 0]))
                {
                    return;
                }
            }
        }

        Assert.Fail("no call ended between its first and its last tile");
    }

    [Theory]
    [InlineData(AttentionMode.ShadowCpu)]
    [InlineData(AttentionMode.Shadow)]
    public void ACacheIsAsGoodAsBeforeAfterACancelledCall(AttentionMode mode)
    {
        using Host host = new();
        using var data = new AttentionCase(4, 2, 300, 400, 32, seed: 2);
        using var attention = new ShadowAttention(host.Backend, data.Options with { Mode = mode, MinKeys = 16, Threads = 1 });
        using KvCache cache = attention.CreateCache(400);
        cache.Append(data.K, data.V);
        using var source = new CancellationTokenSource();
        attention.HeadCompleted = _ => source.Cancel();
        Assert.Throws<OperationCanceledException>(() => attention.Compute(data.Q, cache, data.O, cancellationToken: source.Token));
        attention.HeadCompleted = null;
        attention.Compute(data.Q, cache, data.O);
        float[] after = data.Output();
        using KvCache fresh = attention.CreateCache(400);
        fresh.Append(data.K, data.V);
        attention.Compute(data.Q, fresh, data.O);
        Assert.Equal(data.Output(), after);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void EveryHeadIsCompletedOnceAndIsCompleteThen(AttentionMode mode)
    {
        using Host host = new();
        using var data = new AttentionCase(6, 2, 130, 200, 32, seed: 3);
        using var attention = new ShadowAttention(host.Backend, data.Options with { Mode = mode, MinKeys = 16 });
        float[]?[] outputs = new float[6][];
        attention.HeadCompleted = head =>
        {
            Assert.Null(outputs[head]);
            outputs[head] = data.Output()[(head * 130 * 32)..((head + 1) * 130 * 32)];
        };
        attention.Compute(data.Q, data.K, data.V, data.O);
        float[] final = data.Output();
        for (int head = 0; head < 6; head++)
        {
            Assert.Equal(final[(head * 130 * 32)..((head + 1) * 130 * 32)], outputs[head]);
        }

        // A single query of each head: the heads of a group share a tile.
        int count = 0;
        attention.HeadCompleted = _ => Interlocked.Increment(ref count);
        attention.Compute(data.Q.Slice(1, 0, 1), data.K, data.V, data.O.Slice(1, 0, 1));
        Assert.Equal(6, count);
        attention.HeadCompleted = _ => throw new InvalidDataException("from the callback");
        Assert.Throws<InvalidDataException>(() => attention.Compute(data.Q, data.K, data.V, data.O));
    }

    [Fact]
    public void GivenThreadsAreUsedSharedAndLeftAlone()
    {
        using var data = new AttentionCase(4, 2, 150, 300, 64, seed: 9);
        float[] expected = data.Compute(data.Options with { Threads = 3 });
        using var shared = new AttentionWorkers(3);
        AttentionOptions options = data.Options with { Threads = 0, Workers = shared };
        using (var first = new ShadowAttention(null, options))
        using (var second = new ShadowAttention(null, options with { Mode = AttentionMode.Dense }))
        {
            Assert.Equal(3, first.Threads);
            second.Compute(data.Q, data.K, data.V, data.O);
            first.Compute(data.Q, data.K, data.V, data.O);
            Assert.Equal(expected, data.Output());
        }

        int calls = 0;
        shared.Run(_ => Interlocked.Increment(ref calls));
        Assert.Equal(3, calls);

        // One after the other, as a host's pool with a single free thread would.
        using var sequential = new ShadowAttention(null, options with { Workers = new Sequential(2) });
        sequential.Compute(data.Q, data.K, data.V, data.O);
        Assert.Equal(expected, data.Output());
    }

    [Fact]
    public void WhatAWorkerThrowsOnGivenThreadsEndsTheCall()
    {
        using var data = new AttentionCase(2, 1, 20, 40, 16, seed: 9);
        using var attention = new ShadowAttention(null, data.Options with { Threads = 0, Workers = new Sequential(2) });
        attention.HeadCompleted = _ => throw new InvalidDataException("from the callback");
        Assert.Throws<InvalidDataException>(() => attention.Compute(data.Q, data.K, data.V, data.O));
    }

    [Fact]
    public void APreparedShapeAllocatesNothingAtItsFirstCall()
    {
        using Host host = new();
        using var data = new AttentionCase(4, 2, 150, 300, 64, seed: 9);
        using var warm = new ShadowAttention(host.Backend, data.Options with { Mode = AttentionMode.Shadow, Threads = 1 });
        warm.Compute(data.Q, data.K, data.V, data.O);
        long least = long.MaxValue;
        for (int i = 0; i < 4; i++)
        {
            using var attention = new ShadowAttention(host.Backend, data.Options with { Mode = AttentionMode.Shadow, Threads = 1 });
            attention.Prepare(150, 300);
            Assert.InRange(attention.Preparation.Composed, 1, 8);
            long before = GC.GetAllocatedBytesForCurrentThread();
            attention.Compute(data.Q, data.K, data.V, data.O);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            using KvCache cache = attention.CreateCache(300);
            attention.Prepare(150, cache);
            int composed = attention.Preparation.Composed;
            cache.Append(data.K, data.V);
            attention.Compute(data.Q, cache, data.O);
            Assert.Equal(composed, attention.Preparation.Composed);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void OnlySoManyPlansAreKept()
    {
        using var data = new AttentionCase(2, 1, 60, 120, 32, seed: 9);
        using var attention = new ShadowAttention(null, data.Options with { MaxPlans = 2, Threads = 1 });
        for (int round = 0; round < 2; round++)
        {
            foreach (int queries in new[] { 60, 1, 30 })
            {
                attention.Compute(data.Q.Slice(1, 60 - queries, queries), data.K, data.V, data.O.Slice(1, 0, queries));
                float[] planned = data.Output();
                using var fresh = new ShadowAttention(null, attention.Options);
                fresh.Compute(data.Q.Slice(1, 60 - queries, queries), data.K, data.V, data.O.Slice(1, 0, queries));
                Assert.Equal(data.Output(), planned);
            }
        }
    }

    [Fact]
    public void MisuseIsNamed()
    {
        using var workers = new AttentionWorkers(2);
        AttentionOptions good = new() { Heads = 4, KvHeads = 2, HeadDim = 64, Mode = AttentionMode.ShadowCpu };
        Expect<ArgumentException>("Workers has 2 threads", (good with { Workers = workers, Threads = 3 }).Validate);
        Expect<ArgumentException>("Workers has 0 threads", (good with { Workers = new Sequential(0) }).Validate);
        Expect<ArgumentException>("MaxPlans", (good with { MaxPlans = 0 }).Validate);
        Expect<ArgumentException>("threads", () => new AttentionWorkers(-1));
        using var attention = new ShadowAttention(null, good);
        using var other = new ShadowAttention(null, good);
        using KvCache cache = other.CreateCache(10);
        Expect<ArgumentException>("5 queries are more than the 4 keys", () => attention.Prepare(5, 4));
        Expect<ArgumentException>("another operator", () => attention.Prepare(1, cache));
        using Host host = new();
        using var int8 = new ShadowAttention(host.Backend, good with { Mode = AttentionMode.NpuInt8 });
        Expect<InvalidOperationException>("takes its scales from the first input", () => int8.Prepare(1, 4));

        static void Expect<T>(string message, Action action)
            where T : Exception => Assert.Contains(message, Assert.ThrowsAny<T>(action).Message, StringComparison.Ordinal);
    }

    private sealed class Sequential(int threads) : IAttentionWorkers
    {
        public int Threads => threads;

        public void Run(Action<int> work)
        {
            for (int worker = 0; worker < threads; worker++)
            {
                work(worker);
            }
        }
    }

    private sealed class Host : IDisposable
    {
        private readonly SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        private readonly QnnLibrary library;

        public Host()
        {
            library = soft.CreateLibrary();
            Backend = QnnBackend.Open(library);
        }

        public QnnBackend Backend { get; }

        public void Dispose()
        {
            Backend.Dispose();
            library.Dispose();
            soft.Dispose();
        }
    }
}
