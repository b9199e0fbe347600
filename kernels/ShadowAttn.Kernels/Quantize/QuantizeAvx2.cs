using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>k8 = clamp(round((k - mean)·inverseScale), ±127);  s = max(absmax/127, √(Σ q_d²·power_d)/σ0), q8 = round(q/s).</summary>
/// <remarks>
/// <para>Keys: columns of 32 channels over 4 rows at a time, so that longer rows come from memory once; the squares of the levels are summed in
/// fp32, which is exact for up to 1040 rows, then added to the doubles.</para>
/// <para>Queries: 8 rows are measured, their scales computed together, then the rows, now in the L1 cache, divided. Levels go through two
/// saturating packs and one permutation of dwords; channels behind the last whole column of 32 go by eights.</para>
/// </remarks>
internal static unsafe class QuantizeAvx2
{
    private const int Column = 32;
    private const int Lanes = 8;
    private const int BlockRows = 4;

    public static QuantizeKernel Kernel => new(&Keys, &Queries);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Keys(
        float* k, nint rowStride, int keys, int dim, float* mean, float inverseScale, sbyte* k8, nint k8Stride, double* squareSums)
    {
        Vector256<float> scale = Vector256.Create(inverseScale);
        for (int first = 0; first < keys; first += BlockRows, k += BlockRows * rowStride, k8 += BlockRows * k8Stride)
        {
            int rows = Math.Min(BlockRows, keys - first);
            int d = 0;
            for (; d + Column <= dim; d += Column)
            {
                Vector256<float> c0 = Vector256<float>.Zero, c1 = c0, c2 = c0, c3 = c0;
                Vector256<float> s0 = c0, s1 = c0, s2 = c0, s3 = c0;
                if (mean is not null)
                {
                    c0 = Vector256.Load(mean + d);
                    c1 = Vector256.Load(mean + d + 8);
                    c2 = Vector256.Load(mean + d + 16);
                    c3 = Vector256.Load(mean + d + 24);
                }

                float* from = k + d;
                sbyte* to = k8 + d;
                for (int r = 0; r < rows; r++, from += rowStride, to += k8Stride)
                {
                    Vector256<float> l0 = Level(Vector256.Load(from), c0, scale), l1 = Level(Vector256.Load(from + 8), c1, scale);
                    Vector256<float> l2 = Level(Vector256.Load(from + 16), c2, scale), l3 = Level(Vector256.Load(from + 24), c3, scale);
                    s0 = Fma.MultiplyAdd(l0, l0, s0);
                    s1 = Fma.MultiplyAdd(l1, l1, s1);
                    s2 = Fma.MultiplyAdd(l2, l2, s2);
                    s3 = Fma.MultiplyAdd(l3, l3, s3);
                    Pack(l0, l1, l2, l3).Store(to);
                }

                if (squareSums is not null)
                {
                    Add(squareSums + d, s0, Lanes);
                    Add(squareSums + d + 8, s1, Lanes);
                    Add(squareSums + d + 16, s2, Lanes);
                    Add(squareSums + d + 24, s3, Lanes);
                }
            }

            for (; d < dim; d += Lanes)
            {
                int count = Math.Min(Lanes, dim - d);
                Vector256<float> mask = LaneMasks.First256(count).AsSingle();
                Vector256<float> center = mean is null ? Vector256<float>.Zero : Avx.MaskLoad(mean + d, mask);
                Vector256<float> sum = Vector256<float>.Zero;
                for (int r = 0; r < rows; r++)
                {
                    Vector256<float> level = Level(Avx.MaskLoad(k + (r * rowStride) + d, mask), center, scale);
                    sum = Fma.MultiplyAdd(level, level, sum);
                    Store(k8 + (r * k8Stride) + d, level, count);
                }

                if (squareSums is not null)
                {
                    Add(squareSums + d, sum, count);
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
        for (int first = 0; first < rows; first += Lanes, q += Lanes * rowStride, q8 += Lanes * q8Stride, rowScales += Lanes)
        {
            int count = Math.Min(Lanes, rows - first);
            for (int r = 0; r < count; r++)
            {
                Measure(q + (r * rowStride), dim, tail, power, maxima + r, energies + r);
            }

            Vector256<float> scales = Avx.Max(
                Vector256.Load(maxima) / Vector256.Create(127f),
                Avx.Sqrt(Vector256.Load(energies)) / Vector256.Create(sigma0));
            scales = Avx.Max(scales, Vector256.Create(Quantize.MinScale));
            Vector256<float> mask = LaneMasks.First256(count).AsSingle();
            Avx.MaskStore(rowScales, mask, scales);
            (Vector256<float>.One / scales).Store(maxima);
            for (int r = 0; r < count; r++)
            {
                Divide(q + (r * rowStride), dim, tail, Vector256.Create(maxima[r]), q8 + (r * q8Stride));
            }
        }
    }

    /// <summary>max |q_d| and Σ q_d²·power_d of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Measure(float* q, int dim, int tail, float* power, float* max, float* energy)
    {
        Vector256<float> m0 = Vector256<float>.Zero, m1 = m0, m2 = m0, m3 = m0;
        Vector256<float> e0 = m0, e1 = m0, e2 = m0, e3 = m0;
        for (int d = 0; d < tail; d += Column)
        {
            Vector256<float> v0 = Vector256.Load(q + d), v1 = Vector256.Load(q + d + 8);
            Vector256<float> v2 = Vector256.Load(q + d + 16), v3 = Vector256.Load(q + d + 24);
            m0 = Avx.Max(m0, Vector256.Abs(v0));
            m1 = Avx.Max(m1, Vector256.Abs(v1));
            m2 = Avx.Max(m2, Vector256.Abs(v2));
            m3 = Avx.Max(m3, Vector256.Abs(v3));
            e0 = Fma.MultiplyAdd(v0 * v0, Vector256.Load(power + d), e0);
            e1 = Fma.MultiplyAdd(v1 * v1, Vector256.Load(power + d + 8), e1);
            e2 = Fma.MultiplyAdd(v2 * v2, Vector256.Load(power + d + 16), e2);
            e3 = Fma.MultiplyAdd(v3 * v3, Vector256.Load(power + d + 24), e3);
        }

        for (int d = tail; d < dim; d += Lanes)
        {
            Vector256<float> mask = LaneMasks.First256(Math.Min(Lanes, dim - d)).AsSingle();
            Vector256<float> v = Avx.MaskLoad(q + d, mask);
            m0 = Avx.Max(m0, Vector256.Abs(v));
            e0 = Fma.MultiplyAdd(v * v, Avx.MaskLoad(power + d, mask), e0);
        }

        *max = LaneMaximum.Of(Avx.Max(Avx.Max(m0, m1), Avx.Max(m2, m3)));
        *energy = Vector256.Sum(e0 + e1 + (e2 + e3));
    }

    /// <summary>round(q·inverse), at most 127 in magnitude as the scale is at least that of the largest value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Divide(float* q, int dim, int tail, Vector256<float> inverse, sbyte* q8)
    {
        for (int d = 0; d < tail; d += Column)
        {
            Pack(
                Vector256.Load(q + d) * inverse,
                Vector256.Load(q + d + 8) * inverse,
                Vector256.Load(q + d + 16) * inverse,
                Vector256.Load(q + d + 24) * inverse).Store(q8 + d);
        }

        for (int d = tail; d < dim; d += Lanes)
        {
            int count = Math.Min(Lanes, dim - d);
            Store(q8 + d, Avx.MaskLoad(q + d, LaneMasks.First256(count).AsSingle()) * inverse, count);
        }
    }

    /// <summary>clamp(round((x - center)·scale), ±127).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Level(Vector256<float> x, Vector256<float> center, Vector256<float> scale)
    {
        Vector256<float> level = Avx.RoundToNearestInteger((x - center) * scale);
        return Avx.Min(Avx.Max(level, Vector256.Create(-127f)), Vector256.Create(127f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Pack(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<short> ab = Avx2.PackSignedSaturate(Avx.ConvertToVector256Int32(a), Avx.ConvertToVector256Int32(b));
        Vector256<short> cd = Avx2.PackSignedSaturate(Avx.ConvertToVector256Int32(c), Avx.ConvertToVector256Int32(d));
        return Avx2.PermuteVar8x32(Avx2.PackSignedSaturate(ab, cd).AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsSByte();
    }

    /// <summary>Stores the first <paramref name="count"/> of 8 levels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(sbyte* to, Vector256<float> levels, int count)
    {
        Vector256<int> v = Avx.ConvertToVector256Int32(levels);
        Vector128<short> words = Sse2.PackSignedSaturate(v.GetLower(), v.GetUpper());
        ulong bytes = Sse2.PackSignedSaturate(words, words).AsUInt64().ToScalar();
        if (count == Lanes)
        {
            Unsafe.WriteUnaligned(to, bytes);
            return;
        }

        for (int i = 0; i < count; i++, bytes >>= 8)
        {
            to[i] = (sbyte)bytes;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(double* to, Vector256<float> sum, int count)
    {
        Vector256<double> low = LaneMasks.First256Double(count), high = LaneMasks.First256Double(count - 4);
        Avx.MaskStore(to, low, Avx.MaskLoad(to, low) + Avx.ConvertToVector256Double(sum.GetLower()));
        Avx.MaskStore(to + 4, high, Avx.MaskLoad(to + 4, high) + Avx.ConvertToVector256Double(sum.GetUpper()));
    }
}
