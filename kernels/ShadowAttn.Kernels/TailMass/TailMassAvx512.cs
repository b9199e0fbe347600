using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(-step·e) with e = reference - score = 16a + b is coarse[a]·fine[b]: two register tables of 16 fp32 entries, both ≤ 1, so no key costs an
/// exponential. 16 keys per register: widen, subtract, two table lookups, one multiply-add; kept keys look up 0.
/// </summary>
internal static unsafe class TailMassAvx512
{
    public static TailMassKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        float* table = stackalloc float[32];
        for (int i = 0; i < 16; i++)
        {
            table[i] = ExpScalar.One(-step * i);
            table[i + 16] = ExpScalar.One(-step * (16 * i));
        }

        Vector512<float> fine = Vector512.Load(table);
        Vector512<float> coarse = Vector512.Load(table + 16);
        Vector512<int> top = Vector512.Create(reference);
        Vector512<int> bit = Vector512.ShiftLeft(Vector512<int>.One, 0);
        bit = Avx512F.ShiftLeftLogicalVariable(bit, Vector512<uint>.Indices);
        Vector512<int> upperBit = bit << 16;
        Vector512<float> sum0 = Vector512<float>.Zero;
        Vector512<float> sum1 = Vector512<float>.Zero;
        uint* kept = (uint*)mask;
        int i0 = 0;
        for (; i0 + 32 <= n; i0 += 32)
        {
            Vector512<int> bits = Vector512.Create(*kept++).AsInt32();
            Vector512<int> e0 = top - Avx512F.ConvertToVector512Int32(Vector128.Load(scores + i0));
            Vector512<int> e1 = top - Avx512F.ConvertToVector512Int32(Vector128.Load(scores + i0 + 16));
            Vector512<float> c0 = Avx512F.PermuteVar16x32(coarse, e0 >>> 4);
            Vector512<float> c1 = Avx512F.PermuteVar16x32(coarse, e1 >>> 4);
            c0 = Vector512.ConditionalSelect(Vector512.Equals(bits & bit, Vector512<int>.Zero).AsSingle(), c0, Vector512<float>.Zero);
            c1 = Vector512.ConditionalSelect(Vector512.Equals(bits & upperBit, Vector512<int>.Zero).AsSingle(), c1, Vector512<float>.Zero);
            sum0 = Avx512F.FusedMultiplyAdd(c0, Avx512F.PermuteVar16x32(fine, e0), sum0);
            sum1 = Avx512F.FusedMultiplyAdd(c1, Avx512F.PermuteVar16x32(fine, e1), sum1);
        }

        float sum = Vector512.Sum(sum0 + sum1);
        for (; i0 < n; i0++)
        {
            if (((mask[i0 / 64] >> (i0 % 64)) & 1) == 0)
            {
                int e = reference - scores[i0];
                sum += table[16 + ((e >> 4) & 15)] * table[e & 15];
            }
        }

        return sum;
    }
}
