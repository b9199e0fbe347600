using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// T = Σ_{i not in mask} exp(step·(score_i - reference)). With δ = reference - score = 16·a + b a weight is H[a]·L[b], two tables of 16 that
/// TBL reads for 16 scores at a time: three byte planes of an fp32 each (16 bits of mantissa), which zips put together. Kept keys get b ≥ 16,
/// for which TBL gives 0. Registers: 6 table planes, 4 sums, 3 constants, about 12 in flight.
/// </summary>
internal static unsafe class TailMassAdvSimd
{
    public static TailMassKernel Kernel => new(&Sum);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        (Vector128<byte> low1, Vector128<byte> low2, Vector128<byte> low3) = Table(step);
        (Vector128<byte> high1, Vector128<byte> high2, Vector128<byte> high3) = Table(16 * step);
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

            Vector128<byte> a1 = AdvSimd.Arm64.VectorTableLookup(high1, a);
            Vector128<byte> a2 = AdvSimd.Arm64.VectorTableLookup(high2, a);
            Vector128<byte> a3 = AdvSimd.Arm64.VectorTableLookup(high3, a);
            Vector128<byte> b1 = AdvSimd.Arm64.VectorTableLookup(low1, b);
            Vector128<byte> b2 = AdvSimd.Arm64.VectorTableLookup(low2, b);
            Vector128<byte> b3 = AdvSimd.Arm64.VectorTableLookup(low3, b);
            Vector128<ushort> aLower = AdvSimd.Arm64.ZipLow(Vector128<byte>.Zero, a1).AsUInt16();
            Vector128<ushort> aUpper = AdvSimd.Arm64.ZipLow(a2, a3).AsUInt16();
            Vector128<ushort> bLower = AdvSimd.Arm64.ZipLow(Vector128<byte>.Zero, b1).AsUInt16();
            Vector128<ushort> bUpper = AdvSimd.Arm64.ZipLow(b2, b3).AsUInt16();
            sum0 = AdvSimd.FusedMultiplyAdd(
                sum0, AdvSimd.Arm64.ZipLow(aLower, aUpper).AsSingle(), AdvSimd.Arm64.ZipLow(bLower, bUpper).AsSingle());
            sum1 = AdvSimd.FusedMultiplyAdd(
                sum1, AdvSimd.Arm64.ZipHigh(aLower, aUpper).AsSingle(), AdvSimd.Arm64.ZipHigh(bLower, bUpper).AsSingle());
            aLower = AdvSimd.Arm64.ZipHigh(Vector128<byte>.Zero, a1).AsUInt16();
            aUpper = AdvSimd.Arm64.ZipHigh(a2, a3).AsUInt16();
            bLower = AdvSimd.Arm64.ZipHigh(Vector128<byte>.Zero, b1).AsUInt16();
            bUpper = AdvSimd.Arm64.ZipHigh(b2, b3).AsUInt16();
            sum2 = AdvSimd.FusedMultiplyAdd(
                sum2, AdvSimd.Arm64.ZipLow(aLower, aUpper).AsSingle(), AdvSimd.Arm64.ZipLow(bLower, bUpper).AsSingle());
            sum3 = AdvSimd.FusedMultiplyAdd(
                sum3, AdvSimd.Arm64.ZipHigh(aLower, aUpper).AsSingle(), AdvSimd.Arm64.ZipHigh(bLower, bUpper).AsSingle());
        }

        return Vector128.Sum((sum0 + sum1) + (sum2 + sum3));
    }

    /// <summary>Three byte planes, from the second-lowest up, of exp(-step·i) for i = 0 to 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector128<byte> Plane1, Vector128<byte> Plane2, Vector128<byte> Plane3) Table(float step)
    {
        float power = -step * ExpAdvSimd.Log2E;
        Vector128<float> levels = Vector128.Create(0f, 1f, 2f, 3f) * Vector128.Create(power);
        Vector128<float> four = Vector128.Create(4 * power);
        (Vector128<ushort> lower0, Vector128<ushort> upper0) = Halves(levels, levels + four);
        (Vector128<ushort> lower1, Vector128<ushort> upper1) = Halves(levels + four + four, levels + four + four + four);
        return (
            AdvSimd.Arm64.UnzipOdd(lower0.AsByte(), lower1.AsByte()),
            AdvSimd.Arm64.UnzipEven(upper0.AsByte(), upper1.AsByte()),
            AdvSimd.Arm64.UnzipOdd(upper0.AsByte(), upper1.AsByte()));
    }

    /// <summary>The lower and upper 16 bits of 2^x of 8 values, rounded to 24 bits; 0 below 2^-126.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ushort> Lower, Vector128<ushort> Upper) Halves(Vector128<float> x, Vector128<float> y)
    {
        Vector128<ushort> a = Rounded(x);
        Vector128<ushort> b = Rounded(y);
        return (AdvSimd.Arm64.UnzipEven(a, b), AdvSimd.Arm64.UnzipOdd(a, b));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Rounded(Vector128<float> x)
    {
        Vector128<uint> bits = ExpAdvSimd.Weight(x).AsUInt32() + Vector128.Create(0x80u);
        return AdvSimd.BitwiseClear(bits, AdvSimd.CompareLessThan(x, Vector128.Create(ExpAdvSimd.LowestPower)).AsUInt32()).AsUInt16();
    }
}
