using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// w = exp(-step·e) with e = reference - score = 16a + b is H[a]·L[b], tables in byte planes as in <see cref="TailMassAdvSimd"/>; 16 keys at a time.
/// Σ w and Σ e·w in fp32, parts of a row in double. Scores and squares: pairwise widening sums. Registers: 6 table planes, 10 sums, 3 constants,
/// about 12 in flight.
/// </summary>
internal static unsafe class TailMomentsAdvSimd
{
    /// <summary>Keys whose weights are summed in fp32 before the sums go to double.</summary>
    private const int Part = 1 << 14;

    public static TailMomentsKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        double mass = 0;
        double distance = 0;
        sums->Scores = 0;
        sums->Squares = 0;
        for (int i = 0; i < n; i += Part)
        {
            SumPart(scores + i, (ushort*)(mask + (i / 64)), Math.Min(Part, n - i), reference, step, sums);
            mass += sums->Mass;
            distance += sums->Distance;
        }

        sums->Mass = (float)mass;
        sums->Distance = (float)distance;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumPart(sbyte* scores, ushort* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        (Vector128<byte> low1, Vector128<byte> low2, Vector128<byte> low3) = TailMassAdvSimd.Table(step);
        (Vector128<byte> high1, Vector128<byte> high2, Vector128<byte> high3) = TailMassAdvSimd.Table(16 * step);
        Vector128<byte> top = Vector128.Create((byte)reference);
        Vector128<byte> spread = Vector128.Create(0UL, 0x0101010101010101).AsByte();
        Vector128<byte> bits = Vector128.Create(0x8040201008040201).AsByte();
        Vector128<float> mass0 = Vector128<float>.Zero;
        Vector128<float> mass1 = Vector128<float>.Zero;
        Vector128<float> distance0 = Vector128<float>.Zero;
        Vector128<float> distance1 = Vector128<float>.Zero;
        Vector128<int> total = Vector128<int>.Zero;
        Vector128<int> squares = Vector128<int>.Zero;
        sbyte* rest = stackalloc sbyte[16];
        for (int i = 0; i < n; i += 16, mask++)
        {
            int kept = *mask;
            sbyte* p = scores + i;
            if (i + 16 > n)
            {
                kept |= 0xFFFF << (n - i);
                new Span<sbyte>(rest, 16).Clear();
                new ReadOnlySpan<sbyte>(p, n - i).CopyTo(new Span<sbyte>(rest, 16));
                p = rest;
            }

            Vector128<sbyte> s = Vector128.Load(p);
            total = AdvSimd.AddPairwiseWideningAndAdd(total, AdvSimd.AddPairwiseWidening(s));
            squares = AdvSimd.AddPairwiseWideningAndAdd(squares, AdvSimd.MultiplyWideningLower(s.GetLower(), s.GetLower()));
            squares = AdvSimd.AddPairwiseWideningAndAdd(squares, AdvSimd.MultiplyWideningUpper(s, s));
            Vector128<byte> e = top - s.AsByte();
            Vector128<byte> keptBits = AdvSimd.Arm64.VectorTableLookup(Vector128.Create((ushort)kept).AsByte(), spread);
            Vector128<byte> a = AdvSimd.ShiftRightLogical(e, 4);
            Vector128<byte> b = (e & Vector128.Create((byte)15)) | AdvSimd.CompareTest(keptBits, bits);
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
            Vector128<ushort> eLow = AdvSimd.ZeroExtendWideningLower(e.GetLower());
            Vector128<ushort> eHigh = AdvSimd.ZeroExtendWideningUpper(e);
            Vector128<float> w0 = AdvSimd.Arm64.ZipLow(aLower, aUpper).AsSingle() * AdvSimd.Arm64.ZipLow(bLower, bUpper).AsSingle();
            Vector128<float> w1 = AdvSimd.Arm64.ZipHigh(aLower, aUpper).AsSingle() * AdvSimd.Arm64.ZipHigh(bLower, bUpper).AsSingle();
            mass0 += w0;
            mass1 += w1;
            distance0 = AdvSimd.FusedMultiplyAdd(distance0, w0, AdvSimd.ConvertToSingle(AdvSimd.ZeroExtendWideningLower(eLow.GetLower())));
            distance1 = AdvSimd.FusedMultiplyAdd(distance1, w1, AdvSimd.ConvertToSingle(AdvSimd.ZeroExtendWideningUpper(eLow)));
            aLower = AdvSimd.Arm64.ZipHigh(Vector128<byte>.Zero, a1).AsUInt16();
            aUpper = AdvSimd.Arm64.ZipHigh(a2, a3).AsUInt16();
            bLower = AdvSimd.Arm64.ZipHigh(Vector128<byte>.Zero, b1).AsUInt16();
            bUpper = AdvSimd.Arm64.ZipHigh(b2, b3).AsUInt16();
            w0 = AdvSimd.Arm64.ZipLow(aLower, aUpper).AsSingle() * AdvSimd.Arm64.ZipLow(bLower, bUpper).AsSingle();
            w1 = AdvSimd.Arm64.ZipHigh(aLower, aUpper).AsSingle() * AdvSimd.Arm64.ZipHigh(bLower, bUpper).AsSingle();
            mass0 += w0;
            mass1 += w1;
            distance0 = AdvSimd.FusedMultiplyAdd(distance0, w0, AdvSimd.ConvertToSingle(AdvSimd.ZeroExtendWideningLower(eHigh.GetLower())));
            distance1 = AdvSimd.FusedMultiplyAdd(distance1, w1, AdvSimd.ConvertToSingle(AdvSimd.ZeroExtendWideningUpper(eHigh)));
        }

        sums->Mass = Vector128.Sum(mass0 + mass1);
        sums->Distance = Vector128.Sum(distance0 + distance1);
        sums->Scores += Vector128.Sum(total);
        sums->Squares += Vector128.Sum(squares);
    }
}
