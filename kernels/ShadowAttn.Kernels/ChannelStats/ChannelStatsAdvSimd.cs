using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// sums_d += Σ_r x_rd;  absmax = max_rd |x_rd - mean_d|. Columns of 16 channels run down all rows: their sums (8 registers of fp64) or means
/// (4) stay in registers. Channels behind the last whole column go one by one.
/// </summary>
internal static unsafe class ChannelStatsAdvSimd
{
    private const int Column = 16;

    public static ChannelStatsKernel Kernel => new(&AddSums, &AbsMax);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddSums(float* x, nint rowStride, int rows, int dim, double* sums)
    {
        int d = 0;
        for (; d + Column <= dim; d += Column)
        {
            Vector128<double> s0 = Vector128.Load(sums + d);
            Vector128<double> s1 = Vector128.Load(sums + d + 2);
            Vector128<double> s2 = Vector128.Load(sums + d + 4);
            Vector128<double> s3 = Vector128.Load(sums + d + 6);
            Vector128<double> s4 = Vector128.Load(sums + d + 8);
            Vector128<double> s5 = Vector128.Load(sums + d + 10);
            Vector128<double> s6 = Vector128.Load(sums + d + 12);
            Vector128<double> s7 = Vector128.Load(sums + d + 14);
            float* row = x + d;
            for (int r = 0; r < rows; r++)
            {
                Vector128<float> a = Vector128.Load(row);
                Vector128<float> b = Vector128.Load(row + 4);
                Vector128<float> c = Vector128.Load(row + 8);
                Vector128<float> e = Vector128.Load(row + 12);
                row += rowStride;
                s0 += AdvSimd.Arm64.ConvertToDouble(a.GetLower());
                s1 += AdvSimd.Arm64.ConvertToDoubleUpper(a);
                s2 += AdvSimd.Arm64.ConvertToDouble(b.GetLower());
                s3 += AdvSimd.Arm64.ConvertToDoubleUpper(b);
                s4 += AdvSimd.Arm64.ConvertToDouble(c.GetLower());
                s5 += AdvSimd.Arm64.ConvertToDoubleUpper(c);
                s6 += AdvSimd.Arm64.ConvertToDouble(e.GetLower());
                s7 += AdvSimd.Arm64.ConvertToDoubleUpper(e);
            }

            s0.Store(sums + d);
            s1.Store(sums + d + 2);
            s2.Store(sums + d + 4);
            s3.Store(sums + d + 6);
            s4.Store(sums + d + 8);
            s5.Store(sums + d + 10);
            s6.Store(sums + d + 12);
            s7.Store(sums + d + 14);
        }

        if (d < dim)
        {
            ChannelStatsScalar.AddSums(x + d, rowStride, rows, dim - d, sums + d);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float AbsMax(float* x, nint rowStride, int rows, int dim, float* mean)
    {
        Vector128<float> max0 = Vector128<float>.Zero;
        Vector128<float> max1 = Vector128<float>.Zero;
        Vector128<float> max2 = Vector128<float>.Zero;
        Vector128<float> max3 = Vector128<float>.Zero;
        int d = 0;
        for (; d + Column <= dim; d += Column)
        {
            Vector128<float> m0 = Vector128<float>.Zero;
            Vector128<float> m1 = Vector128<float>.Zero;
            Vector128<float> m2 = Vector128<float>.Zero;
            Vector128<float> m3 = Vector128<float>.Zero;
            if (mean is not null)
            {
                m0 = Vector128.Load(mean + d);
                m1 = Vector128.Load(mean + d + 4);
                m2 = Vector128.Load(mean + d + 8);
                m3 = Vector128.Load(mean + d + 12);
            }

            float* row = x + d;
            for (int r = 0; r < rows; r++)
            {
                Vector128<float> a = Vector128.Load(row);
                Vector128<float> b = Vector128.Load(row + 4);
                Vector128<float> c = Vector128.Load(row + 8);
                Vector128<float> e = Vector128.Load(row + 12);
                row += rowStride;
                max0 = AdvSimd.Max(max0, AdvSimd.AbsoluteDifference(a, m0));
                max1 = AdvSimd.Max(max1, AdvSimd.AbsoluteDifference(b, m1));
                max2 = AdvSimd.Max(max2, AdvSimd.AbsoluteDifference(c, m2));
                max3 = AdvSimd.Max(max3, AdvSimd.AbsoluteDifference(e, m3));
            }
        }

        max0 = AdvSimd.Max(AdvSimd.Max(max0, max1), AdvSimd.Max(max2, max3));
        float max = AdvSimd.Arm64.MaxAcross(max0).ToScalar();
        return d == dim ? max : MathF.Max(max, ChannelStatsScalar.AbsMax(x + d, rowStride, rows, dim - d, mean is null ? null : mean + d));
    }
}
