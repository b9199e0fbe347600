using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ShadowAttn.Attention;

/// <summary>Single dot products off the hot loops: rows that are scored again, and q·mean_K.</summary>
internal static unsafe class VectorDot
{
    /// <summary>Σ a_d·b_d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Float(float* a, float* b, int dim)
    {
        Vector<float> sum = Vector<float>.Zero;
        Vector<float> sum1 = Vector<float>.Zero;
        Vector<float> sum2 = Vector<float>.Zero;
        Vector<float> sum3 = Vector<float>.Zero;
        int d = 0;
        for (; d <= dim - (4 * Vector<float>.Count); d += 4 * Vector<float>.Count)
        {
            sum = Vector.FusedMultiplyAdd(Vector.Load(a + d), Vector.Load(b + d), sum);
            sum1 = Vector.FusedMultiplyAdd(Vector.Load(a + d + Vector<float>.Count), Vector.Load(b + d + Vector<float>.Count), sum1);
            sum2 = Vector.FusedMultiplyAdd(Vector.Load(a + d + (2 * Vector<float>.Count)), Vector.Load(b + d + (2 * Vector<float>.Count)), sum2);
            sum3 = Vector.FusedMultiplyAdd(Vector.Load(a + d + (3 * Vector<float>.Count)), Vector.Load(b + d + (3 * Vector<float>.Count)), sum3);
        }

        sum = (sum + sum1) + (sum2 + sum3);
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            sum = Vector.FusedMultiplyAdd(Unsafe.ReadUnaligned<Vector<float>>(a + d), Unsafe.ReadUnaligned<Vector<float>>(b + d), sum);
        }

        float total = Vector.Sum(sum);
        for (; d < dim; d++)
        {
            total += a[d] * b[d];
        }

        return total;
    }

    /// <summary>Σ a_d·b_d, exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(sbyte* a, sbyte* b, int dim)
    {
        Vector128<int> sum = Vector128<int>.Zero;
        int d = 0;
        for (; d <= dim - 16; d += 16)
        {
            (Vector128<short> aLow, Vector128<short> aHigh) = Vector128.Widen(Vector128.Load(a + d));
            (Vector128<short> bLow, Vector128<short> bHigh) = Vector128.Widen(Vector128.Load(b + d));
            (Vector128<int> p0, Vector128<int> p1) = Vector128.Widen(aLow * bLow);
            (Vector128<int> p2, Vector128<int> p3) = Vector128.Widen(aHigh * bHigh);
            sum += p0 + p1 + p2 + p3;
        }

        int total = Vector128.Sum(sum);
        for (; d < dim; d++)
        {
            total += a[d] * b[d];
        }

        return total;
    }
}
