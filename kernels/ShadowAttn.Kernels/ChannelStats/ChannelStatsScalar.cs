namespace ShadowAttn.Kernels;

/// <summary>sums_d += Σ_r x_rd;  absmax = max_rd |x_rd - mean_d|.</summary>
internal static unsafe class ChannelStatsScalar
{
    public static ChannelStatsKernel Kernel => new(&AddSums, &AbsMax);

    public static void AddSums(float* x, nint rowStride, int rows, int dim, double* sums)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int d = 0; d < dim; d++)
            {
                sums[d] += x[(r * rowStride) + d];
            }
        }
    }

    public static float AbsMax(float* x, nint rowStride, int rows, int dim, float* mean)
    {
        float max = 0;
        for (int r = 0; r < rows; r++)
        {
            for (int d = 0; d < dim; d++)
            {
                max = MathF.Max(max, MathF.Abs(x[(r * rowStride) + d] - (mean is null ? 0 : mean[d])));
            }
        }

        return max;
    }
}
