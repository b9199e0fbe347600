using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// The peaks of AVX2: 12 chains of VFMADD231PS; 12 chains of VPMADDUBSW and VPADDW; loads and stores of 32 bytes.
/// </summary>
internal static unsafe class PeakAvx2
{
    public static PeakKernel Kernel => new(12 * 8, &Fma, 12 * 32, &Int8, &Read, &Copy, &Stream);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Fma(long iterations)
    {
        Vector256<float> x = Vector256.Create(0.999f);
        Vector256<float> y = Vector256.Create(0.25f);
        Vector256<float> a0 = Vector256.Create(0f);
        Vector256<float> a1 = Vector256.Create(1f);
        Vector256<float> a2 = Vector256.Create(2f);
        Vector256<float> a3 = Vector256.Create(3f);
        Vector256<float> a4 = Vector256.Create(4f);
        Vector256<float> a5 = Vector256.Create(5f);
        Vector256<float> a6 = Vector256.Create(6f);
        Vector256<float> a7 = Vector256.Create(7f);
        Vector256<float> a8 = Vector256.Create(8f);
        Vector256<float> a9 = Vector256.Create(9f);
        Vector256<float> a10 = Vector256.Create(10f);
        Vector256<float> a11 = Vector256.Create(11f);
        for (long i = 0; i < iterations; i++)
        {
            a0 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a0, x, y);
            a1 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a1, x, y);
            a2 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a2, x, y);
            a3 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a3, x, y);
            a4 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a4, x, y);
            a5 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a5, x, y);
            a6 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a6, x, y);
            a7 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a7, x, y);
            a8 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a8, x, y);
            a9 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a9, x, y);
            a10 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a10, x, y);
            a11 = System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a11, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        Vector256<byte> x = Vector256.Create((byte)3);
        Vector256<short> y = Vector256.Create((short)77);
        Vector256<short> a0 = Vector256.Create((short)0);
        Vector256<short> a1 = Vector256.Create((short)1);
        Vector256<short> a2 = Vector256.Create((short)2);
        Vector256<short> a3 = Vector256.Create((short)3);
        Vector256<short> a4 = Vector256.Create((short)4);
        Vector256<short> a5 = Vector256.Create((short)5);
        Vector256<short> a6 = Vector256.Create((short)6);
        Vector256<short> a7 = Vector256.Create((short)7);
        Vector256<short> a8 = Vector256.Create((short)8);
        Vector256<short> a9 = Vector256.Create((short)9);
        Vector256<short> a10 = Vector256.Create((short)10);
        Vector256<short> a11 = Vector256.Create((short)11);
        for (long i = 0; i < iterations; i++)
        {
            a0 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a0.AsSByte()));
            a1 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a1.AsSByte()));
            a2 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a2.AsSByte()));
            a3 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a3.AsSByte()));
            a4 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a4.AsSByte()));
            a5 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a5.AsSByte()));
            a6 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a6.AsSByte()));
            a7 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a7.AsSByte()));
            a8 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a8.AsSByte()));
            a9 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a9.AsSByte()));
            a10 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a10.AsSByte()));
            a11 = Avx2.Add(y, Avx2.MultiplyAddAdjacent(x, a11.AsSByte()));
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Read(byte* source, nint bytes)
    {
        Vector256<int> a0 = Vector256<int>.Zero;
        Vector256<int> a1 = Vector256<int>.Zero;
        Vector256<int> a2 = Vector256<int>.Zero;
        Vector256<int> a3 = Vector256<int>.Zero;
        Vector256<int> a4 = Vector256<int>.Zero;
        Vector256<int> a5 = Vector256<int>.Zero;
        Vector256<int> a6 = Vector256<int>.Zero;
        Vector256<int> a7 = Vector256<int>.Zero;
        for (nint i = 0; i < bytes; i += 256)
        {
            a0 |= Load(source + i);
            a1 |= Load(source + i + (1 * 32));
            a2 |= Load(source + i + (2 * 32));
            a3 |= Load(source + i + (3 * 32));
            a4 |= Load(source + i + (4 * 32));
            a5 |= Load(source + i + (5 * 32));
            a6 |= Load(source + i + (6 * 32));
            a7 |= Load(source + i + (7 * 32));
        }

        return (a0 | a1 | a2 | a3 | a4 | a5 | a6 | a7).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 128)
        {
            Vector256<int> x0 = Load(source + i);
            Vector256<int> x1 = Load(source + i + (1 * 32));
            Vector256<int> x2 = Load(source + i + (2 * 32));
            Vector256<int> x3 = Load(source + i + (3 * 32));
            x0.Store((int*)(destination + i));
            x1.Store((int*)(destination + i + (1 * 32)));
            x2.Store((int*)(destination + i + (2 * 32)));
            x3.Store((int*)(destination + i + (3 * 32)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Stream(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 128)
        {
            Vector256<int> x0 = Load(source + i);
            Vector256<int> x1 = Load(source + i + (1 * 32));
            Vector256<int> x2 = Load(source + i + (2 * 32));
            Vector256<int> x3 = Load(source + i + (3 * 32));
            Avx.StoreAlignedNonTemporal((int*)(destination + i), x0);
            Avx.StoreAlignedNonTemporal((int*)(destination + i + (1 * 32)), x1);
            Avx.StoreAlignedNonTemporal((int*)(destination + i + (2 * 32)), x2);
            Avx.StoreAlignedNonTemporal((int*)(destination + i + (3 * 32)), x3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Load(byte* source) => Vector256.Load((int*)source);
}
