using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(-step·e) with e = reference - score = 64a + 8b + c is coarse[a]·middle[b]·fine[c]: three register tables of 8 fp32 entries, all ≤ 1. 8 keys
/// per register: widen, subtract, three table lookups, a product and a multiply-add; kept keys are blanked.
/// </summary>
internal static unsafe class TailMassAvx2
{
    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        float* table = stackalloc float[24];
        for (int i = 0; i < 8; i++)
        {
            table[i] = ExpScalar.One(-step * i);
            table[i + 8] = ExpScalar.One(-step * (8 * i));
            table[i + 16] = ExpScalar.One(-step * (64 * (i & 3)));
        }

        Vector256<float> fine = Vector256.Load(table);
        Vector256<float> middle = Vector256.Load(table + 8);
        Vector256<float> coarse = Vector256.Load(table + 16);
        Vector256<int> top = Vector256.Create(reference);
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
            Vector256<float> c0 = Avx2.PermuteVar8x32(coarse, e0 >>> 6) * Avx2.PermuteVar8x32(middle, e0 >>> 3);
            Vector256<float> c1 = Avx2.PermuteVar8x32(coarse, e1 >>> 6) * Avx2.PermuteVar8x32(middle, e1 >>> 3);
            Vector256<int> dropped0 = Avx2.CompareEqual(Vector256.Create(bits) & bit, Vector256<int>.Zero);
            Vector256<int> dropped1 = Avx2.CompareEqual(Vector256.Create(bits >> 8) & bit, Vector256<int>.Zero);
            sum0 = Fma.MultiplyAdd(c0 & dropped0.AsSingle(), Avx2.PermuteVar8x32(fine, e0), sum0);
            sum1 = Fma.MultiplyAdd(c1 & dropped1.AsSingle(), Avx2.PermuteVar8x32(fine, e1), sum1);
        }

        float sum = Vector256.Sum(sum0 + sum1);
        for (; i0 < n; i0++)
        {
            if (((mask[i0 / 64] >> (i0 % 64)) & 1) == 0)
            {
                int e = reference - scores[i0];
                sum += table[16 + ((e >> 6) & 3)] * table[8 + ((e >> 3) & 7)] * table[e & 7];
            }
        }

        return sum;
    }
}
