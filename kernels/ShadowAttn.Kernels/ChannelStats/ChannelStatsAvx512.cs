using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// sums_d += Σ_r x_rd in double precision, in the order of the rows;  absmax = max_rd |x_rd - mean_d|. Columns of 64 channels over 4 rows at
/// a time, so that longer rows come from memory once: 8 accumulators of doubles, or 4 means and 4 maxima; channels behind the last whole
/// column go by sixteens.
/// </summary>
internal static unsafe class ChannelStatsAvx512
{
    private const int Column = 64;
    private const int BlockRows = 4;
    private const int Lanes = 16;

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
                Vector512<double> s0 = Vector512.Load(to), s1 = Vector512.Load(to + 8);
                Vector512<double> s2 = Vector512.Load(to + 16), s3 = Vector512.Load(to + 24);
                Vector512<double> s4 = Vector512.Load(to + 32), s5 = Vector512.Load(to + 40);
                Vector512<double> s6 = Vector512.Load(to + 48), s7 = Vector512.Load(to + 56);
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    s0 += Avx512F.ConvertToVector512Double(Vector256.Load(from));
                    s1 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 8));
                    s2 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 16));
                    s3 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 24));
                    s4 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 32));
                    s5 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 40));
                    s6 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 48));
                    s7 += Avx512F.ConvertToVector512Double(Vector256.Load(from + 56));
                }

                s0.Store(to);
                s1.Store(to + 8);
                s2.Store(to + 16);
                s3.Store(to + 24);
                s4.Store(to + 32);
                s5.Store(to + 40);
                s6.Store(to + 48);
                s7.Store(to + 56);
            }

            for (; d < dim; d += Lanes)
            {
                int lanes = Math.Min(Lanes, dim - d);
                Vector512<float> mask = LaneMasks.First512(lanes).AsSingle();
                Vector512<double> low = LaneMasks.First512Double(lanes), high = LaneMasks.First512Double(lanes - 8);
                float* from = x + d;
                Vector512<double> s0 = Avx512F.MaskLoad(sums + d, low, Vector512<double>.Zero);
                Vector512<double> s1 = Avx512F.MaskLoad(sums + d + 8, high, Vector512<double>.Zero);
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    Vector512<float> v = Avx512F.MaskLoad(from, mask, Vector512<float>.Zero);
                    s0 += Avx512F.ConvertToVector512Double(v.GetLower());
                    s1 += Avx512F.ConvertToVector512Double(v.GetUpper());
                }

                Avx512F.MaskStore(sums + d, low, s0);
                Avx512F.MaskStore(sums + d + 8, high, s1);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float AbsMax(float* x, nint rowStride, int rows, int dim, float* mean)
    {
        Vector512<float> m0 = Vector512<float>.Zero, m1 = m0, m2 = m0, m3 = m0;
        Vector512<float> c0 = m0, c1 = m0, c2 = m0, c3 = m0;
        for (int first = 0; first < rows; first += BlockRows, x += BlockRows * rowStride)
        {
            int count = Math.Min(BlockRows, rows - first);
            int d = 0;
            for (; d + Column <= dim; d += Column)
            {
                if (mean is not null)
                {
                    c0 = Vector512.Load(mean + d);
                    c1 = Vector512.Load(mean + d + 16);
                    c2 = Vector512.Load(mean + d + 32);
                    c3 = Vector512.Load(mean + d + 48);
                }

                float* from = x + d;
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    m0 = Avx512F.Max(m0, Vector512.Abs(Vector512.Load(from) - c0));
                    m1 = Avx512F.Max(m1, Vector512.Abs(Vector512.Load(from + 16) - c1));
                    m2 = Avx512F.Max(m2, Vector512.Abs(Vector512.Load(from + 32) - c2));
                    m3 = Avx512F.Max(m3, Vector512.Abs(Vector512.Load(from + 48) - c3));
                }
            }

            for (; d < dim; d += Lanes)
            {
                Vector512<float> mask = LaneMasks.First512(Math.Min(Lanes, dim - d)).AsSingle();
                c0 = mean is null ? Vector512<float>.Zero : Avx512F.MaskLoad(mean + d, mask, Vector512<float>.Zero);
                float* from = x + d;
                for (int r = 0; r < count; r++, from += rowStride)
                {
                    m0 = Avx512F.Max(m0, Vector512.Abs(Avx512F.MaskLoad(from, mask, Vector512<float>.Zero) - c0));
                }
            }
        }

        return LaneMaximum.Of(Avx512F.Max(Avx512F.Max(m0, m1), Avx512F.Max(m2, m3)));
    }
}
