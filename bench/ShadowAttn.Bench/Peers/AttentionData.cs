namespace ShadowAttn.Bench.Peers;

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
