using CsCheck;
using ShadowAttn.Graphs;
using Xunit;

namespace ShadowAttn.Tests.Graphs;

public sealed class ShapeBucketsTests
{
    [Fact]
    public void KeysArePaddedByAFifthAtMostAndInFewSteps()
    {
        int buckets = 0;
        int last = 0;
        for (int keys = 1; keys <= 32768; keys++)
        {
            int bucket = ShapeBuckets.Keys(keys);
            Assert.True(bucket >= keys && bucket >= last, $"{keys} -> {bucket}");
            Assert.True(bucket < keys + 64 || bucket <= keys * 1.25, $"{keys} -> {bucket}");
            Assert.Equal(bucket, ShapeBuckets.Keys(bucket));
            buckets += bucket != last ? 1 : 0;
            last = bucket;
        }

        Assert.InRange(buckets, 1, 36);
    }

    [Fact]
    public void QueriesArePowersOfTwo() => Gen.Int[1, 1 << 20].Sample(queries =>
    {
        int bucket = ShapeBuckets.Queries(queries);
        return int.IsPow2(bucket) && bucket <= ShapeBuckets.MaxQueries && (bucket >= queries || bucket == ShapeBuckets.MaxQueries);
    });

    [Fact]
    public void NothingIsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ShapeBuckets.Keys(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShapeBuckets.Queries(-1));
    }

    [Fact]
    public void EqualSpecsHaveEqualNames()
    {
        PilotGraphSpec spec = PilotGraphSpec.Universal(768, 512, 64, 6);
        Assert.Equal(spec.Name, (spec with { }).Name);
        Assert.NotEqual(spec.Name, (spec with { OutputScale = 63.99999f }).Name);
        Assert.NotEqual(spec.Name, (spec with { Rows = 767 }).Name);
    }
}
