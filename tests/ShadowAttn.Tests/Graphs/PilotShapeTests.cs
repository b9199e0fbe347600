using CsCheck;
using ShadowAttn.Graphs;
using Xunit;

namespace ShadowAttn.Tests.Graphs;

public sealed class PilotShapeTests
{
    [Fact]
    public void BlocksCoverTheQueriesAndSeeTheirKeys() => Gen.Select(
        Gen.Int[1, 4], Gen.Int[1, 6], Gen.Int[1, 2000], Gen.Int[0, 2000], Gen.Int[1, 256], Gen.Bool)
        .Sample((kvHeads, group, queries, more, dim, causal) =>
        {
            PilotShape shape = new(kvHeads * group, kvHeads, queries, queries + more, dim, causal);
            PilotGraphSpec[] specs = shape.UniversalSpecs();
            bool fits = shape.Problem is null
                && specs.Length == shape.Blocks
                && shape.Blocks * shape.BlockQueries >= queries
                && (shape.Blocks - 1) * shape.BlockQueries < queries
                && specs[^1].Keys == shape.PaddedKeys;
            for (int block = 0; block < specs.Length; block++)
            {
                int last = Math.Min((block + 1) * shape.BlockQueries, queries);
                int visible = causal ? more + last : queries + more;
                fits &= specs[block].Rows == group * shape.BlockQueries && specs[block].Keys == ShapeBuckets.Keys(visible) && specs[block].Dim == dim;
            }

            return fits;
        });

    [Fact]
    public void ShapesThatNoCallHasSayWhy()
    {
        Assert.Equal("4 heads are no multiple of 3 KV heads", new PilotShape(4, 3, 1, 1, 8, true).Problem);
        Assert.Contains("5 queries are more than the 4 keys", new PilotShape(4, 2, 5, 4, 8, true).Problem);
        Assert.Null(new PilotShape(4, 2, 5, 4, 8, false).Problem);
        Assert.NotNull(new PilotShape(4, 2, 0, 4, 8, false).Problem);
    }
}
