using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// sums_d += Σ_r x_rd in double precision, in the order of the rows;  absmax = max_rd |x_rd - mean_d|. Columns of 32 channels over 4 rows at
/// a time, so that longer rows come from memory once: 8 accumulators of doubles, or 4 means and 4 maxima; channels behind the last whole
/// column go by eights.
/// </summary>
internal static unsafe class ChannelStatsAvx2
{
    private const int Column = 32;
    private const int BlockRows = 4;
    private const int Lanes = 8;

    public static ChannelStatsKernel Kernel => new(&AddSums, &AbsMax);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddSums(float* x, nint rowStride, int rows, int dim, double* sums)
    {
        for (int first = 0; first < rows; first += BlockRows, x += BlockRows * rowStride)
        {
            int count = Math.Min(BlockRows, rows - first);
            int d = 0;
            for (; d + Column <= dim; d += Column)
            {
                float* from = x + d;
                double* to = sums + d;
                Vector256<double> s0 = Vector256.Load(to), s1 = Vector256.Load(to + 4);
                Vector256<double> s2 = Vector256.Load(to + 8), s3 = Vector256.Load(to + 12);
                Vector256<double> s4 = Vector256.Load(to + 16), s5 = Vector256.Load(to + 20);
                Vector256<double> s6 = Vector256.Load(to + 24), s7 = Vector256.Load(to + 28);
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    s0 += Avx.ConvertToVector256Double(Vector128.Load(from));
                    s1 += Avx.ConvertToVector256Double(Vector128.Load(from + 4));
                    s2 += Avx.ConvertToVector256Double(Vector128.Load(from + 8));
                    s3 += Avx.ConvertToVector256Double(Vector128.Load(from + 12));
                    s4 += Avx.ConvertToVector256Double(Vector128.Load(from + 16));
                    s5 += Avx.ConvertToVector256Double(Vector128.Load(from + 20));
                    s6 += Avx.ConvertToVector256Double(Vector128.Load(from + 24));
                    s7 += Avx.ConvertToVector256Double(Vector128.Load(from + 28));
                }

                s0.Store(to);
                s1.Store(to + 4);
                s2.Store(to + 8);
                s3.Store(to + 12);
                s4.Store(to + 16);
                s5.Store(to + 20);
                s6.Store(to + 24);
                s7.Store(to + 28);
            }

            for (; d < dim; d += Lanes)
            {
                int lanes = Math.Min(Lanes, dim - d);
                Vector256<float> mask = LaneMasks.First256(lanes).AsSingle();
                Vector256<double> low = LaneMasks.First256Double(lanes), high = LaneMasks.First256Double(lanes - 4);
                float* from = x + d;
                Vector256<double> s0 = Avx.MaskLoad(sums + d, low), s1 = Avx.MaskLoad(sums + d + 4, high);
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    Vector256<float> v = Avx.MaskLoad(from, mask);
                    s0 += Avx.ConvertToVector256Double(v.GetLower());
                    s1 += Avx.ConvertToVector256Double(v.GetUpper());
                }

                Avx.MaskStore(sums + d, low, s0);
                Avx.MaskStore(sums + d + 4, high, s1);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float AbsMax(float* x, nint rowStride, int rows, int dim, float* mean)
    {
        Vector256<float> m0 = Vector256<float>.Zero, m1 = m0, m2 = m0, m3 = m0;
        Vector256<float> c0 = m0, c1 = m0, c2 = m0, c3 = m0;
        for (int first = 0; first < rows; first += BlockRows, x += BlockRows * rowStride)
        {
            int count = Math.Min(BlockRows, rows - first);
            int d = 0;
            for (; d + Column <= dim; d += Column)
            {
                if (mean is not null)
                {
                    c0 = Vector256.Load(mean + d);
                    c1 = Vector256.Load(mean + d + 8);
                    c2 = Vector256.Load(mean + d + 16);
                    c3 = Vector256.Load(mean + d + 24);
                }

                float* from = x + d;
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    m0 = Avx.Max(m0, Vector256.Abs(Vector256.Load(from) - c0));
                    m1 = Avx.Max(m1, Vector256.Abs(Vector256.Load(from + 8) - c1));
                    m2 = Avx.Max(m2, Vector256.Abs(Vector256.Load(from + 16) - c2));
                    m3 = Avx.Max(m3, Vector256.Abs(Vector256.Load(from + 24) - c3));
                }
            }

            for (; d < dim; d += Lanes)
            {
                Vector256<float> mask = LaneMasks.First256(Math.Min(Lanes, dim - d)).AsSingle();
                c0 = mean is null ? Vector256<float>.Zero : Avx.MaskLoad(mean + d, mask);
                float* from = x + d;
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    m0 = Avx.Max(m0, Vector256.Abs(Avx.MaskLoad(from, mask) - c0));
                }
            }
        }

        return LaneMaximum.Of(Avx.Max(Avx.Max(m0, m1), Avx.Max(m2, m3)));
    }
}
