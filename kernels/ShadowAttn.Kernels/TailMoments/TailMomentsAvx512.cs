using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// w = exp(-step·e) with e = reference - score = 16a + b is coarse[a]·fine[b], two register tables of 16 fp32 entries. 32 keys at a time: widen,
/// subtract, two lookups (VPERMPS) and a product per 16; Σ w and Σ e·w in fp32, parts of a row in double. Kept keys and weights that would
/// be subnormal are blanked. Scores and squares: pairs of 16-bit products (VPMADDWD).
/// </summary>
internal static unsafe class TailMomentsAvx512
{
    /// <summary>Keys whose weights are summed in fp32 before the sums go to double.</summary>
    private const int Part = 1 << 15;

    public static TailMomentsKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        Vector512<float> steps = Vector512.Create(-step);
        Vector512<float> index = Vector512.ConvertToSingle(Vector512<int>.Indices);
        Vector512<float> fine = ExpAvx512.VectorUpTo88(steps * index);
        Vector512<float> coarse = ExpAvx512.VectorUpTo88(steps * (index * 16));
        int limit = (int)MathF.Min(ExpScalar.Min / -step, 255);
        double mass = 0;
        double distance = 0;
        sums->Scores = 0;
        sums->Squares = 0;
        for (int i = 0; i < n; i += Part)
        {
            SumPart(scores + i, mask + (i / 64), Math.Min(Part, n - i), reference, limit, fine, coarse, sums);
            mass += sums->Mass;
            distance += sums->Distance;
        }

        sums->Mass = (float)mass;
        sums->Distance = (float)distance;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumPart(
        sbyte* scores, ulong* mask, int n, int reference, int limit, Vector512<float> fine, Vector512<float> coarse, TailMomentSums* sums)
    {
        Vector512<int> top = Vector512.Create(reference);
        Vector512<int> farthest = Vector512.Create(limit);
        Vector512<int> bit = Avx512F.ShiftLeftLogicalVariable(Vector512<int>.One, Vector512<uint>.Indices);
        Vector512<int> upperBit = bit << 16;
        Vector512<float> mass0 = Vector512<float>.Zero;
        Vector512<float> mass1 = Vector512<float>.Zero;
        Vector512<float> distance0 = Vector512<float>.Zero;
        Vector512<float> distance1 = Vector512<float>.Zero;
        Vector512<int> total = Vector512<int>.Zero;
        Vector512<int> squares = Vector512<int>.Zero;
        uint* kept = (uint*)mask;
        for (int i = 0; i < n; i += 32, kept++)
        {
            uint keptBits = *kept;
            Vector256<sbyte> s;
            if (i + 32 <= n)
            {
                s = Vector256.Load(scores + i);
            }
            else
            {
                keptBits |= uint.MaxValue << (n - i);
                s = Avx512BW.VL.MaskLoad(
                    scores + i, Vector256.LessThan(Vector256<sbyte>.Indices, Vector256.Create((sbyte)(n - i))), Vector256<sbyte>.Zero);
            }

            Vector512<short> wide = Avx512BW.ConvertToVector512Int16(s);
            total += Avx512BW.MultiplyAddAdjacent(wide, Vector512<short>.One);
            squares += Avx512BW.MultiplyAddAdjacent(wide, wide);
            Vector512<int> bits = Vector512.Create(keptBits).AsInt32();
            Vector512<int> e0 = top - Avx512F.ConvertToVector512Int32(s.GetLower());
            Vector512<int> e1 = top - Avx512F.ConvertToVector512Int32(s.GetUpper());
            Vector512<int> used0 = Vector512.Equals(bits & bit, Vector512<int>.Zero) & Vector512.LessThanOrEqual(e0, farthest);
            Vector512<int> used1 = Vector512.Equals(bits & upperBit, Vector512<int>.Zero) & Vector512.LessThanOrEqual(e1, farthest);
            Vector512<float> w0 = Avx512F.PermuteVar16x32(coarse, e0 >>> 4) * Avx512F.PermuteVar16x32(fine, e0);
            Vector512<float> w1 = Avx512F.PermuteVar16x32(coarse, e1 >>> 4) * Avx512F.PermuteVar16x32(fine, e1);
            w0 = Vector512.ConditionalSelect(used0.AsSingle(), w0, Vector512<float>.Zero);
            w1 = Vector512.ConditionalSelect(used1.AsSingle(), w1, Vector512<float>.Zero);
            mass0 += w0;
            mass1 += w1;
            distance0 = Avx512F.FusedMultiplyAdd(w0, Avx512F.ConvertToVector512Single(e0), distance0);
            distance1 = Avx512F.FusedMultiplyAdd(w1, Avx512F.ConvertToVector512Single(e1), distance1);
        }

        sums->Mass = Vector512.Sum(mass0 + mass1);
        sums->Distance = Vector512.Sum(distance0 + distance1);
        sums->Scores += Vector512.Sum(total);
        sums->Squares += Vector512.Sum(squares);
    }
}
