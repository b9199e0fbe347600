using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// T = Σ_{i not in mask} exp(step·(score_i - reference)). With δ = reference - score = 16·a + b a weight is H[a]·L[b], two tables of 16 that
/// TBL reads for 16 scores at a time. H is three byte planes of an fp32 (16 bits of mantissa) and carries 2^96; L is 16 bits, which shifted left by
/// 12 are an fp32 of 2^-96·L with 11 bits of mantissa: one rounding of 2^-12 in all. Kept keys get b ≥ 16, for which TBL gives 0.
/// Registers: 5 table planes, 4 sums, 2 for the mask bits, about 12 in flight.
/// </summary>
internal static unsafe class TailMassAdvSimd
{
    /// <summary>L[15] must be a normal number of 5 bits of exponent.</summary>
    private const float LargestStep = 2;

    public static TailMassKernel Kernel => new(&Sum);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        float power = step * ExpAdvSimd.Log2E;
        if (!(power <= LargestStep))
        {
            return TailMassScalar.Sum(scores, mask, n, reference, step);
        }

        Vector128<float> levels = Vector128.Create(0f, -1f, -2f, -3f) * Vector128.Create(power);
        Vector128<float> four = Vector128.Create(-4 * power);
        Vector128<ushort> l0 = LowWeights(levels, levels + four);
        Vector128<ushort> l1 = LowWeights(levels + four + four, levels + four + four + four);
        Vector128<byte> lowTable0 = AdvSimd.Arm64.UnzipEven(l0.AsByte(), l1.AsByte());
        Vector128<byte> lowTable1 = AdvSimd.Arm64.UnzipOdd(l0.AsByte(), l1.AsByte());

        levels *= Vector128.Create(16f);
        four *= Vector128.Create(16f);
        Vector128<ushort> h0 = HighWeights(levels);
        Vector128<ushort> h1 = HighWeights(levels + four);
        Vector128<ushort> h2 = HighWeights(levels + four + four);
        Vector128<ushort> h3 = HighWeights(levels + four + four + four);
        Vector128<byte> lower0 = AdvSimd.Arm64.UnzipEven(h0, h1).AsByte();
        Vector128<byte> lower1 = AdvSimd.Arm64.UnzipEven(h2, h3).AsByte();
        Vector128<byte> upper0 = AdvSimd.Arm64.UnzipOdd(h0, h1).AsByte();
        Vector128<byte> upper1 = AdvSimd.Arm64.UnzipOdd(h2, h3).AsByte();
        Vector128<byte> highTable1 = AdvSimd.Arm64.UnzipOdd(lower0, lower1);
        Vector128<byte> highTable2 = AdvSimd.Arm64.UnzipEven(upper0, upper1);
        Vector128<byte> highTable3 = AdvSimd.Arm64.UnzipOdd(upper0, upper1);

        Vector128<byte> top = Vector128.Create((byte)reference);
        Vector128<byte> spread = Vector128.Create(0UL, 0x0101010101010101).AsByte();
        Vector128<byte> bits = Vector128.Create(0x8040201008040201).AsByte();
        Vector128<float> sum0 = Vector128<float>.Zero;
        Vector128<float> sum1 = Vector128<float>.Zero;
        Vector128<float> sum2 = Vector128<float>.Zero;
        Vector128<float> sum3 = Vector128<float>.Zero;
        byte* rest = stackalloc byte[16];
        int whole = n / 16;
        int blocks = (n + 15) / 16;
        for (int block = 0; block < blocks; block++)
        {
            byte* p = (byte*)scores + ((nint)block * 16);
            int kept = ((ushort*)mask)[block];
            if (block == whole)
            {
                kept |= 0xFFFF << (n & 15);
                for (int i = 0; i < (n & 15); i++)
                {
                    rest[i] = p[i];
                }

                p = rest;
            }

            Vector128<byte> keptBits = Vector128.Create((ushort)kept).AsByte();
            Vector128<byte> isKept = AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(keptBits, spread), bits);
            Vector128<byte> below = top - Vector128.Load(p);
            Vector128<byte> a = AdvSimd.ShiftRightLogical(below, 4);
            Vector128<byte> b = (below & Vector128.Create((byte)15)) | isKept;

            Vector128<byte> low0 = AdvSimd.Arm64.VectorTableLookup(lowTable0, b);
            Vector128<byte> low1 = AdvSimd.Arm64.VectorTableLookup(lowTable1, b);
            Vector128<ushort> lows0 = AdvSimd.Arm64.ZipLow(low0, low1).AsUInt16();
            Vector128<ushort> lows1 = AdvSimd.Arm64.ZipHigh(low0, low1).AsUInt16();

            Vector128<byte> high1 = AdvSimd.Arm64.VectorTableLookup(highTable1, a);
            Vector128<byte> high2 = AdvSimd.Arm64.VectorTableLookup(highTable2, a);
            Vector128<byte> high3 = AdvSimd.Arm64.VectorTableLookup(highTable3, a);
            Vector128<ushort> lowers0 = AdvSimd.Arm64.ZipLow(Vector128<byte>.Zero, high1).AsUInt16();
            Vector128<ushort> lowers1 = AdvSimd.Arm64.ZipHigh(Vector128<byte>.Zero, high1).AsUInt16();
            Vector128<ushort> uppers0 = AdvSimd.Arm64.ZipLow(high2, high3).AsUInt16();
            Vector128<ushort> uppers1 = AdvSimd.Arm64.ZipHigh(high2, high3).AsUInt16();

            sum0 = AdvSimd.FusedMultiplyAdd(
                sum0, AdvSimd.Arm64.ZipLow(lowers0, uppers0).AsSingle(), AdvSimd.ShiftLeftLogicalWideningLower(lows0.GetLower(), 12).AsSingle());
            sum1 = AdvSimd.FusedMultiplyAdd(
                sum1, AdvSimd.Arm64.ZipHigh(lowers0, uppers0).AsSingle(), AdvSimd.ShiftLeftLogicalWideningUpper(lows0, 12).AsSingle());
            sum2 = AdvSimd.FusedMultiplyAdd(
                sum2, AdvSimd.Arm64.ZipLow(lowers1, uppers1).AsSingle(), AdvSimd.ShiftLeftLogicalWideningLower(lows1.GetLower(), 12).AsSingle());
            sum3 = AdvSimd.FusedMultiplyAdd(
                sum3, AdvSimd.Arm64.ZipHigh(lowers1, uppers1).AsSingle(), AdvSimd.ShiftLeftLogicalWideningUpper(lows1, 12).AsSingle());
        }

        return Vector128.Sum((sum0 + sum1) + (sum2 + sum3));
    }

    /// <summary>2^x of 8 values in 16 bits: 5 of exponent, 11 of mantissa, 1 being the largest exponent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> LowWeights(Vector128<float> x, Vector128<float> y)
    {
        Vector128<uint> rounder = Vector128.Create(unchecked((1u << 11) - (96u << 23)));
        Vector64<ushort> low = AdvSimd.ShiftRightLogicalNarrowingLower(ExpAdvSimd.Weight(x).AsUInt32() + rounder, 12);
        return AdvSimd.ShiftRightLogicalNarrowingUpper(low, ExpAdvSimd.Weight(y).AsUInt32() + rounder, 12);
    }

    /// <summary>2^(x + 96) as fp32, rounded to 16 bits of mantissa, 0 where that is no normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> HighWeights(Vector128<float> x)
    {
        Vector128<float> half = x * Vector128.Create(0.5f);
        Vector128<float> root = ExpAdvSimd.Weight(half);
        Vector128<float> scaled = (root * Vector128.Create(281474976710656f)) * (root * Vector128.Create(281474976710656f));
        Vector128<uint> rounded = scaled.AsUInt32() + Vector128.Create(0x80u);
        return AdvSimd.BitwiseClear(rounded, AdvSimd.CompareLessThan(x, Vector128.Create(-220f)).AsUInt32()).AsUInt16();
    }
}
