using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Input;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class RepeatedTraceTests
{
    private const int TraceKeys = 512;
    private const int TraceDim = 64;

    [Fact]
    public void AtTheTracesOwnShapeItIsTheTrace()
    {
        using TraceInput trace = OpenSmall();

        AttentionData data = AttentionData.Repeat(trace, new AttentionShape(9, 3, TraceDim, TraceKeys, TraceKeys, Causal: true));

        Assert.True(trace.Q.AsSpan().SequenceEqual(data.Queries));
        Assert.True(trace.K.AsSpan().SequenceEqual(data.Keys));
        Assert.True(trace.V.AsSpan().SequenceEqual(data.Values));
    }

    [Fact]
    public void LargerShapesRepeatKeysAndPutHeadsSideBySide()
    {
        using TraceInput trace = OpenSmall();
        var shape = new AttentionShape(Heads: 12, KvHeads: 2, HeadDim: 2 * TraceDim, Queries: 40, Keys: 700, Causal: true);

        AttentionData data = AttentionData.Repeat(trace, shape);

        // KV head 1 is the trace's KV heads 2 and 0 side by side; query head 7 is the second of its group.
        const int key = 603;
        ReadOnlySpan<float> row = data.Keys.AsSpan((shape.Keys + key) * shape.HeadDim, shape.HeadDim);
        Assert.True(row[..TraceDim].SequenceEqual(trace.K.Index(2).Index(key - TraceKeys).AsSpan()));
        Assert.True(row[TraceDim..].SequenceEqual(trace.K.Index(0).Index(key - TraceKeys).AsSpan()));

        const int query = 5;
        int position = shape.Keys - shape.Queries + query - TraceKeys;
        row = data.Queries.AsSpan(((7 * shape.Queries) + query) * shape.HeadDim, shape.HeadDim);
        Assert.True(row[..TraceDim].SequenceEqual(trace.Q.Index((2 * 3) + 1).Index(position).AsSpan()));
        Assert.True(row[TraceDim..].SequenceEqual(trace.Q.Index(1).Index(position).AsSpan()));
    }

    [Fact]
    public void ADimThatTheTraceDoesNotDivideIsRefused()
    {
        using TraceInput trace = OpenSmall();
        var shape = new AttentionShape(Heads: 4, KvHeads: 2, HeadDim: 96, Queries: 8, Keys: 8, Causal: true);

        ArgumentException error = Assert.Throws<ArgumentException>(() => AttentionData.Repeat(trace, shape));

        Assert.Contains("dim 96 is not a multiple of the 64 channels", error.Message, StringComparison.Ordinal);
    }

    private static TraceInput OpenSmall() => TraceInput.Open(Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors"));
}
