using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// w = exp(-step·e) with e = reference - score = 64a + 8b + c is coarse[a]·middle[b]·fine[c], three register tables of 8 fp32 entries. 16 keys at a
/// time: widen, subtract, three lookups and two products per 8; Σ w and Σ e·w in fp32, parts of a row in double. Kept keys and weights that
/// would be subnormal are blanked. Scores and squares: pairs of 16-bit products (VPMADDWD).
/// </summary>
internal static unsafe class TailMomentsAvx2
{
    /// <summary>Keys whose weights are summed in fp32 before the sums go to double.</summary>
    private const int Part = 1 << 14;

    public static TailMomentsKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        Vector256<float> steps = Vector256.Create(-step);
        Vector256<float> index = Vector256.ConvertToSingle(Vector256<int>.Indices);
        Vector256<float> fine = ExpAvx2.VectorUpTo88(steps * index);
        Vector256<float> middle = ExpAvx2.VectorUpTo88(steps * (index * 8));
        Vector256<float> coarse = ExpAvx2.VectorUpTo88(steps * Vector256.Create(0f, 64, 128, 192, 0, 64, 128, 192));
        int limit = (int)MathF.Min(ExpScalar.Min / -step, 255);
        double mass = 0;
        double distance = 0;
        sums->Scores = 0;
        sums->Squares = 0;
        for (int i = 0; i < n; i += Part)
        {
            SumPart(scores + i, mask + (i / 64), Math.Min(Part, n - i), reference, limit, fine, middle, coarse, sums);
            mass += sums->Mass;
            distance += sums->Distance;
        }

        sums->Mass = (float)mass;
        sums->Distance = (float)distance;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumPart(
        sbyte* scores,
        ulong* mask,
        int n,
        int reference,
        int limit,
        Vector256<float> fine,
        Vector256<float> middle,
        Vector256<float> coarse,
        TailMomentSums* sums)
    {
        Vector256<int> top = Vector256.Create(reference);
        Vector256<int> farthest = Vector256.Create(limit);
        Vector256<int> bit = Avx2.ShiftLeftLogicalVariable(Vector256<int>.One, Vector256<uint>.Indices);
        Vector256<float> mass0 = Vector256<float>.Zero;
        Vector256<float> mass1 = Vector256<float>.Zero;
        Vector256<float> distance0 = Vector256<float>.Zero;
        Vector256<float> distance1 = Vector256<float>.Zero;
        Vector256<int> total = Vector256<int>.Zero;
        Vector256<int> squares = Vector256<int>.Zero;
        sbyte* rest = stackalloc sbyte[16];
        ushort* kept = (ushort*)mask;
        for (int i = 0; i < n; i += 16, kept++)
        {
            int bits = *kept;
            sbyte* p = scores + i;
            if (i + 16 > n)
            {
                bits |= 0xFFFF << (n - i);
                new Span<sbyte>(rest, 16).Clear();
                new ReadOnlySpan<sbyte>(p, n - i).CopyTo(new Span<sbyte>(rest, 16));
                p = rest;
            }

            Vector256<short> wide = Avx2.ConvertToVector256Int16(p);
            total += Avx2.MultiplyAddAdjacent(wide, Vector256<short>.One);
            squares += Avx2.MultiplyAddAdjacent(wide, wide);
            Vector256<int> e0 = top - Avx2.ConvertToVector256Int32(p);
            Vector256<int> e1 = top - Avx2.ConvertToVector256Int32(p + 8);
            Vector256<int> used0 = Avx2.AndNot(
                Avx2.CompareGreaterThan(e0, farthest), Avx2.CompareEqual(Vector256.Create(bits) & bit, Vector256<int>.Zero));
            Vector256<int> used1 = Avx2.AndNot(
                Avx2.CompareGreaterThan(e1, farthest), Avx2.CompareEqual(Vector256.Create(bits >> 8) & bit, Vector256<int>.Zero));
            Vector256<float> w0 = Avx2.PermuteVar8x32(coarse, e0 >>> 6) & used0.AsSingle();
            Vector256<float> w1 = Avx2.PermuteVar8x32(coarse, e1 >>> 6) & used1.AsSingle();
            w0 *= Avx2.PermuteVar8x32(middle, e0 >>> 3);
            w1 *= Avx2.PermuteVar8x32(middle, e1 >>> 3);
            w0 *= Avx2.PermuteVar8x32(fine, e0);
            w1 *= Avx2.PermuteVar8x32(fine, e1);
            mass0 += w0;
            mass1 += w1;
            distance0 = Fma.MultiplyAdd(w0, Avx.ConvertToVector256Single(e0), distance0);
            distance1 = Fma.MultiplyAdd(w1, Avx.ConvertToVector256Single(e1), distance1);
        }

        sums->Mass = Vector256.Sum(mass0 + mass1);
        sums->Distance = Vector256.Sum(distance0 + distance1);
        sums->Scores += Vector256.Sum(total);
        sums->Squares += Vector256.Sum(squares);
    }
}
