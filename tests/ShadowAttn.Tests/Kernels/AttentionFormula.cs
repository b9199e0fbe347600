namespace ShadowAttn.Tests.Kernels;

/// <summary>Attention in double precision, and how far a result is from it.</summary>
internal static unsafe class AttentionFormula
{
    /// <summary>(Σ w_i v_i + T·v_tail) / (Σ w_i + T) over the listed keys, w_i = exp(scale·q·k_i - top), T = min(tailSum·exp(tailLogit - top), tailLimit).</summary>
    public static double[] Row(
        float* query, float* keys, nint keyStride, float* values, nint valueStride, int dim, double scale, ReadOnlySpan<int> indices,
        double tailSum = 0, double tailLogit = 0, double tailLimit = 0, float* tailValue = null)
    {
        double[] weights = new double[indices.Length];
        double top = double.NegativeInfinity;
        for (int i = 0; i < indices.Length; i++)
        {
            for (int d = 0; d < dim; d++)
            {
                weights[i] += (double)query[d] * keys[(indices[i] * keyStride) + d];
            }

            weights[i] *= scale;
            top = Math.Max(top, weights[i]);
        }

        double tail = tailSum == 0 ? 0 : Math.Min(tailSum * Math.Exp(tailLogit - top), tailLimit);
        double sum = tail;
        double[] output = new double[dim];
        for (int d = 0; d < dim; d++)
        {
            output[d] = tail == 0 ? 0 : tail * tailValue[d];
        }

        for (int i = 0; i < indices.Length; i++)
        {
            double weight = Math.Exp(weights[i] - top);
            sum += weight;
            for (int d = 0; d < dim; d++)
            {
                output[d] += weight * values[(indices[i] * valueStride) + d];
            }
        }

        for (int d = 0; d < dim; d++)
        {
            output[d] /= sum;
        }

        return output;
    }

    /// <summary>‖actual - expected‖ / ‖expected‖.</summary>
    public static double RelativeError(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        double difference = 0;
        double norm = 0;
        for (int d = 0; d < expected.Length; d++)
        {
            difference += (actual[d] - expected[d]) * (actual[d] - expected[d]);
            norm += expected[d] * expected[d];
        }

        return norm == 0 ? difference : Math.Sqrt(difference / norm);
    }

    /// <summary>Gaussian numbers.</summary>
    public static float[] Gaussian(Random random, int count, double sigma = 1)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)(sigma * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }
}
