using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(-step·e) with e = reference - score = 64a + 8b + c is coarse[a]·middle[b]·fine[c]: three register tables of 8 fp32 entries, all ≤ 1. 8 keys
/// per register: widen, subtract, three table lookups, a product and a multiply-add; kept keys are blanked, and so are keys whose
/// weight would be subnormal, since arithmetic on those is slow.
/// </summary>
internal static unsafe class TailMassAvx2
{
    /// <summary>Keys whose weights are summed in fp32 before the sum goes to double.</summary>
    private const int Part = 1 << 14;

    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        Vector256<float> steps = Vector256.Create(-step);
        Vector256<float> index = Vector256.ConvertToSingle(Vector256<int>.Indices);
        Vector256<float> fine = ExpAvx2.VectorUpTo88(steps * index);
        Vector256<float> middle = ExpAvx2.VectorUpTo88(steps * (index * 8));
        Vector256<float> coarse = ExpAvx2.VectorUpTo88(steps * Vector256.Create(0f, 64, 128, 192, 0, 64, 128, 192));
        int limit = (int)MathF.Min(ExpScalar.Min / -step, 255);
        double sum = 0;
        for (int i = 0; i < n; i += Part)
        {
            sum += SumPart(scores + i, mask + (i / 64), Math.Min(Part, n - i), reference, limit, fine, middle, coarse);
        }

        return (float)sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumPart(
        sbyte* scores, ulong* mask, int n, int reference, int limit, Vector256<float> fine, Vector256<float> middle, Vector256<float> coarse)
    {
        Vector256<int> top = Vector256.Create(reference);
        Vector256<int> farthest = Vector256.Create(limit);
        Vector256<int> bit = Avx2.ShiftLeftLogicalVariable(Vector256<int>.One, Vector256<uint>.Indices);
        Vector256<float> sum0 = Vector256<float>.Zero;
        Vector256<float> sum1 = Vector256<float>.Zero;
        ushort* kept = (ushort*)mask;
        int i0 = 0;
        for (; i0 + 16 <= n; i0 += 16)
        {
            int bits = *kept++;
            Vector256<int> e0 = top - Avx2.ConvertToVector256Int32(scores + i0);
            Vector256<int> e1 = top - Avx2.ConvertToVector256Int32(scores + i0 + 8);
            Vector256<int> dropped0 = Avx2.AndNot(
                Avx2.CompareGreaterThan(e0, farthest), Avx2.CompareEqual(Vector256.Create(bits) & bit, Vector256<int>.Zero));
            Vector256<int> dropped1 = Avx2.AndNot(
                Avx2.CompareGreaterThan(e1, farthest), Avx2.CompareEqual(Vector256.Create(bits >> 8) & bit, Vector256<int>.Zero));
            Vector256<float> c0 = Avx2.PermuteVar8x32(coarse, e0 >>> 6) & dropped0.AsSingle();
            Vector256<float> c1 = Avx2.PermuteVar8x32(coarse, e1 >>> 6) & dropped1.AsSingle();
            c0 *= Avx2.PermuteVar8x32(middle, e0 >>> 3);
            c1 *= Avx2.PermuteVar8x32(middle, e1 >>> 3);
            sum0 = Fma.MultiplyAdd(c0, Avx2.PermuteVar8x32(fine, e0), sum0);
            sum1 = Fma.MultiplyAdd(c1, Avx2.PermuteVar8x32(fine, e1), sum1);
        }

        float sum = Vector256.Sum(sum0 + sum1);
        for (; i0 < n; i0++)
        {
            if (((mask[i0 / 64] >> (i0 % 64)) & 1) == 0)
            {
                int e = reference - scores[i0];
                sum += e > limit ? 0 : coarse.GetElement((e >> 6) & 3) * middle.GetElement((e >> 3) & 7) * fine.GetElement(e & 7);
            }
        }

        return sum;
    }
}
