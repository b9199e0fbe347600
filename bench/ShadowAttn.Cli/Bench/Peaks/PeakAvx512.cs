using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// The peaks of AVX-512: 16 chains of VFMADD231PS; 16 chains of VPMADDUBSW and VPADDW, which is how 8-bit products go without VNNI; loads and stores
/// of 64 bytes.
/// </summary>
internal static unsafe class PeakAvx512
{
    public static PeakKernel Kernel => new(16 * 16, &Fma, 16 * 64, &Int8, &Read, &Copy, &Stream);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Fma(long iterations)
    {
        Vector512<float> x = Vector512.Create(0.999f);
        Vector512<float> y = Vector512.Create(0.25f);
        Vector512<float> a0 = Vector512.Create(0f);
        Vector512<float> a1 = Vector512.Create(1f);
        Vector512<float> a2 = Vector512.Create(2f);
        Vector512<float> a3 = Vector512.Create(3f);
        Vector512<float> a4 = Vector512.Create(4f);
        Vector512<float> a5 = Vector512.Create(5f);
        Vector512<float> a6 = Vector512.Create(6f);
        Vector512<float> a7 = Vector512.Create(7f);
        Vector512<float> a8 = Vector512.Create(8f);
        Vector512<float> a9 = Vector512.Create(9f);
        Vector512<float> a10 = Vector512.Create(10f);
        Vector512<float> a11 = Vector512.Create(11f);
        Vector512<float> a12 = Vector512.Create(12f);
        Vector512<float> a13 = Vector512.Create(13f);
        Vector512<float> a14 = Vector512.Create(14f);
        Vector512<float> a15 = Vector512.Create(15f);
        for (long i = 0; i < iterations; i++)
        {
            a0 = Avx512F.FusedMultiplyAdd(a0, x, y);
            a1 = Avx512F.FusedMultiplyAdd(a1, x, y);
            a2 = Avx512F.FusedMultiplyAdd(a2, x, y);
            a3 = Avx512F.FusedMultiplyAdd(a3, x, y);
            a4 = Avx512F.FusedMultiplyAdd(a4, x, y);
            a5 = Avx512F.FusedMultiplyAdd(a5, x, y);
            a6 = Avx512F.FusedMultiplyAdd(a6, x, y);
            a7 = Avx512F.FusedMultiplyAdd(a7, x, y);
            a8 = Avx512F.FusedMultiplyAdd(a8, x, y);
            a9 = Avx512F.FusedMultiplyAdd(a9, x, y);
            a10 = Avx512F.FusedMultiplyAdd(a10, x, y);
            a11 = Avx512F.FusedMultiplyAdd(a11, x, y);
            a12 = Avx512F.FusedMultiplyAdd(a12, x, y);
            a13 = Avx512F.FusedMultiplyAdd(a13, x, y);
            a14 = Avx512F.FusedMultiplyAdd(a14, x, y);
            a15 = Avx512F.FusedMultiplyAdd(a15, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        Vector512<byte> x = Vector512.Create((byte)3);
        Vector512<short> y = Vector512.Create((short)77);
        Vector512<short> a0 = Vector512.Create((short)0);
        Vector512<short> a1 = Vector512.Create((short)1);
        Vector512<short> a2 = Vector512.Create((short)2);
        Vector512<short> a3 = Vector512.Create((short)3);
        Vector512<short> a4 = Vector512.Create((short)4);
        Vector512<short> a5 = Vector512.Create((short)5);
        Vector512<short> a6 = Vector512.Create((short)6);
        Vector512<short> a7 = Vector512.Create((short)7);
        Vector512<short> a8 = Vector512.Create((short)8);
        Vector512<short> a9 = Vector512.Create((short)9);
        Vector512<short> a10 = Vector512.Create((short)10);
        Vector512<short> a11 = Vector512.Create((short)11);
        Vector512<short> a12 = Vector512.Create((short)12);
        Vector512<short> a13 = Vector512.Create((short)13);
        Vector512<short> a14 = Vector512.Create((short)14);
        Vector512<short> a15 = Vector512.Create((short)15);
        for (long i = 0; i < iterations; i++)
        {
            a0 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a0.AsSByte()));
            a1 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a1.AsSByte()));
            a2 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a2.AsSByte()));
            a3 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a3.AsSByte()));
            a4 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a4.AsSByte()));
            a5 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a5.AsSByte()));
            a6 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a6.AsSByte()));
            a7 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a7.AsSByte()));
            a8 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a8.AsSByte()));
            a9 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a9.AsSByte()));
            a10 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a10.AsSByte()));
            a11 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a11.AsSByte()));
            a12 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a12.AsSByte()));
            a13 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a13.AsSByte()));
            a14 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a14.AsSByte()));
            a15 = Avx512BW.Add(y, Avx512BW.MultiplyAddAdjacent(x, a15.AsSByte()));
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Read(byte* source, nint bytes)
    {
        Vector512<int> a0 = Vector512<int>.Zero;
        Vector512<int> a1 = Vector512<int>.Zero;
        Vector512<int> a2 = Vector512<int>.Zero;
        Vector512<int> a3 = Vector512<int>.Zero;
        Vector512<int> a4 = Vector512<int>.Zero;
        Vector512<int> a5 = Vector512<int>.Zero;
        Vector512<int> a6 = Vector512<int>.Zero;
        Vector512<int> a7 = Vector512<int>.Zero;
        for (nint i = 0; i < bytes; i += 512)
        {
            a0 |= Load(source + i);
            a1 |= Load(source + i + (1 * 64));
            a2 |= Load(source + i + (2 * 64));
            a3 |= Load(source + i + (3 * 64));
            a4 |= Load(source + i + (4 * 64));
            a5 |= Load(source + i + (5 * 64));
            a6 |= Load(source + i + (6 * 64));
            a7 |= Load(source + i + (7 * 64));
        }

        return (a0 | a1 | a2 | a3 | a4 | a5 | a6 | a7).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 256)
        {
            Vector512<int> x0 = Load(source + i);
            Vector512<int> x1 = Load(source + i + (1 * 64));
            Vector512<int> x2 = Load(source + i + (2 * 64));
            Vector512<int> x3 = Load(source + i + (3 * 64));
            x0.Store((int*)(destination + i));
            x1.Store((int*)(destination + i + (1 * 64)));
            x2.Store((int*)(destination + i + (2 * 64)));
            x3.Store((int*)(destination + i + (3 * 64)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Stream(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 256)
        {
            Vector512<int> x0 = Load(source + i);
            Vector512<int> x1 = Load(source + i + (1 * 64));
            Vector512<int> x2 = Load(source + i + (2 * 64));
            Vector512<int> x3 = Load(source + i + (3 * 64));
            Avx512F.StoreAlignedNonTemporal((int*)(destination + i), x0);
            Avx512F.StoreAlignedNonTemporal((int*)(destination + i + (1 * 64)), x1);
            Avx512F.StoreAlignedNonTemporal((int*)(destination + i + (2 * 64)), x2);
            Avx512F.StoreAlignedNonTemporal((int*)(destination + i + (3 * 64)), x3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Load(byte* source) => Vector512.Load((int*)source);
}
