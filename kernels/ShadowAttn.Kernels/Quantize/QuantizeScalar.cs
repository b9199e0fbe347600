namespace ShadowAttn.Kernels;

/// <summary>k8 = clamp(round((k - mean)·inverseScale), ±127);  s = max(absmax/127, √(Σ q_d²·power_d)/σ0), q8 = round(q/s).</summary>
internal static unsafe class QuantizeScalar
{
    public static QuantizeKernel Kernel => new(&Keys, &Queries);

    public static void Keys(
        float* k, nint rowStride, int keys, int dim, float* mean, float inverseScale, sbyte* k8, nint k8Stride, double* squareSums)
    {
        for (int key = 0; key < keys; key++)
        {
            for (int d = 0; d < dim; d++)
            {
                int level = Round((k[(key * rowStride) + d] - (mean is null ? 0 : mean[d])) * inverseScale);
                k8[(key * k8Stride) + d] = (sbyte)level;
                if (squareSums is not null)
                {
                    squareSums[d] += level * level;
                }
            }
        }
    }

    public static void Queries(
        float* q, nint rowStride, int rows, int dim, float* power, float sigma0, sbyte* q8, nint q8Stride, float* rowScales)
    {
        for (int r = 0; r < rows; r++)
        {
            float* row = q + (r * rowStride);
            float max = 0;
            float energy = 0;
            for (int d = 0; d < dim; d++)
            {
                max = MathF.Max(max, MathF.Abs(row[d]));
                energy += row[d] * row[d] * power[d];
            }

            float scale = MathF.Max(MathF.Max(max / 127, MathF.Sqrt(energy) / sigma0), Quantize.MinScale);
            float inverse = 1 / scale;
            for (int d = 0; d < dim; d++)
            {
                q8[(r * q8Stride) + d] = (sbyte)Round(row[d] * inverse);
            }

            rowScales[r] = scale;
        }
    }

    public static int Round(float x) => (int)MathF.Min(MathF.Max(MathF.Round(x), -127), 127);
}
