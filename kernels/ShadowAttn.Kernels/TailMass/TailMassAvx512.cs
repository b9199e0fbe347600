using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(-step·e) with e = reference - score = 16a + b is coarse[a]·fine[b], both of 16 fp32 entries and ≤ 1, so no key costs an exponential.
/// Fixed point: all 256 levels as 16-bit numbers (65535 = the weight of the reference), low and high bytes in four registers each; 64 keys at a
/// time look up both bytes (VPERMI2B) and add up exactly; kept keys look up e = 0 and are taken off by their number. Rounding costs at most half
/// a unit per key, so the sum itself tells whether it is good enough; steep steps and sums far below the reference take the exact way.
/// Exact: 16 keys at a time widen, look up both factors (VPERMPS) and multiply and add in fp32, parts of a row in double.
/// </summary>
internal static unsafe class TailMassAvx512
{
    private const int Levels = 256;

    /// <summary>The weight of the reference.</summary>
    private const float One = 65535;

    /// <summary>With so many units per key on average half a unit is 0.063 %.</summary>
    private const double EnoughUnits = 800;

    /// <summary>From here on the average weight is hardly ever enough.</summary>
    private const float SteepStep = 0.6f;

    /// <summary>Keys whose weights are summed in fp32 before the sum goes to double.</summary>
    private const int ExactPart = 1 << 15;

    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        Vector512<float> steps = Vector512.Create(-step);
        Vector512<float> index = Vector512.ConvertToSingle(Vector512<int>.Indices);
        Vector512<float> fine = ExpAvx512.VectorUpTo88(steps * index);
        Vector512<float> coarse = ExpAvx512.VectorUpTo88(steps * (index * 16));
        if (step < SteepStep)
        {
            double units = FixedPoint(scores, mask, n, (sbyte)reference, fine, coarse);
            if (units >= EnoughUnits * n)
            {
                return (float)(units / One);
            }
        }

        double sum = 0;
        for (int i = 0; i < n; i += ExactPart)
        {
            sum += Exact(scores + i, mask + (i / 64), Math.Min(ExactPart, n - i), reference, fine, coarse);
        }

        return (float)sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double FixedPoint(sbyte* scores, ulong* mask, int n, sbyte reference, Vector512<float> fine, Vector512<float> coarse)
    {
        byte* table = stackalloc byte[2 * Levels];
        float* factors = stackalloc float[16];
        coarse.Store(factors);
        fine *= Vector512.Create(One);
        for (int a = 0; a < 16; a++)
        {
            Vector512<int> weights = Avx512F.ConvertToVector512Int32(fine * Vector512.Create(factors[a]));
            Avx512F.ConvertToVector128Byte(weights).Store(table + (16 * a));
            Avx512F.ConvertToVector128Byte(weights >>> 8).Store(table + Levels + (16 * a));
        }

        Vector512<byte> low0 = Vector512.Load(table);
        Vector512<byte> low1 = Vector512.Load(table + 64);
        Vector512<byte> low2 = Vector512.Load(table + 128);
        Vector512<byte> low3 = Vector512.Load(table + 192);
        Vector512<byte> high0 = Vector512.Load(table + Levels);
        Vector512<byte> high1 = Vector512.Load(table + Levels + 64);
        Vector512<byte> high2 = Vector512.Load(table + Levels + 128);
        Vector512<byte> high3 = Vector512.Load(table + Levels + 192);

        Vector512<sbyte> top = Vector512.Create(reference);
        Vector512<byte> spread = Vector512.Create(
            0x0000000000000000UL, 0x0101010101010101UL, 0x0202020202020202UL, 0x0303030303030303UL,
            0x0404040404040404UL, 0x0505050505050505UL, 0x0606060606060606UL, 0x0707070707070707UL).AsByte();
        Vector512<byte> bit = Vector512.Create(0x8040201008040201UL).AsByte();
        long keptCount = 0;
        Vector512<ulong> lowSum = Vector512<ulong>.Zero;
        Vector512<ulong> highSum = Vector512<ulong>.Zero;
        for (int i = 0; i < n; i += 64, mask++)
        {
            ulong kept = *mask;
            Vector512<sbyte> s;
            if (i + 64 <= n)
            {
                s = Vector512.Load(scores + i);
            }
            else
            {
                kept |= ulong.MaxValue << (n - i);
                s = Avx512BW.MaskLoad(
                    scores + i, Vector512.LessThan(Vector512<sbyte>.Indices, Vector512.Create((sbyte)(n - i))), Vector512<sbyte>.Zero);
            }

            Vector512<byte> dropped = Vector512.Equals(
                Avx512BW.Shuffle(Vector512.Create(kept).AsByte(), spread) & bit, Vector512<byte>.Zero);
            Vector512<byte> e = Vector512.ConditionalSelect(dropped, (top - s).AsByte(), Vector512<byte>.Zero);
            keptCount += BitOperations.PopCount(kept);
            Vector512<byte> far = Vector512.LessThan(e.AsSByte(), Vector512<sbyte>.Zero).AsByte();
            Vector512<byte> low = Vector512.ConditionalSelect(
                far, Avx512Vbmi.PermuteVar64x8x2(low2, e, low3), Avx512Vbmi.PermuteVar64x8x2(low0, e, low1));
            Vector512<byte> high = Vector512.ConditionalSelect(
                far, Avx512Vbmi.PermuteVar64x8x2(high2, e, high3), Avx512Vbmi.PermuteVar64x8x2(high0, e, high1));
            lowSum += Avx512BW.SumAbsoluteDifferences(low, Vector512<byte>.Zero).AsUInt64();
            highSum += Avx512BW.SumAbsoluteDifferences(high, Vector512<byte>.Zero).AsUInt64();
        }

        return (long)(Vector512.Sum(lowSum) + (256 * Vector512.Sum(highSum))) - (keptCount * (long)One);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Exact(sbyte* scores, ulong* mask, int n, int reference, Vector512<float> fine, Vector512<float> coarse)
    {
        Vector512<int> top = Vector512.Create(reference);
        Vector512<int> bit = Avx512F.ShiftLeftLogicalVariable(Vector512<int>.One, Vector512<uint>.Indices);
        Vector512<int> upperBit = bit << 16;
        Vector512<float> sum0 = Vector512<float>.Zero;
        Vector512<float> sum1 = Vector512<float>.Zero;
        uint* kept = (uint*)mask;
        int i = 0;
        for (; i + 32 <= n; i += 32)
        {
            Vector512<int> bits = Vector512.Create(*kept++).AsInt32();
            Vector512<int> e0 = top - Avx512F.ConvertToVector512Int32(Vector128.Load(scores + i));
            Vector512<int> e1 = top - Avx512F.ConvertToVector512Int32(Vector128.Load(scores + i + 16));
            Vector512<float> c0 = Avx512F.PermuteVar16x32(coarse, e0 >>> 4);
            Vector512<float> c1 = Avx512F.PermuteVar16x32(coarse, e1 >>> 4);
            c0 = Vector512.ConditionalSelect(Vector512.Equals(bits & bit, Vector512<int>.Zero).AsSingle(), c0, Vector512<float>.Zero);
            c1 = Vector512.ConditionalSelect(Vector512.Equals(bits & upperBit, Vector512<int>.Zero).AsSingle(), c1, Vector512<float>.Zero);
            sum0 = Avx512F.FusedMultiplyAdd(c0, Avx512F.PermuteVar16x32(fine, e0), sum0);
            sum1 = Avx512F.FusedMultiplyAdd(c1, Avx512F.PermuteVar16x32(fine, e1), sum1);
        }

        float sum = Vector512.Sum(sum0 + sum1);
        for (; i < n; i++)
        {
            if (((mask[i / 64] >> (i % 64)) & 1) == 0)
            {
                int e = reference - scores[i];
                sum += coarse.GetElement((e >> 4) & 15) * fine.GetElement(e & 15);
            }
        }

        return sum;
    }
}
