using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// The peaks of Advanced SIMD with the dot product: 20 chains of SDOT; the rest is Advanced SIMD's.
/// </summary>
internal static unsafe class PeakDp
{
    public static PeakKernel Kernel => new(20 * 4, &PeakAdvSimd.Fma, 20 * 16, &Int8, &PeakAdvSimd.Read, &PeakAdvSimd.Copy, &PeakAdvSimd.Stream);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        Vector128<sbyte> x = Vector128.Create((sbyte)3);
        Vector128<sbyte> y = Vector128.Create((sbyte)77);
        Vector128<int> a0 = Vector128.Create(0);
        Vector128<int> a1 = Vector128.Create(1);
        Vector128<int> a2 = Vector128.Create(2);
        Vector128<int> a3 = Vector128.Create(3);
        Vector128<int> a4 = Vector128.Create(4);
        Vector128<int> a5 = Vector128.Create(5);
        Vector128<int> a6 = Vector128.Create(6);
        Vector128<int> a7 = Vector128.Create(7);
        Vector128<int> a8 = Vector128.Create(8);
        Vector128<int> a9 = Vector128.Create(9);
        Vector128<int> a10 = Vector128.Create(10);
        Vector128<int> a11 = Vector128.Create(11);
        Vector128<int> a12 = Vector128.Create(12);
        Vector128<int> a13 = Vector128.Create(13);
        Vector128<int> a14 = Vector128.Create(14);
        Vector128<int> a15 = Vector128.Create(15);
        Vector128<int> a16 = Vector128.Create(16);
        Vector128<int> a17 = Vector128.Create(17);
        Vector128<int> a18 = Vector128.Create(18);
        Vector128<int> a19 = Vector128.Create(19);
        for (long i = 0; i < iterations; i++)
        {
            a0 = Dp.DotProduct(a0, x, y);
            a1 = Dp.DotProduct(a1, x, y);
            a2 = Dp.DotProduct(a2, x, y);
            a3 = Dp.DotProduct(a3, x, y);
            a4 = Dp.DotProduct(a4, x, y);
            a5 = Dp.DotProduct(a5, x, y);
            a6 = Dp.DotProduct(a6, x, y);
            a7 = Dp.DotProduct(a7, x, y);
            a8 = Dp.DotProduct(a8, x, y);
            a9 = Dp.DotProduct(a9, x, y);
            a10 = Dp.DotProduct(a10, x, y);
            a11 = Dp.DotProduct(a11, x, y);
            a12 = Dp.DotProduct(a12, x, y);
            a13 = Dp.DotProduct(a13, x, y);
            a14 = Dp.DotProduct(a14, x, y);
            a15 = Dp.DotProduct(a15, x, y);
            a16 = Dp.DotProduct(a16, x, y);
            a17 = Dp.DotProduct(a17, x, y);
            a18 = Dp.DotProduct(a18, x, y);
            a19 = Dp.DotProduct(a19, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15 + a16 + a17 + a18 + a19).GetElement(0);
    }
}
