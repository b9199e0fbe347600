namespace ShadowAttn.Attention;

/// <summary>How the channels of a KV head's keys differ: what one INT8 scale for all of them has to put up with.</summary>
/// <param name="LargestAbsMax">The largest magnitude of any channel.</param>
/// <param name="MedianAbsMax">The median of the channels' largest magnitudes.</param>
/// <param name="OutlierChannel">The channel with the largest magnitude.</param>
/// <param name="LargestMeanOverStd">The largest |mean| / standard deviation of a channel; null if no channel varies.</param>
/// <param name="ShiftedChannel">The channel with that ratio; null if no channel varies.</param>
/// <param name="ConstantChannels">Channels that are the same in all keys.</param>
public sealed record KeyChannels(
    double LargestAbsMax, double MedianAbsMax, int OutlierChannel, double? LargestMeanOverStd, int? ShiftedChannel, int ConstantChannels)
{
    /// <summary>Largest by median magnitude; null if the median is 0.</summary>
    public double? OutlierRatio => MedianAbsMax > 0 ? LargestAbsMax / MedianAbsMax : null;

    /// <param name="keys">[keys, dim].</param>
    /// <param name="dim">Channels.</param>
    internal static KeyChannels Measure(double[] keys, int dim)
    {
        int count = keys.Length / dim;
        var absMax = new double[dim];
        double? largest = null;
        int? shifted = null;
        int constant = 0;
        for (int d = 0; d < dim; d++)
        {
            double sum = 0;
            double least = double.PositiveInfinity;
            double most = double.NegativeInfinity;
            for (int i = d; i < keys.Length; i += dim)
            {
                sum += keys[i];
                least = Math.Min(least, keys[i]);
                most = Math.Max(most, keys[i]);
            }

            absMax[d] = Math.Max(Math.Abs(least), Math.Abs(most));
            if (least == most)
            {
                constant++;
                continue;
            }

            double mean = sum / count;
            double squares = 0;
            for (int i = d; i < keys.Length; i += dim)
            {
                squares += (keys[i] - mean) * (keys[i] - mean);
            }

            double ratio = Math.Abs(mean) / Math.Sqrt(squares / count);
            if (!(ratio <= largest))
            {
                largest = ratio;
                shifted = d;
            }
        }

        double[] sorted = [.. absMax.Order()];
        double median = (sorted[(dim - 1) / 2] + sorted[dim / 2]) / 2;
        return new KeyChannels(sorted[^1], median, Array.IndexOf(absMax, sorted[^1]), largest, shifted, constant);
    }
}
