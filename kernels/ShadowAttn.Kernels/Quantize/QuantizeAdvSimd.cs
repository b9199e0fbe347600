using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// k8 = clamp(round((k - mean)·inverseScale), ±127);  s = max(absmax/127, √(Σ q_d²·power_d)/σ0), q8 = round(q/s).
/// 16 values at a time. Keys: FCVTNS rounds half to even and saturates, two saturating narrowings follow; columns of 16 channels run down blocks
/// of rows with the means and the 16 sums of squares (u32) in registers. Queries: two passes over each row; s keeps |q/s| within 127, so rounding is
/// an addition, and the low bytes are the result.
/// </summary>
internal static unsafe class QuantizeAdvSimd
{
    private const int Column = 16;

    /// <summary>Rows per pass over the columns: their lines stay in L1, and 127²·256 fits 32 bits.</summary>
    private const int RowBlock = 256;

    /// <summary>1.5·2^23: adding it rounds half to even to an integer, which then is the low bits.</summary>
    private const float Rounder = 12582912f;

    /// <summary>Between these the root of the largest square is the largest magnitude, to the last bit.</summary>
    private const float SmallestSquare = 1e-30f;
    private const float LargestSquare = 1e30f;

    public static QuantizeKernel Kernel => new(&Keys, &Queries);

    public static void Keys(
        float* k, nint rowStride, int keys, int dim, float* mean, float inverseScale, sbyte* k8, nint k8Stride, double* squareSums)
    {
        int whole = dim & ~(Column - 1);
        for (int first = 0; first < keys; first += RowBlock)
        {
            int rows = Math.Min(RowBlock, keys - first);
            float* block = k + (first * rowStride);
            sbyte* block8 = k8 + (first * k8Stride);
            for (int d = 0; d < whole; d += Column)
            {
                KeyColumn(
                    block + d, rowStride, rows, mean is null ? null : mean + d, inverseScale, block8 + d, k8Stride,
                    squareSums is null ? null : squareSums + d);
            }

            if (whole != dim)
            {
                QuantizeScalar.Keys(
                    block + whole, rowStride, rows, dim - whole, mean is null ? null : mean + whole, inverseScale, block8 + whole, k8Stride,
                    squareSums is null ? null : squareSums + whole);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Queries(
        float* q, nint rowStride, int rows, int dim, float* power, float sigma0, sbyte* q8, nint q8Stride, float* rowScales)
    {
        for (int r = 0; r < rows; r++)
        {
            float scale = RowScale(q, dim, power, sigma0);
            RoundRow(q, dim, 1 / scale, q8);
            rowScales[r] = scale;
            q += rowStride;
            q8 += q8Stride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void KeyColumn(
        float* k, nint rowStride, int rows, float* mean, float inverseScale, sbyte* k8, nint k8Stride, double* squareSums)
    {
        Vector128<float> m0 = Vector128<float>.Zero;
        Vector128<float> m1 = Vector128<float>.Zero;
        Vector128<float> m2 = Vector128<float>.Zero;
        Vector128<float> m3 = Vector128<float>.Zero;
        if (mean is not null)
        {
            m0 = Vector128.Load(mean);
            m1 = Vector128.Load(mean + 4);
            m2 = Vector128.Load(mean + 8);
            m3 = Vector128.Load(mean + 12);
        }

        Vector128<float> factor = Vector128.Create(inverseScale);
        Vector128<sbyte> lowest = Vector128.Create((sbyte)-127);
        Vector128<uint> s0 = Vector128<uint>.Zero;
        Vector128<uint> s1 = Vector128<uint>.Zero;
        Vector128<uint> s2 = Vector128<uint>.Zero;
        Vector128<uint> s3 = Vector128<uint>.Zero;
        for (int r = 0; r < rows; r++)
        {
            Vector128<float> a = Vector128.Load(k);
            Vector128<float> b = Vector128.Load(k + 4);
            Vector128<float> c = Vector128.Load(k + 8);
            Vector128<float> e = Vector128.Load(k + 12);
            k += rowStride;
            Vector128<sbyte> levels = Levels((a - m0) * factor, (b - m1) * factor, (c - m2) * factor, (e - m3) * factor, lowest);
            levels.Store(k8);
            k8 += k8Stride;
            Vector128<ushort> low = AdvSimd.MultiplyWideningLower(levels.GetLower(), levels.GetLower()).AsUInt16();
            Vector128<ushort> high = AdvSimd.MultiplyWideningUpper(levels, levels).AsUInt16();
            s0 = AdvSimd.AddWideningLower(s0, low.GetLower());
            s1 = AdvSimd.AddWideningUpper(s1, low);
            s2 = AdvSimd.AddWideningLower(s2, high.GetLower());
            s3 = AdvSimd.AddWideningUpper(s3, high);
        }

        if (squareSums is not null)
        {
            AddTo(squareSums, s0);
            AddTo(squareSums + 4, s1);
            AddTo(squareSums + 8, s2);
            AddTo(squareSums + 12, s3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo(double* sums, Vector128<uint> added)
    {
        (Vector128.Load(sums) + AdvSimd.Arm64.ConvertToDouble(AdvSimd.ZeroExtendWideningLower(added.GetLower()))).Store(sums);
        (Vector128.Load(sums + 2) + AdvSimd.Arm64.ConvertToDouble(AdvSimd.ZeroExtendWideningUpper(added))).Store(sums + 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Levels(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d, Vector128<sbyte> lowest)
    {
        Vector64<short> low = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ConvertToInt32RoundToEven(a));
        Vector128<short> ab = AdvSimd.ExtractNarrowingSaturateUpper(low, AdvSimd.ConvertToInt32RoundToEven(b));
        Vector64<short> high = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ConvertToInt32RoundToEven(c));
        Vector128<short> cd = AdvSimd.ExtractNarrowingSaturateUpper(high, AdvSimd.ConvertToInt32RoundToEven(d));
        return AdvSimd.Max(AdvSimd.ExtractNarrowingSaturateUpper(AdvSimd.ExtractNarrowingSaturateLower(ab), cd), lowest);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float RowScale(float* q, int dim, float* power, float sigma0)
    {
        Vector128<float> max0 = Vector128<float>.Zero;
        Vector128<float> max1 = Vector128<float>.Zero;
        Vector128<float> energy0 = Vector128<float>.Zero;
        Vector128<float> energy1 = Vector128<float>.Zero;
        float* end = q + dim;
        int whole = dim & ~(Column - 1);
        for (float* last = q + whole; q < last;)
        {
            Vector128<float> a = Vector128.Load(q);
            Vector128<float> b = Vector128.Load(q + 4);
            Vector128<float> c = Vector128.Load(q + 8);
            Vector128<float> e = Vector128.Load(q + 12);
            q += Column;
            Vector128<float> pa = Vector128.Load(power);
            Vector128<float> pb = Vector128.Load(power + 4);
            Vector128<float> pc = Vector128.Load(power + 8);
            Vector128<float> pe = Vector128.Load(power + 12);
            power += Column;
            a *= a;
            b *= b;
            c *= c;
            e *= e;
            max0 = AdvSimd.Max(max0, a);
            max1 = AdvSimd.Max(max1, b);
            max0 = AdvSimd.Max(max0, c);
            max1 = AdvSimd.Max(max1, e);
            energy0 = AdvSimd.FusedMultiplyAdd(energy0, a, pa);
            energy1 = AdvSimd.FusedMultiplyAdd(energy1, b, pb);
            energy0 = AdvSimd.FusedMultiplyAdd(energy0, c, pc);
            energy1 = AdvSimd.FusedMultiplyAdd(energy1, e, pe);
        }

        float max = AdvSimd.Arm64.MaxAcross(AdvSimd.Max(max0, max1)).ToScalar();
        max = max > SmallestSquare && max < LargestSquare ? MathF.Sqrt(max) : AbsMax(q - whole, whole);
        Vector128<float> pairs = energy0 + energy1;
        pairs = AdvSimd.Arm64.AddPairwise(pairs, pairs);
        float energy = AdvSimd.Arm64.AddPairwiseScalar(pairs.GetLower()).ToScalar();
        for (; q < end; q++, power++)
        {
            max = MathF.Max(max, MathF.Abs(*q));
            energy += *q * *q * *power;
        }

        return MathF.Max(MathF.Max(max / 127, MathF.Sqrt(energy) / sigma0), Quantize.MinScale);
    }

    private static float AbsMax(float* q, int count)
    {
        float max = 0;
        for (int d = 0; d < count; d++)
        {
            max = MathF.Max(max, MathF.Abs(q[d]));
        }

        return max;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RoundRow(float* q, int dim, float inverse, sbyte* q8)
    {
        Vector128<float> factor = Vector128.Create(inverse);
        Vector128<float> rounder = Vector128.Create(Rounder);
        float* end = q + dim;
        for (float* last = q + (dim & ~((2 * Column) - 1)); q < last; q += 2 * Column, q8 += 2 * Column)
        {
            RoundColumn(q, factor, rounder, q8);
            RoundColumn(q + Column, factor, rounder, q8 + Column);
        }

        if ((dim & Column) != 0)
        {
            RoundColumn(q, factor, rounder, q8);
            q += Column;
            q8 += Column;
        }

        for (; q < end; q++, q8++)
        {
            *q8 = (sbyte)((Vector128.CreateScalar(*q) * factor) + rounder).AsInt32().ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RoundColumn(float* q, Vector128<float> factor, Vector128<float> rounder, sbyte* q8)
    {
        Vector128<float> a = Vector128.Load(q);
        Vector128<float> b = Vector128.Load(q + 4);
        Vector128<float> c = Vector128.Load(q + 8);
        Vector128<float> d = Vector128.Load(q + 12);
        Vector128<ushort> ab = AdvSimd.Arm64.UnzipEven(((a * factor) + rounder).AsUInt16(), ((b * factor) + rounder).AsUInt16());
        Vector128<ushort> cd = AdvSimd.Arm64.UnzipEven(((c * factor) + rounder).AsUInt16(), ((d * factor) + rounder).AsUInt16());
        AdvSimd.Arm64.UnzipEven(ab.AsSByte(), cd.AsSByte()).Store(q8);
    }
}
