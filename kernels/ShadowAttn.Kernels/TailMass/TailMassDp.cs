using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// T = Σ_{i not in mask} exp(step·(score_i - reference)). With δ = reference - score = 16·a + b a weight is H[a]·L[b], two tables of 16 fractions of
/// 16 bits in two byte planes: four TBL and four UDOT (each plane of H times each of L) sum 16 scores. Kept keys get b ≥ 16, for which TBL gives 0.
/// A weight is off by at most 2^-16, so sums of at least n/64 are within 0.1 %; smaller ones are summed again by <see cref="TailMassAdvSimd"/>.
/// Registers: 4 table planes, 4 sums, 7 constants, about 8 in flight.
/// </summary>
internal static unsafe class TailMassDp
{
    private const int Block = 64;

    /// <summary>4·255² per 16 scores and lane: so many blocks of 64 fit 32 bits.</summary>
    private const int BlocksPerFlush = 4096;

    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        sbyte* first = scores;
        ulong* firstMask = mask;

        // w, w², w³, w⁴ and so on by multiplication: exp(-step·b) for b of 0 to 15, exp(-step·16·a) for a of 0 to 15.
        float power = -step * ExpAdvSimd.Log2E;
        Vector128<float> low = Power(Vector128.Create(0f, 1f, 2f, 3f) * Vector128.Create(power));
        Vector128<float> high = Power(Vector128.Create(0f, 16f, 32f, 48f) * Vector128.Create(power));
        Vector128<float> steps = Power(Vector128.Create(4f, 8f, 64f, 128f) * Vector128.Create(power));
        (Vector128<byte> low0, Vector128<byte> low1) = Planes(
            low, AdvSimd.MultiplyBySelectedScalar(low, steps, 0), AdvSimd.MultiplyBySelectedScalar(low, steps, 1), steps, 0);
        (Vector128<byte> high0, Vector128<byte> high1) = Planes(
            high, AdvSimd.MultiplyBySelectedScalar(high, steps, 2), AdvSimd.MultiplyBySelectedScalar(high, steps, 3), steps, 2);

        double sum = 0;
        int blocks = n / Block;
        for (; blocks > BlocksPerFlush; blocks -= BlocksPerFlush)
        {
            sum += Blocks((byte*)scores, mask, BlocksPerFlush, null, 0, reference, low0, low1, high0, high1);
            scores += BlocksPerFlush * Block;
            mask += BlocksPerFlush;
        }

        sum += n < Block
            ? Few((byte*)scores, *mask, n, reference, low0, low1, high0, high1)
            : WithRest((byte*)scores, mask, blocks, n % Block, reference, low0, low1, high0, high1);
        return sum * 64 >= n ? (float)sum : TailMassAdvSimd.Sum(first, firstMask, n, reference, step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Power(Vector128<float> x) =>
        AdvSimd.BitwiseClear(ExpAdvSimd.Weight(x), AdvSimd.CompareLessThan(x, Vector128.Create(ExpAdvSimd.LowestPower)));

    /// <summary>The upper and lower bytes of 16 fractions of 65535.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Upper, Vector128<byte> Lower) Planes(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> steps, int lane)
    {
        Vector128<float> d = lane == 0 ? AdvSimd.MultiplyBySelectedScalar(c, steps, 0) : AdvSimd.MultiplyBySelectedScalar(c, steps, 2);
        Vector128<float> scale = Vector128.Create(65535f);
        Vector128<ushort> ab = Fractions(a * scale, b * scale);
        Vector128<ushort> cd = Fractions(c * scale, d * scale);
        return (AdvSimd.Arm64.UnzipOdd(ab.AsByte(), cd.AsByte()), AdvSimd.Arm64.UnzipEven(ab.AsByte(), cd.AsByte()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Fractions(Vector128<float> a, Vector128<float> b) => AdvSimd.Arm64.UnzipEven(
        AdvSimd.ConvertToUInt32RoundToEven(a).AsUInt16(), AdvSimd.ConvertToUInt32RoundToEven(b).AsUInt16());

    /// <summary>Whole blocks and, unless it is null, 64 more scores with their own mask.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Blocks(
        byte* scores, ulong* mask, int blocks, byte* rest, ulong restKept, int reference, Vector128<byte> low0, Vector128<byte> low1,
        Vector128<byte> high0, Vector128<byte> high1)
    {
        Vector128<byte> top = Vector128.Create((byte)reference);
        Vector128<byte> bits = Vector128.Create(0x8040201008040201).AsByte();
        Vector128<byte> nibble = Vector128.Create((byte)15);
        Vector128<byte> spread0 = Vector128.Create(0x0000000000000000UL, 0x0101010101010101).AsByte();
        Vector128<byte> spread1 = Vector128.Create(0x0202020202020202UL, 0x0303030303030303).AsByte();
        Vector128<byte> spread2 = Vector128.Create(0x0404040404040404UL, 0x0505050505050505).AsByte();
        Vector128<byte> spread3 = Vector128.Create(0x0606060606060606UL, 0x0707070707070707).AsByte();
        Vector128<uint> upper = Vector128<uint>.Zero;
        Vector128<uint> cross0 = Vector128<uint>.Zero;
        Vector128<uint> cross1 = Vector128<uint>.Zero;
        Vector128<uint> lower = Vector128<uint>.Zero;
        byte* end = scores + ((nint)blocks * Block);
        while (true)
        {
            for (; scores < end; mask++)
            {
                Vector128<byte> kept = AdvSimd.Arm64.LoadAndReplicateToVector128(mask).AsByte();
                Vector128<byte> s0 = Vector128.Load(scores);
                Vector128<byte> s1 = Vector128.Load(scores + 16);
                Vector128<byte> s2 = Vector128.Load(scores + 32);
                Vector128<byte> s3 = Vector128.Load(scores + 48);
                scores += Block;
                Vector128<byte> d0 = top - s0;
                Vector128<byte> a0 = AdvSimd.ShiftRightLogical(d0, 4);
                Vector128<byte> b0 = (d0 & nibble) | AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(kept, spread0), bits);
                Vector128<byte> h0 = AdvSimd.Arm64.VectorTableLookup(high0, a0);
                Vector128<byte> i0 = AdvSimd.Arm64.VectorTableLookup(high1, a0);
                Vector128<byte> l0 = AdvSimd.Arm64.VectorTableLookup(low0, b0);
                Vector128<byte> m0 = AdvSimd.Arm64.VectorTableLookup(low1, b0);
                upper = Dp.DotProduct(upper, h0, l0);
                cross0 = Dp.DotProduct(cross0, h0, m0);
                cross1 = Dp.DotProduct(cross1, i0, l0);
                lower = Dp.DotProduct(lower, i0, m0);
                Vector128<byte> d1 = top - s1;
                Vector128<byte> a1 = AdvSimd.ShiftRightLogical(d1, 4);
                Vector128<byte> b1 = (d1 & nibble) | AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(kept, spread1), bits);
                Vector128<byte> h1 = AdvSimd.Arm64.VectorTableLookup(high0, a1);
                Vector128<byte> i1 = AdvSimd.Arm64.VectorTableLookup(high1, a1);
                Vector128<byte> l1 = AdvSimd.Arm64.VectorTableLookup(low0, b1);
                Vector128<byte> m1 = AdvSimd.Arm64.VectorTableLookup(low1, b1);
                upper = Dp.DotProduct(upper, h1, l1);
                cross0 = Dp.DotProduct(cross0, h1, m1);
                cross1 = Dp.DotProduct(cross1, i1, l1);
                lower = Dp.DotProduct(lower, i1, m1);
                Vector128<byte> d2 = top - s2;
                Vector128<byte> a2 = AdvSimd.ShiftRightLogical(d2, 4);
                Vector128<byte> b2 = (d2 & nibble) | AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(kept, spread2), bits);
                Vector128<byte> h2 = AdvSimd.Arm64.VectorTableLookup(high0, a2);
                Vector128<byte> i2 = AdvSimd.Arm64.VectorTableLookup(high1, a2);
                Vector128<byte> l2 = AdvSimd.Arm64.VectorTableLookup(low0, b2);
                Vector128<byte> m2 = AdvSimd.Arm64.VectorTableLookup(low1, b2);
                upper = Dp.DotProduct(upper, h2, l2);
                cross0 = Dp.DotProduct(cross0, h2, m2);
                cross1 = Dp.DotProduct(cross1, i2, l2);
                lower = Dp.DotProduct(lower, i2, m2);
                Vector128<byte> d3 = top - s3;
                Vector128<byte> a3 = AdvSimd.ShiftRightLogical(d3, 4);
                Vector128<byte> b3 = (d3 & nibble) | AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(kept, spread3), bits);
                Vector128<byte> h3 = AdvSimd.Arm64.VectorTableLookup(high0, a3);
                Vector128<byte> i3 = AdvSimd.Arm64.VectorTableLookup(high1, a3);
                Vector128<byte> l3 = AdvSimd.Arm64.VectorTableLookup(low0, b3);
                Vector128<byte> m3 = AdvSimd.Arm64.VectorTableLookup(low1, b3);
                upper = Dp.DotProduct(upper, h3, l3);
                cross0 = Dp.DotProduct(cross0, h3, m3);
                cross1 = Dp.DotProduct(cross1, i3, l3);
                lower = Dp.DotProduct(lower, i3, m3);
            }

            if (rest is null)
            {
                break;
            }

            scores = rest;
            end = rest + Block;
            mask = &restKept;
            rest = null;
        }

        double sum = (65536.0 * Across(upper)) + (256.0 * (Across(cross0) + Across(cross1))) + Across(lower);
        return sum / (65535.0 * 65535.0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Across(Vector128<uint> x) => AdvSimd.Arm64.AddAcrossWidening(x).ToScalar();

    /// <summary>Whole blocks, at least one, and <paramref name="rest"/> scores: the last 64, with those before the rest counted as kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double WithRest(
        byte* scores, ulong* mask, int blocks, int rest, int reference, Vector128<byte> low0, Vector128<byte> low1, Vector128<byte> high0,
        Vector128<byte> high1)
    {
        if (rest == 0)
        {
            return Blocks(scores, mask, blocks, null, 0, reference, low0, low1, high0, high1);
        }

        ulong kept = (mask[blocks] << (Block - rest)) | (ulong.MaxValue >> rest);
        byte* last = scores + ((nint)blocks * Block) + rest - Block;
        return Blocks(scores, mask, blocks, last, kept, reference, low0, low1, high0, high1);
    }

    [SkipLocalsInit]
    private static double Few(
        byte* scores, ulong kept, int n, int reference, Vector128<byte> low0, Vector128<byte> low1, Vector128<byte> high0, Vector128<byte> high1)
    {
        byte* block = stackalloc byte[Block];
        new ReadOnlySpan<byte>(scores, n).CopyTo(new Span<byte>(block, n));
        return Blocks(null, null, 0, block, kept | (ulong.MaxValue << n), reference, low0, low1, high0, high1);
    }
}
