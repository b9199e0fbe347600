using System.Runtime.CompilerServices;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>
/// What scalar code can reach: 12 chains of a fused multiply-add, 12 of an integer multiply-add, loads and stores of 8 bytes.
/// </summary>
internal static unsafe class PeakScalar
{
    public static PeakKernel Kernel => new(12, &Fma, 12, &Int8, &Read, &Copy, &Copy);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Fma(long iterations)
    {
        const float x = 0.999f;
        const float y = 0.25f;
        float a0 = 0;
        float a1 = 1;
        float a2 = 2;
        float a3 = 3;
        float a4 = 4;
        float a5 = 5;
        float a6 = 6;
        float a7 = 7;
        float a8 = 8;
        float a9 = 9;
        float a10 = 10;
        float a11 = 11;
        for (long i = 0; i < iterations; i++)
        {
            a0 = MathF.FusedMultiplyAdd(a0, x, y);
            a1 = MathF.FusedMultiplyAdd(a1, x, y);
            a2 = MathF.FusedMultiplyAdd(a2, x, y);
            a3 = MathF.FusedMultiplyAdd(a3, x, y);
            a4 = MathF.FusedMultiplyAdd(a4, x, y);
            a5 = MathF.FusedMultiplyAdd(a5, x, y);
            a6 = MathF.FusedMultiplyAdd(a6, x, y);
            a7 = MathF.FusedMultiplyAdd(a7, x, y);
            a8 = MathF.FusedMultiplyAdd(a8, x, y);
            a9 = MathF.FusedMultiplyAdd(a9, x, y);
            a10 = MathF.FusedMultiplyAdd(a10, x, y);
            a11 = MathF.FusedMultiplyAdd(a11, x, y);
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Int8(long iterations)
    {
        const int y = 77;
        int a0 = 0;
        int a1 = 1;
        int a2 = 2;
        int a3 = 3;
        int a4 = 4;
        int a5 = 5;
        int a6 = 6;
        int a7 = 7;
        int a8 = 8;
        int a9 = 9;
        int a10 = 10;
        int a11 = 11;
        for (long i = 0; i < iterations; i++)
        {
            a0 = ((sbyte)a0 * y) + a0;
            a1 = ((sbyte)a1 * y) + a1;
            a2 = ((sbyte)a2 * y) + a2;
            a3 = ((sbyte)a3 * y) + a3;
            a4 = ((sbyte)a4 * y) + a4;
            a5 = ((sbyte)a5 * y) + a5;
            a6 = ((sbyte)a6 * y) + a6;
            a7 = ((sbyte)a7 * y) + a7;
            a8 = ((sbyte)a8 * y) + a8;
            a9 = ((sbyte)a9 * y) + a9;
            a10 = ((sbyte)a10 * y) + a10;
            a11 = ((sbyte)a11 * y) + a11;
        }

        return (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Read(byte* source, nint bytes)
    {
        ulong a0 = 0;
        ulong a1 = 0;
        ulong a2 = 0;
        ulong a3 = 0;
        for (nint i = 0; i < bytes; i += 32)
        {
            a0 |= *(ulong*)(source + i);
            a1 |= *(ulong*)(source + i + (1 * 8));
            a2 |= *(ulong*)(source + i + (2 * 8));
            a3 |= *(ulong*)(source + i + (3 * 8));
        }

        return (int)(a0 | a1 | a2 | a3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(byte* source, byte* destination, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 32)
        {
            ulong x0 = *(ulong*)(source + i);
            ulong x1 = *(ulong*)(source + i + (1 * 8));
            ulong x2 = *(ulong*)(source + i + (2 * 8));
            ulong x3 = *(ulong*)(source + i + (3 * 8));
            *(ulong*)(destination + i) = x0;
            *(ulong*)(destination + i + (1 * 8)) = x1;
            *(ulong*)(destination + i + (2 * 8)) = x2;
            *(ulong*)(destination + i + (3 * 8)) = x3;
        }
    }
}
