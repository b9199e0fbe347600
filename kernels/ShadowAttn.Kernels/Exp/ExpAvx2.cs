using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// The formula of <see cref="ExpScalar"/>, 8 values at a time. 2^n is added to the exponent field of exp(r): within the bounds of x that
/// neither leaves the field (x at the upper bound has n = 128 and exp(r) &lt; 1), nor gives a subnormal that matters.
/// </summary>
internal static unsafe class ExpAvx2
{
    private const int Lanes = 8;

    public static ExpKernel Kernel => new(&Run);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* x, float* y, nint n)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= n; i += 2 * Lanes)
        {
            Vector256<float> a = Vector(Vector256.Load(x + i));
            Vector256<float> b = Vector(Vector256.Load(x + i + Lanes));
            a.Store(y + i);
            b.Store(y + i + Lanes);
        }

        for (; i < n; i += Lanes)
        {
            Vector256<float> mask = LaneMasks.First256((int)nint.Min(n - i, Lanes)).AsSingle();
            Avx.MaskStore(y + i, mask, Vector(Avx.MaskLoad(x + i, mask)));
        }
    }

    /// <summary>exp of 8 values by the contract of <see cref="Exp"/>: 0 below -87.3, +∞ above 88.7, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Vector(Vector256<float> x)
    {
        Vector256<float> tooLarge = Avx.CompareGreaterThan(x, Vector256.Create(ExpScalar.Max));
        return Avx.BlendVariable(VectorUpTo88(x), Vector256.Create(float.PositiveInfinity), tooLarge);
    }

    /// <summary>The same for x ≤ 88.7 or NaN, as weights of a softmax below its running maximum are; -∞ gives 0. Two instructions less.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> VectorUpTo88(Vector256<float> x)
    {
        Vector256<int> n = Avx.ConvertToVector256Int32(x * Vector256.Create(ExpScalar.Log2E));
        Vector256<float> nf = Avx.ConvertToVector256Single(n);
        Vector256<float> r = Fma.MultiplyAddNegated(nf, Vector256.Create(ExpScalar.Ln2High), x);
        r = Fma.MultiplyAddNegated(nf, Vector256.Create(ExpScalar.Ln2Low), r);
        Vector256<float> p = Fma.MultiplyAdd(Vector256.Create(ExpScalar.C6), r, Vector256.Create(ExpScalar.C5));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(ExpScalar.C4));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(ExpScalar.C3));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(ExpScalar.C2));
        p = Fma.MultiplyAdd(p * r, r, r + Vector256<float>.One);
        p = (p.AsInt32() + Avx2.ShiftLeftLogical(n, 23)).AsSingle();
        return Avx.AndNot(Avx.CompareLessThan(x, Vector256.Create(ExpScalar.Min)), p);
    }
}
