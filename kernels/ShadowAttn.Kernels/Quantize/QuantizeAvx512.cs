using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>k8 = clamp(round((k - mean)·inverseScale), ±127);  s = max(absmax/127, √(Σ q_d²·power_d)/σ0), q8 = round(q/s).</summary>
/// <remarks>
/// <para>Keys: columns of 64 channels over 4 rows at a time, so that longer rows come from memory once; the squares of the levels are summed in
/// fp32, which is exact for up to 1040 rows, then added to the doubles.</para>
/// <para>Queries: 16 rows are measured, while the next 16 are prefetched, their scales computed together, then the rows, now in the L1 cache, divided. Levels go through two
/// saturating packs and one permutation of dwords; channels behind the last whole column of 64 go by sixteens.</para>
/// </remarks>
internal static unsafe class QuantizeAvx512
{
    private const int Column = 64;
    private const int Lanes = 16;
    private const int BlockRows = 4;

    public static QuantizeKernel Kernel => new(&Keys, &Queries);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Keys(
        float* k, nint rowStride, int keys, int dim, float* mean, float inverseScale, sbyte* k8, nint k8Stride, double* squareSums)
    {
        Vector512<float> scale = Vector512.Create(inverseScale);
        for (int first = 0; first < keys; first += BlockRows, k += BlockRows * rowStride, k8 += BlockRows * k8Stride)
        {
            int rows = Math.Min(BlockRows, keys - first);
            int d = 0;
            for (; d + Column <= dim; d += Column)
            {
                Vector512<float> c0 = Vector512<float>.Zero, c1 = c0, c2 = c0, c3 = c0;
                Vector512<float> s0 = c0, s1 = c0, s2 = c0, s3 = c0;
                if (mean is not null)
                {
                    c0 = Vector512.Load(mean + d);
                    c1 = Vector512.Load(mean + d + 16);
                    c2 = Vector512.Load(mean + d + 32);
                    c3 = Vector512.Load(mean + d + 48);
                }

                float* from = k + d;
                sbyte* to = k8 + d;
                for (int r = 0; r < rows; r++, from += rowStride, to += k8Stride)
                {
                    Vector512<float> l0 = Level(Vector512.Load(from), c0, scale), l1 = Level(Vector512.Load(from + 16), c1, scale);
                    Vector512<float> l2 = Level(Vector512.Load(from + 32), c2, scale), l3 = Level(Vector512.Load(from + 48), c3, scale);
                    s0 = Avx512F.FusedMultiplyAdd(l0, l0, s0);
                    s1 = Avx512F.FusedMultiplyAdd(l1, l1, s1);
                    s2 = Avx512F.FusedMultiplyAdd(l2, l2, s2);
                    s3 = Avx512F.FusedMultiplyAdd(l3, l3, s3);
                    Pack(l0, l1, l2, l3).Store(to);
                }

                if (squareSums is not null)
                {
                    Add(squareSums + d, s0);
                    Add(squareSums + d + 16, s1);
                    Add(squareSums + d + 32, s2);
                    Add(squareSums + d + 48, s3);
                }
            }

            for (; d < dim; d += Lanes)
            {
                int count = Math.Min(Lanes, dim - d);
                Vector512<float> mask = LaneMasks.First512(count).AsSingle();
                Vector512<float> center = mean is null ? Vector512<float>.Zero : Avx512F.MaskLoad(mean + d, mask, Vector512<float>.Zero);
                Vector512<float> sum = Vector512<float>.Zero;
                for (int r = 0; r < rows; r++)
                {
                    Vector512<float> level = Level(Avx512F.MaskLoad(k + (r * rowStride) + d, mask, Vector512<float>.Zero), center, scale);
                    sum = Avx512F.FusedMultiplyAdd(level, level, sum);
                    Store(k8 + (r * k8Stride) + d, level, count);
                }

                if (squareSums is not null)
                {
                    Vector512<double> low = LaneMasks.First512Double(count), high = LaneMasks.First512Double(count - 8);
                    Vector512<double> before = Avx512F.MaskLoad(squareSums + d, low, Vector512<double>.Zero);
                    Avx512F.MaskStore(squareSums + d, low, before + Avx512F.ConvertToVector512Double(sum.GetLower()));
                    before = Avx512F.MaskLoad(squareSums + d + 8, high, Vector512<double>.Zero);
                    Avx512F.MaskStore(squareSums + d + 8, high, before + Avx512F.ConvertToVector512Double(sum.GetUpper()));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Queries(
        float* q, nint rowStride, int rows, int dim, float* power, float sigma0, sbyte* q8, nint q8Stride, float* rowScales)
    {
        float* maxima = stackalloc float[Lanes];
        float* energies = stackalloc float[Lanes];
        new Span<float>(maxima, Lanes).Clear();
        new Span<float>(energies, Lanes).Clear();
        int tail = dim & ~(Column - 1);
        for (int r = 0; r < Math.Min(Lanes, rows); r++)
        {
            Prefetch(q + (r * rowStride), dim);
        }

        for (int first = 0; first < rows; first += Lanes, q += Lanes * rowStride, q8 += Lanes * q8Stride, rowScales += Lanes)
        {
            int count = Math.Min(Lanes, rows - first);
            int ahead = rows - first - Lanes;
            for (int r = 0; r < count; r++)
            {
                if (r < ahead)
                {
                    Prefetch(q + ((r + Lanes) * rowStride), dim);
                }

                Measure(q + (r * rowStride), dim, tail, power, maxima + r, energies + r);
            }

            Vector512<float> scales = Avx512F.Max(
                Vector512.Load(maxima) / Vector512.Create(127f),
                Avx512F.Sqrt(Vector512.Load(energies)) / Vector512.Create(sigma0));
            scales = Avx512F.Max(scales, Vector512.Create(Quantize.MinScale));
            Vector512<float> mask = LaneMasks.First512(count).AsSingle();
            Avx512F.MaskStore(rowScales, mask, scales);
            (Vector512<float>.One / scales).Store(maxima);
            for (int r = 0; r < count; r++)
            {
                Divide(q + (r * rowStride), dim, tail, Vector512.Create(maxima[r]), q8 + (r * q8Stride));
            }
        }
    }

    /// <summary>Asks for a row early: the rows of a head rarely come from a cache, and every call starts a stream of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* q, int dim)
    {
        for (int d = 0; d < dim; d += Lanes)
        {
            Sse.Prefetch0(q + d);
        }
    }

    /// <summary>max |q_d| and Σ q_d²·power_d of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Measure(float* q, int dim, int tail, float* power, float* max, float* energy)
    {
        Vector512<float> m0 = Vector512<float>.Zero, m1 = m0, m2 = m0, m3 = m0;
        Vector512<float> e0 = m0, e1 = m0, e2 = m0, e3 = m0;
        for (int d = 0; d < tail; d += Column)
        {
            Vector512<float> v0 = Vector512.Load(q + d), v1 = Vector512.Load(q + d + 16);
            Vector512<float> v2 = Vector512.Load(q + d + 32), v3 = Vector512.Load(q + d + 48);
            m0 = Avx512F.Max(m0, Vector512.Abs(v0));
            m1 = Avx512F.Max(m1, Vector512.Abs(v1));
            m2 = Avx512F.Max(m2, Vector512.Abs(v2));
            m3 = Avx512F.Max(m3, Vector512.Abs(v3));
            e0 = Avx512F.FusedMultiplyAdd(v0 * v0, Vector512.Load(power + d), e0);
            e1 = Avx512F.FusedMultiplyAdd(v1 * v1, Vector512.Load(power + d + 16), e1);
            e2 = Avx512F.FusedMultiplyAdd(v2 * v2, Vector512.Load(power + d + 32), e2);
            e3 = Avx512F.FusedMultiplyAdd(v3 * v3, Vector512.Load(power + d + 48), e3);
        }

        for (int d = tail; d < dim; d += Lanes)
        {
            Vector512<float> mask = LaneMasks.First512(Math.Min(Lanes, dim - d)).AsSingle();
            Vector512<float> v = Avx512F.MaskLoad(q + d, mask, Vector512<float>.Zero);
            m0 = Avx512F.Max(m0, Vector512.Abs(v));
            e0 = Avx512F.FusedMultiplyAdd(v * v, Avx512F.MaskLoad(power + d, mask, Vector512<float>.Zero), e0);
        }

        *max = LaneMaximum.Of(Avx512F.Max(Avx512F.Max(m0, m1), Avx512F.Max(m2, m3)));
        *energy = Vector512.Sum(e0 + e1 + (e2 + e3));
    }

    /// <summary>round(q·inverse), at most 127 in magnitude as the scale is at least that of the largest value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Divide(float* q, int dim, int tail, Vector512<float> inverse, sbyte* q8)
    {
        for (int d = 0; d < tail; d += Column)
        {
            Pack(
                Vector512.Load(q + d) * inverse,
                Vector512.Load(q + d + 16) * inverse,
                Vector512.Load(q + d + 32) * inverse,
                Vector512.Load(q + d + 48) * inverse).Store(q8 + d);
        }

        for (int d = tail; d < dim; d += Lanes)
        {
            int count = Math.Min(Lanes, dim - d);
            Store(q8 + d, Avx512F.MaskLoad(q + d, LaneMasks.First512(count).AsSingle(), Vector512<float>.Zero) * inverse, count);
        }
    }

    /// <summary>clamp(round((x - center)·scale), ±127).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Level(Vector512<float> x, Vector512<float> center, Vector512<float> scale)
    {
        Vector512<float> level = Avx512F.RoundScale((x - center) * scale, 0);
        return Avx512F.Min(Avx512F.Max(level, Vector512.Create(-127f)), Vector512.Create(127f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> Pack(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<short> ab = Avx512BW.PackSignedSaturate(Avx512F.ConvertToVector512Int32(a), Avx512F.ConvertToVector512Int32(b));
        Vector512<short> cd = Avx512BW.PackSignedSaturate(Avx512F.ConvertToVector512Int32(c), Avx512F.ConvertToVector512Int32(d));
        return Avx512F.PermuteVar16x32(
            Avx512BW.PackSignedSaturate(ab, cd).AsInt32(), Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)).AsSByte();
    }

    /// <summary>Stores the first <paramref name="count"/> of 16 levels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(sbyte* to, Vector512<float> levels, int count) =>
        Avx512BW.VL.MaskStore(
            to,
            LaneMasks.First128Bytes(count),
            Avx512F.ConvertToVector128SByteWithSaturation(Avx512F.ConvertToVector512Int32(levels)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(double* to, Vector512<float> sum)
    {
        (Vector512.Load(to) + Avx512F.ConvertToVector512Double(sum.GetLower())).Store(to);
        (Vector512.Load(to + 8) + Avx512F.ConvertToVector512Double(sum.GetUpper())).Store(to + 8);
    }
}
