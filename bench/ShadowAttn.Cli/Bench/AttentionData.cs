using ShadowAttn.Cli.Input;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Bench;

/// <summary>Q [heads, queries, dim], K and V [kvHeads, keys, dim], fp32, contiguous.</summary>
/// <param name="Source">Where the numbers come from, for the report.</param>
/// <param name="Queries">Q.</param>
/// <param name="Keys">K.</param>
/// <param name="Values">V.</param>
public sealed record AttentionData(string Source, float[] Queries, float[] Keys, float[] Values)
{
    /// <summary>Normally distributed numbers; a head's keys have a mean of their own, as real keys do.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="seed">The same seed gives the same numbers on every machine.</param>
    public static AttentionData Generate(AttentionShape shape, int seed)
    {
        var random = new Random(seed);
        float[] queries = Fill(random, shape.QueryLength, 1);
        float[] values = Fill(random, shape.KeyLength, 1);
        float[] keys = Fill(random, shape.KeyLength, 1);
        float[] means = Fill(random, shape.KvHeads * shape.HeadDim, 2);
        for (int i = 0; i < keys.Length; i++)
        {
            int head = i / (shape.Keys * shape.HeadDim);
            keys[i] += means[(head * shape.HeadDim) + (i % shape.HeadDim)];
        }

        return new AttentionData($"generated, seed {seed}", queries, keys, values);
    }

    /// <summary>
    /// A trace, repeated to the shape: keys and queries follow each other again from the trace's first, and a head with more channels than the
    /// trace's is several of its heads side by side. A query keeps the keys that it had in the trace.
    /// </summary>
    /// <param name="trace">The trace.</param>
    /// <param name="shape">The shape; its dim must be a multiple of the trace's.</param>
    /// <exception cref="ArgumentException">A dim that is no multiple of the trace's.</exception>
    public static AttentionData Repeat(TraceInput trace, AttentionShape shape)
    {
        if (shape.HeadDim % trace.HeadDim != 0)
        {
            throw new ArgumentException($"dim {shape.HeadDim} is not a multiple of the {trace.HeadDim} channels in {trace.Path}");
        }

        int parts = shape.HeadDim / trace.HeadDim;
        int traceGroup = trace.Heads / trace.KvHeads;
        int firstPosition = shape.Keys - shape.Queries;
        float[] queries = new float[shape.QueryLength];
        float[] keys = new float[shape.KeyLength];
        float[] values = new float[shape.KeyLength];
        for (int part = 0; part < parts; part++)
        {
            for (int head = 0; head < shape.KvHeads; head++)
            {
                int traceHead = ((head * parts) + part) % trace.KvHeads;
                CopyRows(trace.K.Index(traceHead), 0, keys, head, shape.Keys, part, parts);
                CopyRows(trace.V.Index(traceHead), 0, values, head, shape.Keys, part, parts);
            }

            for (int head = 0; head < shape.Heads; head++)
            {
                int traceKvHead = ((head / shape.Group * parts) + part) % trace.KvHeads;
                int traceHead = (traceKvHead * traceGroup) + (head % shape.Group % traceGroup);
                CopyRows(trace.Q.Index(traceHead), firstPosition, queries, head, shape.Queries, part, parts);
            }
        }

        return new AttentionData($"{Path.GetFileName(trace.Path)} repeated", queries, keys, values);
    }

    private static unsafe void CopyRows(in TensorView<float> source, int firstRow, float[] destination, int head, int rows, int part, int parts)
    {
        int dim = source.Length(1);
        for (int row = 0; row < rows; row++)
        {
            int place = ((((head * rows) + row) * parts) + part) * dim;
            new ReadOnlySpan<float>(source.RowPointer((firstRow + row) % source.Length(0)), dim).CopyTo(destination.AsSpan(place, dim));
        }
    }

    private static float[] Fill(Random random, int length, float deviation)
    {
        float[] x = new float[length];
        for (int i = 0; i < length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            x[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return x;
    }
}
