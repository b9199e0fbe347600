using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// The peaks of Advanced SIMD: 20 chains of FMLA; 20 chains of SMLAL, 8-bit products into 16-bit sums; loads and stores of 16 bytes, which pair.
/// </summary>
internal static unsafe class PeakAdvSimd
{
    public static PeakKernel Kernel => new(20 * 4, &Fma, 20 * 8, &Int8, &Read, &Copy, &Stream);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Fma(long iterations)
    {
        Vector128<float> x = Vector128.Create(0.999f);
        Vector128<float> y = Vector128.Create(0.25f);
        Vector128<float> a0 = Vector128.Create(0f);
        Vector128<float> a1 = Vector128.Create(1f);
        Vector128<float> a2 = Vector128.Create(2f);
        Vector128<float> a3 = Vector128.Create(3f);
        Vector128<float> a4 = Vector128.Create(4f);
        Vector128<float> a5 = Vector128.Create(5f);
        Vector128<float> a6 = Vector128.Create(6f);
        Vector128<float> a7 = Vector128.Create(7f);
        Vector128<float> a8 = Vector128.Create(8f);
        Vector128<float> a9 = Vector128.Create(9f);
        Vector128<float> a10 = Vector128.Create(10f);
        Vector128<float> a11 = Vector128.Create(11f);
        Vector128<float> a12 = Vector128.Create(12f);
        Vector128<float> a13 = Vector128.Create(13f);
        Vector128<float> a14 = Vector128.Create(14f);
        Vector128<float> a15 = Vector128.Create(15f);
        Vector128<float> a16 = Vector128.Create(16f);
        Vector128<float> a17 = Vector128.Create(17f);
        Vector128<float> a18 = Vector128.Create(18f);
        Vector128<float> a19 = Vector128.Create(19f);
        for (long i = 0; i < iterations; i++)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, x, y);
            a1 = AdvSimd.FusedMultiplyAdd(a1, x, y);
            a2 = AdvSimd.FusedMultiplyAdd(a2, x, y);
            a3 = AdvSimd.FusedMultiplyAdd(a3, x, y);
            a4 = AdvSimd.FusedMultiplyAdd(a4, x, y);
            a5 = AdvSimd.FusedMultiplyAdd(a5, x, y);
            a6 = AdvSimd.FusedMultiplyAdd(a6, x, y);
            a7 = AdvSimd.FusedMultiplyAdd(a7, x, y);
            a8 = AdvSimd.FusedMultiplyAdd(a8, x, y);
            a9 = AdvSimd.FusedMultiplyAdd(a9, x, y);
            a10 = AdvSimd.FusedMultiplyAdd(a10, x, y);
            a11 = AdvSimd.FusedMultiplyAdd(a11, x, y);
            a12 = AdvSimd.FusedMultiplyAdd(a12, x, y);
            a13 = AdvSimd.FusedMultiplyAdd(a13, x, y);
            a14 = AdvSimd.FusedMultiplyAdd(a14, x, y);
            a15 = AdvSimd.FusedMultiplyAdd(a15, x, y);
            a16 = AdvSimd.FusedMultiplyAdd(a16, x, y);
            a17 = AdvSimd.FusedMultiplyAdd(a17, x, y);
            a18 = AdvSimd.FusedMultiplyAdd(a18, x, y);
            a19 = AdvSimd.FusedMultiplyAdd(a19, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15 + a16 + a17 + a18 + a19).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        Vector64<sbyte> x = Vector64.Create((sbyte)3);
        Vector64<sbyte> y = Vector64.Create((sbyte)77);
        Vector128<short> a0 = Vector128.Create((short)0);
        Vector128<short> a1 = Vector128.Create((short)1);
        Vector128<short> a2 = Vector128.Create((short)2);
        Vector128<short> a3 = Vector128.Create((short)3);
        Vector128<short> a4 = Vector128.Create((short)4);
        Vector128<short> a5 = Vector128.Create((short)5);
        Vector128<short> a6 = Vector128.Create((short)6);
        Vector128<short> a7 = Vector128.Create((short)7);
        Vector128<short> a8 = Vector128.Create((short)8);
        Vector128<short> a9 = Vector128.Create((short)9);
        Vector128<short> a10 = Vector128.Create((short)10);
        Vector128<short> a11 = Vector128.Create((short)11);
        Vector128<short> a12 = Vector128.Create((short)12);
        Vector128<short> a13 = Vector128.Create((short)13);
        Vector128<short> a14 = Vector128.Create((short)14);
        Vector128<short> a15 = Vector128.Create((short)15);
        Vector128<short> a16 = Vector128.Create((short)16);
        Vector128<short> a17 = Vector128.Create((short)17);
        Vector128<short> a18 = Vector128.Create((short)18);
        Vector128<short> a19 = Vector128.Create((short)19);
        for (long i = 0; i < iterations; i++)
        {
            a0 = AdvSimd.MultiplyWideningLowerAndAdd(a0, x, y);
            a1 = AdvSimd.MultiplyWideningLowerAndAdd(a1, x, y);
            a2 = AdvSimd.MultiplyWideningLowerAndAdd(a2, x, y);
            a3 = AdvSimd.MultiplyWideningLowerAndAdd(a3, x, y);
            a4 = AdvSimd.MultiplyWideningLowerAndAdd(a4, x, y);
            a5 = AdvSimd.MultiplyWideningLowerAndAdd(a5, x, y);
            a6 = AdvSimd.MultiplyWideningLowerAndAdd(a6, x, y);
            a7 = AdvSimd.MultiplyWideningLowerAndAdd(a7, x, y);
            a8 = AdvSimd.MultiplyWideningLowerAndAdd(a8, x, y);
            a9 = AdvSimd.MultiplyWideningLowerAndAdd(a9, x, y);
            a10 = AdvSimd.MultiplyWideningLowerAndAdd(a10, x, y);
            a11 = AdvSimd.MultiplyWideningLowerAndAdd(a11, x, y);
            a12 = AdvSimd.MultiplyWideningLowerAndAdd(a12, x, y);
            a13 = AdvSimd.MultiplyWideningLowerAndAdd(a13, x, y);
            a14 = AdvSimd.MultiplyWideningLowerAndAdd(a14, x, y);
            a15 = AdvSimd.MultiplyWideningLowerAndAdd(a15, x, y);
            a16 = AdvSimd.MultiplyWideningLowerAndAdd(a16, x, y);
            a17 = AdvSimd.MultiplyWideningLowerAndAdd(a17, x, y);
            a18 = AdvSimd.MultiplyWideningLowerAndAdd(a18, x, y);
            a19 = AdvSimd.MultiplyWideningLowerAndAdd(a19, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15 + a16 + a17 + a18 + a19).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Read(byte* source, nint bytes)
    {
        Vector128<int> a0 = Vector128<int>.Zero;
        Vector128<int> a1 = Vector128<int>.Zero;
        Vector128<int> a2 = Vector128<int>.Zero;
        Vector128<int> a3 = Vector128<int>.Zero;
        Vector128<int> a4 = Vector128<int>.Zero;
        Vector128<int> a5 = Vector128<int>.Zero;
        Vector128<int> a6 = Vector128<int>.Zero;
        Vector128<int> a7 = Vector128<int>.Zero;
        for (nint i = 0; i < bytes; i += 128)
        {
            a0 |= Load(source + i);
            a1 |= Load(source + i + (1 * 16));
            a2 |= Load(source + i + (2 * 16));
            a3 |= Load(source + i + (3 * 16));
            a4 |= Load(source + i + (4 * 16));
            a5 |= Load(source + i + (5 * 16));
            a6 |= Load(source + i + (6 * 16));
            a7 |= Load(source + i + (7 * 16));
        }

        return (a0 | a1 | a2 | a3 | a4 | a5 | a6 | a7).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 64)
        {
            Vector128<int> x0 = Load(source + i);
            Vector128<int> x1 = Load(source + i + (1 * 16));
            Vector128<int> x2 = Load(source + i + (2 * 16));
            Vector128<int> x3 = Load(source + i + (3 * 16));
            x0.Store((int*)(destination + i));
            x1.Store((int*)(destination + i + (1 * 16)));
            x2.Store((int*)(destination + i + (2 * 16)));
            x3.Store((int*)(destination + i + (3 * 16)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Stream(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 64)
        {
            Vector128<int> x0 = Load(source + i);
            Vector128<int> x1 = Load(source + i + (1 * 16));
            Vector128<int> x2 = Load(source + i + (2 * 16));
            Vector128<int> x3 = Load(source + i + (3 * 16));
            AdvSimd.Arm64.StorePairNonTemporal((int*)(destination + i), x0, x1);
            AdvSimd.Arm64.StorePairNonTemporal((int*)(destination + i + 32), x2, x3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Load(byte* source) => Vector128.Load((int*)source);
}
