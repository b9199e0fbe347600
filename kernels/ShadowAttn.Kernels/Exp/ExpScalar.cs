using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>
/// exp(x) = 2^n·exp(r), n = round(x / ln 2), r = x - n·ln 2 in two parts (Cody and Waite), exp(r) by a degree-6 polynomial on ±ln 2 / 2.
/// </summary>
internal static unsafe class ExpScalar
{
    public const float Log2E = 1.44269504f;
    public const float Ln2High = 0.693359375f;
    public const float Ln2Low = -2.12194440e-4f;
    public const float Min = -87.33654f;
    public const float Max = 88.72283f;
    public const float C2 = 0.5f;
    public const float C3 = 0.16666598f;
    public const float C4 = 0.041666504f;
    public const float C5 = 0.008359856f;
    public const float C6 = 0.0013929572f;

    public static ExpKernel Kernel => new(&Run);

    public static void Run(float* x, float* y, nint n)
    {
        for (nint i = 0; i < n; i++)
        {
            y[i] = One(x[i]);
        }
    }

    /// <summary>exp of one value; what every scalar kernel uses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float One(float x)
    {
        if (!(x >= Min))
        {
            return float.IsNaN(x) ? x : 0;
        }

        if (x > Max)
        {
            return float.PositiveInfinity;
        }

        float n = MathF.Round(x * Log2E);
        float r = MathF.FusedMultiplyAdd(n, -Ln2High, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        float p = MathF.FusedMultiplyAdd(C6, r, C5);
        p = MathF.FusedMultiplyAdd(p, r, C4);
        p = MathF.FusedMultiplyAdd(p, r, C3);
        p = MathF.FusedMultiplyAdd(p, r, C2);
        p = MathF.FusedMultiplyAdd(p * r, r, r + 1);

        // Two factors, since 2^128 itself does not fit.
        int half = (int)n >> 1;
        return p * Pow2(half) * Pow2((int)n - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pow2(int n) => BitConverter.Int32BitsToSingle((n + 127) << 23);
}
