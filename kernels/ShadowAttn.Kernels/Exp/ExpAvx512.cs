using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// The formula of <see cref="ExpScalar"/>, 16 values at a time; 2^n by VSCALEFPS, which overflows to infinity by itself.
/// Constants stay in registers when <see cref="Vector"/> is inlined into a loop.
/// </summary>
internal static unsafe class ExpAvx512
{
    private const int Lanes = 16;

    public static ExpKernel Kernel => new(&Run);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* x, float* y, nint n)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= n; i += 2 * Lanes)
        {
            Vector512<float> a = Vector(Vector512.Load(x + i));
            Vector512<float> b = Vector(Vector512.Load(x + i + Lanes));
            a.Store(y + i);
            b.Store(y + i + Lanes);
        }

        for (; i < n; i += Lanes)
        {
            Vector512<float> mask = LaneMasks.First512((int)nint.Min(n - i, Lanes)).AsSingle();
            Avx512F.MaskStore(y + i, mask, Vector(Avx512F.MaskLoad(x + i, mask, Vector512<float>.Zero)));
        }
    }

    /// <summary>exp of 16 values by the contract of <see cref="Exp"/>: 0 below -87.3, +∞ above 88.7, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(Vector512<float> x) =>
        VectorUpTo88(Avx512F.Min(Vector512.Create(ExpScalar.Max + 1), x));

    /// <summary>The same for x ≤ 88.7 or NaN, as weights of a softmax below its running maximum are; -∞ gives 0. One instruction less.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> VectorUpTo88(Vector512<float> x) => Weight(
        x,
        Vector512.Create(ExpScalar.Min),
        Vector512.Create(ExpScalar.Log2E),
        Vector512.Create(ExpScalar.Ln2High),
        Vector512.Create(ExpScalar.Ln2Low),
        Vector512.Create(ExpScalar.C6),
        Vector512.Create(ExpScalar.C5),
        Vector512.Create(ExpScalar.C4),
        Vector512.Create(ExpScalar.C3),
        Vector512.Create(ExpScalar.C2),
        Vector512<float>.One);

    /// <summary>
    /// The same with the constants from the caller: a long loop that has them from memory keeps them in registers, while literals are loaded
    /// anew in every turn.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Weight(
        Vector512<float> x,
        Vector512<float> min,
        Vector512<float> log2E,
        Vector512<float> ln2High,
        Vector512<float> ln2Low,
        Vector512<float> c6,
        Vector512<float> c5,
        Vector512<float> c4,
        Vector512<float> c3,
        Vector512<float> c2,
        Vector512<float> one)
    {
        Vector512<float> n = Avx512F.RoundScale(x * log2E, 0);
        Vector512<float> r = Avx512F.FusedMultiplyAddNegated(n, ln2High, x);
        r = Avx512F.FusedMultiplyAddNegated(n, ln2Low, r);
        Vector512<float> p = Avx512F.FusedMultiplyAdd(c6, r, c5);
        p = Avx512F.FusedMultiplyAdd(p, r, c4);
        p = Avx512F.FusedMultiplyAdd(p, r, c3);
        p = Avx512F.FusedMultiplyAdd(p, r, c2);
        p = Avx512F.FusedMultiplyAdd(p * r, r, r + one);
        return Vector512.ConditionalSelect(Avx512F.CompareNotLessThan(x, min), Avx512F.Scale(p, n), Vector512<float>.Zero);
    }
}
