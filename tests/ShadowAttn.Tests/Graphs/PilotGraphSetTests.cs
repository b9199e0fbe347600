using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Graphs;

[Collection("HTP simulator")]
public sealed class PilotGraphSetTests(HtpSimulator simulator)
{
    private static readonly PilotGraphSpec[] s_specs = [PilotGraphSpec.Universal(32, 64, 64, 6), PilotGraphSpec.Universal(32, 128, 64, 6)];

    [Fact]
    public void TheSecondProcessTakesItsGraphsFromTheCache()
    {
        HtpSimulator.SkipUnlessThere();
        using var folder = new TemporaryFolder();
        sbyte[] cold = Scores(new ContextCache(folder.Path), expectCached: false);
        sbyte[] warm = Scores(new ContextCache(folder.Path), expectCached: true);
        Assert.Equal(cold, warm);
        Assert.Contains(cold, s => s != 0);
    }

    [Fact]
    public void ABinaryThatTheBackendRefusesIsRebuilt()
    {
        HtpSimulator.SkipUnlessThere();
        using var folder = new TemporaryFolder();
        var cache = new ContextCache(folder.Path);
        sbyte[] good = Scores(cache, expectCached: false);
        string description = Assert.Single(cache.List()).Description;
        byte[] binary = cache.TryRead(description)!.Value.ToArray();
        foreach (byte[] broken in new[] { binary[..(binary.Length / 2)], new byte[4096], [1] })
        {
            cache.Write(description, broken);
            Assert.Equal(good, Scores(cache, expectCached: false));
            Assert.Equal(good, Scores(cache, expectCached: true));
        }
    }

    private sbyte[] Scores(ContextCache cache, bool expectCached)
    {
        using var set = new PilotGraphSet(simulator.Backend, new PilotOptions { Cache = cache });
        PilotGraph[] graphs = set.Get([s_specs[1], s_specs[0], s_specs[1]]);
        Assert.Same(graphs[0], graphs[2]);
        Assert.Equal(expectCached ? (2, 0) : (0, 2), (set.Preparation.FromCache, set.Preparation.Composed));
        var memory = new PilotMemory();
        using UnmanagedBuffer q8 = memory.Allocate(32 * 64);
        using UnmanagedBuffer k8 = memory.Allocate(128 * 64);
        using UnmanagedBuffer scores = memory.Allocate(32 * 128);
        var random = new Random(3);
        random.NextBytes(q8.AsSpan<byte>());
        random.NextBytes(k8.AsSpan<byte>());
        using PilotBinding binding = graphs[0].Bind(memory, [q8], [scores]);
        using QnnMemory keys = graphs[0].RegisterKeys(memory, k8);
        binding.BindKeys(0, keys);
        binding.Execute();
        return scores.AsSpan<sbyte>().ToArray();
    }
}
