using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// The peaks of AVX2 with VNNI: 12 chains of VPDPBUSD; the rest is AVX2's.
/// </summary>
internal static unsafe class PeakAvxVnni
{
    public static PeakKernel Kernel => new(12 * 8, &PeakAvx2.Fma, 12 * 32, &Int8, &PeakAvx2.Read, &PeakAvx2.Copy, &PeakAvx2.Stream);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        Vector256<byte> x = Vector256.Create((byte)3);
        Vector256<sbyte> y = Vector256.Create((sbyte)77);
        Vector256<int> a0 = Vector256.Create(0);
        Vector256<int> a1 = Vector256.Create(1);
        Vector256<int> a2 = Vector256.Create(2);
        Vector256<int> a3 = Vector256.Create(3);
        Vector256<int> a4 = Vector256.Create(4);
        Vector256<int> a5 = Vector256.Create(5);
        Vector256<int> a6 = Vector256.Create(6);
        Vector256<int> a7 = Vector256.Create(7);
        Vector256<int> a8 = Vector256.Create(8);
        Vector256<int> a9 = Vector256.Create(9);
        Vector256<int> a10 = Vector256.Create(10);
        Vector256<int> a11 = Vector256.Create(11);
        for (long i = 0; i < iterations; i++)
        {
            a0 = AvxVnni.MultiplyWideningAndAdd(a0, x, y);
            a1 = AvxVnni.MultiplyWideningAndAdd(a1, x, y);
            a2 = AvxVnni.MultiplyWideningAndAdd(a2, x, y);
            a3 = AvxVnni.MultiplyWideningAndAdd(a3, x, y);
            a4 = AvxVnni.MultiplyWideningAndAdd(a4, x, y);
            a5 = AvxVnni.MultiplyWideningAndAdd(a5, x, y);
            a6 = AvxVnni.MultiplyWideningAndAdd(a6, x, y);
            a7 = AvxVnni.MultiplyWideningAndAdd(a7, x, y);
            a8 = AvxVnni.MultiplyWideningAndAdd(a8, x, y);
            a9 = AvxVnni.MultiplyWideningAndAdd(a9, x, y);
            a10 = AvxVnni.MultiplyWideningAndAdd(a10, x, y);
            a11 = AvxVnni.MultiplyWideningAndAdd(a11, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11).GetElement(0);
    }
}
