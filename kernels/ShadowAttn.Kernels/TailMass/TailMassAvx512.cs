using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static ShadowAttn.Kernels.TailLevelsAvx512;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(-step·e) with e = reference - score = 16a + b is coarse[a]·fine[b], both of 16 fp32 entries and ≤ 1, so no key costs an exponential.
/// <para>Fixed point: levels as 16-bit numbers (65535 = the weight of the reference), low and high bytes in registers of 64 levels; 64 keys at a
/// time look up both bytes (VPERMI2B) and add up exactly. A kept key that is not below the reference has e = 0 by saturation and is taken off with
/// all kept ones by their number; only words with other kept keys, such as sinks, blank them. Rounding costs at most half a unit per key, so the
/// sum itself tells whether it is good enough. Two ways: with 128 levels, where keys farther below count as if they were at the last one - they are
/// counted, which bounds what that costs - and with all 256, for steps so small that far keys weigh. Steep steps and sums far below the reference
/// take the exact way.</para>
/// <para>Exact: 16 keys at a time widen, look up both factors (VPERMPS) and multiply and add in fp32, parts of a row in double.</para>
/// </summary>
internal static unsafe class TailMassAvx512
{
    /// <summary>Below this the near levels' last one weighs so much that the keys behind it need levels of their own.</summary>
    private const float FlatStep = 0.03f;

    /// <summary>Keys whose weights are summed in fp32 before the sum goes to double.</summary>
    private const int ExactPart = 1 << 15;

    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        if (step < SteepStep)
        {
            float sumOfUnits;
            if (step >= FlatStep && FixedPoint<NearLevels>(scores, mask, n, (sbyte)reference, step, &sumOfUnits))
            {
                return sumOfUnits;
            }

            if (FixedPoint<AllLevels>(scores, mask, n, (sbyte)reference, step, &sumOfUnits))
            {
                return sumOfUnits;
            }
        }

        Vector512<float> steps = Vector512.Create(-step);
        Vector512<float> index = Vector512.ConvertToSingle(Vector512<int>.Indices);
        Vector512<float> fine = ExpAvx512.VectorUpTo88(steps * index);
        Vector512<float> coarse = ExpAvx512.VectorUpTo88(steps * (index * 16));
        double sum = 0;
        for (int i = 0; i < n; i += ExactPart)
        {
            sum += Exact(scores + i, mask + (i / 64), Math.Min(ExactPart, n - i), reference, fine, coarse);
        }

        return (float)sum;
    }

    /// <summary>The weights of the dropped keys; false when their sum may be too far off.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool FixedPoint<TLevels>(sbyte* scores, ulong* mask, int n, sbyte reference, float step, float* sum)
        where TLevels : struct, ILevels
    {
        Vector512<float> fine = Fine(step), coarse0 = Coarse(step), coarse1 = Behind(coarse0, coarse0);
        (Vector512<byte> low0, Vector512<byte> high0) = Weights(fine, coarse0);
        (Vector512<byte> low1, Vector512<byte> high1) = Weights(fine, coarse1);
        Vector512<float> coarse2 = TLevels.All ? Behind(coarse1, coarse0) : default;
        (Vector512<byte> low2, Vector512<byte> high2) = TLevels.All ? Weights(fine, coarse2) : default;
        (Vector512<byte> low3, Vector512<byte> high3) = TLevels.All ? Weights(fine, Behind(coarse2, coarse0)) : default;
        double lastUnits = One * LastWeight(fine, coarse1);
        Vector512<sbyte> top = Vector512.Create(reference);
        TailCounts counts = default;
        Vector512<ulong> lowSum = Vector512<ulong>.Zero;
        Vector512<ulong> highSum = Vector512<ulong>.Zero;
        for (sbyte* end = scores + (n & ~63); scores < end; scores += 64, mask++)
        {
            Vector512<byte> e = Below<TLevels>(top, Vector512.Load(scores), *mask, ref counts);
            lowSum += Sums<TLevels>(e, low0, low1, low2, low3);
            highSum += Sums<TLevels>(e, high0, high1, high2, high3);
        }

        if (n % 64 != 0)
        {
            (Vector512<sbyte> s, ulong kept) = LoadPart(scores, mask, n % 64, top);
            Vector512<byte> e = Below<TLevels>(top, s, kept, ref counts);
            lowSum += Sums<TLevels>(e, low0, low1, low2, low3);
            highSum += Sums<TLevels>(e, high0, high1, high2, high3);
        }

        double units = Units(lowSum, highSum) - (counts.Kept * (long)One);
        *sum = (float)(units / One);
        return units >= EnoughUnits * ((0.5 * n) + (counts.Last * lastUnits));
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
