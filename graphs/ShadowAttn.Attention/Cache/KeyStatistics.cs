using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// What the pilot of a <see cref="KvCache"/> has to know about keys before it sees them: mean and variance of every channel, and how far a key
/// may lie from the mean. Measured on keys of the same layer.
/// </summary>
public sealed class KeyStatistics
{
    /// <summary>Statistics from numbers.</summary>
    /// <param name="mean">[kvHeads, headDim], a KV head after the other: the mean of each channel.</param>
    /// <param name="variance">[kvHeads, headDim]: the mean of the squared distance from the mean.</param>
    /// <param name="absMax">[kvHeads]: the largest distance of any channel of any key from the mean; INT8 spans it.</param>
    /// <exception cref="ArgumentException">Lengths that do not fit each other, or numbers that are not finite or negative where they cannot be.</exception>
    public KeyStatistics(ReadOnlySpan<float> mean, ReadOnlySpan<float> variance, ReadOnlySpan<float> absMax)
    {
        if (absMax.IsEmpty || mean.Length != variance.Length || mean.Length == 0 || mean.Length % absMax.Length != 0)
        {
            throw new ArgumentException(
                $"mean has {mean.Length} numbers, variance {variance.Length}, absMax {absMax.Length}; they must be [kvHeads, headDim] twice and [kvHeads]");
        }

        Check(mean, float.NegativeInfinity, nameof(mean));
        Check(variance, 0, nameof(variance));
        Check(absMax, 0, nameof(absMax));
        Mean = mean.ToArray();
        Variance = variance.ToArray();
        AbsMax = absMax.ToArray();
    }

    /// <summary>[kvHeads, headDim].</summary>
    public ReadOnlyMemory<float> Mean { get; }

    /// <summary>[kvHeads, headDim].</summary>
    public ReadOnlyMemory<float> Variance { get; }

    /// <summary>[kvHeads].</summary>
    public ReadOnlyMemory<float> AbsMax { get; }

    /// <summary>KV heads.</summary>
    public int KvHeads => AbsMax.Length;

    /// <summary>Channels of a head.</summary>
    public int HeadDim => Mean.Length / AbsMax.Length;

    /// <summary>The statistics of some keys.</summary>
    /// <param name="keys">[kvHeads, keys, headDim] of any format, at least one key.</param>
    /// <exception cref="ArgumentException">There are no keys.</exception>
    public static KeyStatistics Measure(in KvView keys)
    {
        if (keys.Rank != 3 || keys.Keys < 1)
        {
            throw new ArgumentException("keys must be [kvHeads, keys >= 1, headDim]", nameof(keys));
        }

        var mean = new float[keys.Heads * keys.Dim];
        var variance = new float[keys.Heads * keys.Dim];
        var absMax = new float[keys.Heads];
        for (int head = 0; head < keys.Heads; head++)
        {
            absMax[head] = Measure(keys.Rows(head), keys.Keys, mean.AsSpan(head * keys.Dim, keys.Dim), variance.AsSpan(head * keys.Dim, keys.Dim));
        }

        return new KeyStatistics(mean, variance, absMax);
    }

    /// <summary>The statistics of several inputs together, each of the same weight.</summary>
    /// <param name="inputs">At least one, all of the same shape.</param>
    /// <exception cref="ArgumentException">None, or different shapes.</exception>
    public static KeyStatistics Merge(IReadOnlyList<KeyStatistics> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (inputs.Count == 0 || inputs.Any(i => i.KvHeads != inputs[0].KvHeads || i.HeadDim != inputs[0].HeadDim))
        {
            throw new ArgumentException("statistics of at least one input, all of one shape, are needed", nameof(inputs));
        }

        int dim = inputs[0].HeadDim;
        var mean = new float[inputs[0].Mean.Length];
        var variance = new float[mean.Length];
        var absMax = new float[inputs[0].KvHeads];
        for (int c = 0; c < mean.Length; c++)
        {
            double centre = inputs.Average(i => (double)i.Mean.Span[c]);
            mean[c] = (float)centre;
            variance[c] = (float)inputs.Average(i => i.Variance.Span[c] + Math.Pow(i.Mean.Span[c] - centre, 2));

            // The farthest channel may be any: its distance from the common mean is at most so much.
            absMax[c / dim] = Math.Max(absMax[c / dim], inputs.Max(i => i.AbsMax.Span[c / dim] + (float)Math.Abs(i.Mean.Span[c] - centre)));
        }

        return new KeyStatistics(mean, variance, absMax);
    }

    /// <summary>Mean and variance per channel of the first rows; returns the largest distance from the mean.</summary>
    internal static float Measure(in KvRows rows, int count, Span<float> mean, Span<float> variance)
    {
        float max = 0;
        for (int d = 0; d < mean.Length; d++)
        {
            double sum = 0;
            for (int key = 0; key < count; key++)
            {
                sum += rows.At(key, d);
            }

            mean[d] = (float)(sum / count);
            double squares = 0;
            for (int key = 0; key < count; key++)
            {
                float distance = rows.At(key, d) - mean[d];
                squares += (double)distance * distance;
                max = MathF.Max(max, MathF.Abs(distance));
            }

            variance[d] = (float)(squares / count);
        }

        return max;
    }

    private static void Check(ReadOnlySpan<float> numbers, float least, string name)
    {
        foreach (float x in numbers)
        {
            if (!float.IsFinite(x) || x < least)
            {
                throw new ArgumentException($"{name} has {x}; every number must be finite{(least == 0 ? " and not negative" : string.Empty)}", name);
            }
        }
    }
}
