using ShadowAttn.Graphs;
using Xunit;

namespace ShadowAttn.Tests.Graphs;

public sealed class ContextCacheTests
{
    [Fact]
    public void GivesBackWhatWasStored()
    {
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(Path.Combine(folder.Path, "not", "there", "yet"));
        Assert.Null(cache.TryRead("a"));
        Assert.True(cache.Write("a", [1, 2, 3]));
        Assert.True(cache.Write("b", []));
        Assert.True(cache.Write("a", [4, 5]));
        Assert.Equal([4, 5], cache.TryRead("a")!.Value.ToArray());
        Assert.Empty(cache.TryRead("b")!.Value.ToArray());
        Assert.Null(cache.TryRead("c"));
        Assert.Equal(["a", "b"], cache.List().Select(e => e.Description).Order());
        Assert.All(cache.List(), e => Assert.Null(e.Problem));
        Assert.Equal(2, cache.Clear());
        Assert.Empty(cache.List());
    }

    [Fact]
    public void NoMutatedEntryIsUsed()
    {
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(folder.Path);
        byte[] binary = new byte[600];
        new Random(1).NextBytes(binary);
        cache.Write("the graphs", binary);
        string path = Assert.Single(cache.List()).Path;
        byte[] good = File.ReadAllBytes(path);
        var random = new Random(2);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] bad = Mutate(good, random);
            if (bad.AsSpan().SequenceEqual(good))
            {
                continue;
            }

            Assert.False(CacheEntry.TryRead(bad, out _, out _, out string reason), $"mutation {i} was taken");
            Assert.NotEmpty(reason);
        }

        File.WriteAllBytes(path, Mutate(good, random));
        Assert.NotNull(Assert.Single(cache.List()).Problem);
        Assert.Null(cache.TryRead("the graphs"));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void AnEntryUnderAnotherNameIsNotUsed()
    {
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(folder.Path);
        cache.Write("a", [1]);
        string a = Assert.Single(cache.List()).Path;
        cache.Write("b", [2]);
        string b = cache.List().Single(e => e.Description == "b").Path;
        File.Copy(a, b, overwrite: true);
        Assert.Null(cache.TryRead("b"));
        Assert.NotNull(cache.TryRead("a"));
    }

    [Fact]
    public void WhatWasUsedLongestAgoGoesFirst()
    {
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(folder.Path, maxBytes: 3000);
        foreach (string name in new[] { "a", "b", "c" })
        {
            cache.Write(name, new byte[700]);
            Age(folder.Path, TimeSpan.FromMinutes(1));
        }

        Assert.NotNull(cache.TryRead("a"));
        cache.Write("d", new byte[1800]);
        Assert.Equal(["a", "d"], cache.List().Select(e => e.Description).Order());
        Assert.False(cache.Write("too large", new byte[3000]));
        Assert.Equal(2, cache.List().Count);
    }

    [Fact]
    public void AFolderThatCannotBeUsedHarmsNothing()
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "in the way");
        var cache = new ContextCache(Path.Combine(file, "below"));
        Assert.False(cache.Write("a", [1]));
        Assert.Null(cache.TryRead("a"));
        Assert.Null(cache.Lock("a", TimeSpan.Zero));
        Assert.Empty(cache.List());
        Assert.Equal(0, cache.Clear());
    }

    [Fact]
    public void ALockIsHadByOneAtATime()
    {
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(folder.Path);
        int inside = 0;
        int most = 0;
        Parallel.For(0, 8, _ =>
        {
            using IDisposable? held = cache.Lock("a", TimeSpan.FromSeconds(30));
            Assert.NotNull(held);
            most = Math.Max(most, Interlocked.Increment(ref inside));
            Thread.Sleep(2);
            Interlocked.Decrement(ref inside);
        });
        Assert.Equal(1, most);
        Assert.Equal(0, cache.Clear());
    }

    [Fact]
    public void ReadersAndWritersAtOnceSeeWholeEntries()
    {
        using var folder = new TemporaryFolder();
        Parallel.For(0, 200, i =>
        {
            var cache = new ContextCache(folder.Path);
            byte[] binary = new byte[2000];
            Array.Fill(binary, (byte)i);
            cache.Write("a", binary);
            byte[] read = cache.TryRead("a")!.Value.ToArray();
            Assert.Equal(2000, read.Length);
            Assert.All(read, b => Assert.Equal(read[0], b));
        });
        Assert.Empty(Directory.GetFiles(folder.Path, "*.tmp"));
    }

    private static void Age(string folder, TimeSpan by)
    {
        foreach (string file in Directory.GetFiles(folder))
        {
            File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file) - by);
        }
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        byte[] bad = (byte[])good.Clone();
        switch (random.Next(4))
        {
            case 0:
                return bad[..random.Next(good.Length)];
            case 1:
                return [.. bad, .. new byte[random.Next(1, 50)]];
            case 2:
                bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
                return bad;
            default:
                int start = random.Next(bad.Length);
                random.NextBytes(bad.AsSpan(start, random.Next(Math.Min(64, bad.Length - start) + 1)));
                return bad;
        }
    }
}
