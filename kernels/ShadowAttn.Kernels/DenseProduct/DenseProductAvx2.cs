using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output[r, j] += Σ_t a[r, t]·b[t, j]. Tiles of 6 rows and 2 registers of columns: 12 sums, 2 of b, one broadcast of a. Columns that are left go 8 at a time, masked.
/// Rows that a last tile misses are read as its first row and not written.
/// </summary>
internal static unsafe class DenseProductAvx2
{
    private const int Rows = 6;
    private const int Columns = 16;

    public static DenseProductKernel Kernel => new(&Add);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, int columns, float* output, nint outputStride)
    {
        int j = 0;
        for (; j <= columns - Columns; j += Columns)
        {
            for (int r = 0; r < rows; r += Rows)
            {
                Wide(a + (r * aRowStride), aRowStride, aStepStride, Math.Min(Rows, rows - r), steps, b + j, bStride, output + (r * outputStride) + j, outputStride);
            }
        }

        for (; j < columns; j += 8)
        {
            for (int r = 0; r < rows; r += Rows)
            {
                Narrow(a + (r * aRowStride), aRowStride, aStepStride, Math.Min(Rows, rows - r), steps, b + j, bStride, Math.Min(8, columns - j), output + (r * outputStride) + j, outputStride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide(
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, float* output, nint outputStride)
    {
        float* a1 = rows > 1 ? a + aRowStride : a;
        float* a2 = rows > 2 ? a + (2 * aRowStride) : a;
        float* a3 = rows > 3 ? a + (3 * aRowStride) : a;
        float* a4 = rows > 4 ? a + (4 * aRowStride) : a;
        float* a5 = rows > 5 ? a + (5 * aRowStride) : a;
        Vector256<float> s00 = Vector256<float>.Zero;
        Vector256<float> s01 = Vector256<float>.Zero;
        Vector256<float> s10 = Vector256<float>.Zero;
        Vector256<float> s11 = Vector256<float>.Zero;
        Vector256<float> s20 = Vector256<float>.Zero;
        Vector256<float> s21 = Vector256<float>.Zero;
        Vector256<float> s30 = Vector256<float>.Zero;
        Vector256<float> s31 = Vector256<float>.Zero;
        Vector256<float> s40 = Vector256<float>.Zero;
        Vector256<float> s41 = Vector256<float>.Zero;
        Vector256<float> s50 = Vector256<float>.Zero;
        Vector256<float> s51 = Vector256<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector256<float> b0 = Vector256.Load(b);
            Vector256<float> b1 = Vector256.Load(b + 8);
            b += bStride;
            Vector256<float> x = Vector256.Create(*a);
            s00 = Fma.MultiplyAdd(x, b0, s00);
            s01 = Fma.MultiplyAdd(x, b1, s01);
            x = Vector256.Create(*a1);
            s10 = Fma.MultiplyAdd(x, b0, s10);
            s11 = Fma.MultiplyAdd(x, b1, s11);
            x = Vector256.Create(*a2);
            s20 = Fma.MultiplyAdd(x, b0, s20);
            s21 = Fma.MultiplyAdd(x, b1, s21);
            x = Vector256.Create(*a3);
            s30 = Fma.MultiplyAdd(x, b0, s30);
            s31 = Fma.MultiplyAdd(x, b1, s31);
            x = Vector256.Create(*a4);
            s40 = Fma.MultiplyAdd(x, b0, s40);
            s41 = Fma.MultiplyAdd(x, b1, s41);
            x = Vector256.Create(*a5);
            s50 = Fma.MultiplyAdd(x, b0, s50);
            s51 = Fma.MultiplyAdd(x, b1, s51);
            a += aStepStride;
            a1 += aStepStride;
            a2 += aStepStride;
            a3 += aStepStride;
            a4 += aStepStride;
            a5 += aStepStride;
        }

        Store(output, s00, s01);

        if (rows > 1)
        {
            Store(output + outputStride, s10, s11);
        }

        if (rows > 2)
        {
            Store(output + (2 * outputStride), s20, s21);
        }

        if (rows > 3)
        {
            Store(output + (3 * outputStride), s30, s31);
        }

        if (rows > 4)
        {
            Store(output + (4 * outputStride), s40, s41);
        }

        if (rows > 5)
        {
            Store(output + (5 * outputStride), s50, s51);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, int columns, float* output, nint outputStride)
    {
        Vector256<float> part = LaneMasks.First256(columns).AsSingle();
        float* a1 = rows > 1 ? a + aRowStride : a;
        float* a2 = rows > 2 ? a + (2 * aRowStride) : a;
        float* a3 = rows > 3 ? a + (3 * aRowStride) : a;
        float* a4 = rows > 4 ? a + (4 * aRowStride) : a;
        float* a5 = rows > 5 ? a + (5 * aRowStride) : a;
        Vector256<float> s00 = Vector256<float>.Zero;
        Vector256<float> s10 = Vector256<float>.Zero;
        Vector256<float> s20 = Vector256<float>.Zero;
        Vector256<float> s30 = Vector256<float>.Zero;
        Vector256<float> s40 = Vector256<float>.Zero;
        Vector256<float> s50 = Vector256<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector256<float> b0 = Avx.MaskLoad(b, part);
            b += bStride;
            Vector256<float> x = Vector256.Create(*a);
            s00 = Fma.MultiplyAdd(x, b0, s00);
            x = Vector256.Create(*a1);
            s10 = Fma.MultiplyAdd(x, b0, s10);
            x = Vector256.Create(*a2);
            s20 = Fma.MultiplyAdd(x, b0, s20);
            x = Vector256.Create(*a3);
            s30 = Fma.MultiplyAdd(x, b0, s30);
            x = Vector256.Create(*a4);
            s40 = Fma.MultiplyAdd(x, b0, s40);
            x = Vector256.Create(*a5);
            s50 = Fma.MultiplyAdd(x, b0, s50);
            a += aStepStride;
            a1 += aStepStride;
            a2 += aStepStride;
            a3 += aStepStride;
            a4 += aStepStride;
            a5 += aStepStride;
        }

        StoreNarrow(output, part, s00);

        if (rows > 1)
        {
            StoreNarrow(output + outputStride, part, s10);
        }

        if (rows > 2)
        {
            StoreNarrow(output + (2 * outputStride), part, s20);
        }

        if (rows > 3)
        {
            StoreNarrow(output + (3 * outputStride), part, s30);
        }

        if (rows > 4)
        {
            StoreNarrow(output + (4 * outputStride), part, s40);
        }

        if (rows > 5)
        {
            StoreNarrow(output + (5 * outputStride), part, s50);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* output, Vector256<float> s0, Vector256<float> s1)
    {
        (Vector256.Load(output) + s0).Store(output);
        (Vector256.Load(output + 8) + s1).Store(output + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreNarrow(float* output, Vector256<float> part, Vector256<float> s) =>
        Avx.MaskStore(output, part, Avx.MaskLoad(output, part) + s);
}
