using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// The formula of <see cref="ExpScalar"/>, 4 values at a time; 2^n is added to the exponent field of exp(r). <see cref="Weight"/> is the softmax's
/// own: 2^x with a degree-5 polynomial (relative error 1.9e-7), for logits that carry log2(e) in their scale.
/// </summary>
internal static unsafe class ExpAdvSimd
{
    /// <summary>log2(e): what the scale of logits is multiplied with for <see cref="Weight"/>.</summary>
    public const float Log2E = ExpScalar.Log2E;

    /// <summary>Arguments of <see cref="Weight"/> below this count as this.</summary>
    public const float LowestPower = -126;

    private const int Lanes = 4;

    /// <summary>1.5·2^23: adding it rounds to an integer, which then is the low half of the bits.</summary>
    private const float Rounder = 12582912f;

    private const float P1 = 0.693147004f;
    private const float P2 = 0.240222424f;
    private const float P3 = 0.0555073358f;
    private const float P4 = 0.00967151299f;
    private const float P5 = 0.00132647273f;

    public static ExpKernel Kernel => new(&Run);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* x, float* y, nint n)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= n; i += 2 * Lanes)
        {
            Vector128<float> a = Vector128.Load(x + i);
            Vector128<float> b = Vector128.Load(x + i + Lanes);
            a = Vector(a);
            b = Vector(b);
            a.Store(y + i);
            b.Store(y + i + Lanes);
        }

        for (; i + Lanes <= n; i += Lanes)
        {
            Vector(Vector128.Load(x + i)).Store(y + i);
        }

        for (; i < n; i++)
        {
            y[i] = Vector(Vector128.CreateScalar(x[i])).ToScalar();
        }
    }

    /// <summary>exp of 4 values by the contract of <see cref="Exp"/>: 0 below -87.3, +∞ above 88.7, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Vector(Vector128<float> x)
    {
        Vector128<float> n = AdvSimd.RoundToNearest(x * Vector128.Create(ExpScalar.Log2E));
        Vector128<float> r = AdvSimd.FusedMultiplySubtract(x, n, Vector128.Create(ExpScalar.Ln2High));
        r = AdvSimd.FusedMultiplySubtract(r, n, Vector128.Create(ExpScalar.Ln2Low));
        Vector128<float> p = AdvSimd.FusedMultiplyAdd(Vector128.Create(ExpScalar.C5), Vector128.Create(ExpScalar.C6), r);
        p = AdvSimd.FusedMultiplyAdd(Vector128.Create(ExpScalar.C4), p, r);
        p = AdvSimd.FusedMultiplyAdd(Vector128.Create(ExpScalar.C3), p, r);
        p = AdvSimd.FusedMultiplyAdd(Vector128.Create(ExpScalar.C2), p, r);
        p = AdvSimd.FusedMultiplyAdd(r + Vector128.Create(1f), p * r, r);
        Vector128<int> exponent = AdvSimd.ConvertToInt32RoundToZero(n) << 23;
        p = (p.AsInt32() + exponent).AsSingle();
        p = AdvSimd.BitwiseClear(p, AdvSimd.CompareLessThan(x, Vector128.Create(ExpScalar.Min)));
        return AdvSimd.BitwiseSelect(
            AdvSimd.CompareGreaterThan(x, Vector128.Create(ExpScalar.Max)), Vector128.Create(float.PositiveInfinity), p);
    }

    /// <summary>2^x of 4 values for x ≤ 0; below -126 as -126.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Weight(Vector128<float> x)
    {
        x = AdvSimd.Max(x, Vector128.Create(LowestPower));
        Vector128<float> rounded = x + Vector128.Create(Rounder);
        Vector128<float> r = x - (rounded - Vector128.Create(Rounder));
        Vector128<float> r2 = r * r;
        Vector128<float> high = AdvSimd.FusedMultiplyAdd(Vector128.Create(P4), r, Vector128.Create(P5));
        Vector128<float> middle = AdvSimd.FusedMultiplyAdd(Vector128.Create(P2), r, Vector128.Create(P3));
        Vector128<float> low = AdvSimd.FusedMultiplyAdd(Vector128.Create(1f), r, Vector128.Create(P1));
        middle = AdvSimd.FusedMultiplyAdd(middle, r2, high);
        return AdvSimd.MultiplyAdd(
            AdvSimd.FusedMultiplyAdd(low, r2, middle).AsInt32(), rounded.AsInt32(), Vector128.Create(1 << 23)).AsSingle();
    }
}
