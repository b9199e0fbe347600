using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output[r, j] += Σ_t a[r, t]·b[t, j]. Tiles of 6 rows and 4 registers of columns: 24 sums, 4 of b, one broadcast of a. Columns that are left go 16 at a time, masked.
/// Rows that a last tile misses are read as its first row and not written.
/// </summary>
internal static unsafe class DenseProductAvx512
{
    private const int Rows = 6;
    private const int Columns = 64;

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

        for (; j < columns; j += 16)
        {
            for (int r = 0; r < rows; r += Rows)
            {
                Narrow(a + (r * aRowStride), aRowStride, aStepStride, Math.Min(Rows, rows - r), steps, b + j, bStride, Math.Min(16, columns - j), output + (r * outputStride) + j, outputStride);
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
        Vector512<float> s00 = Vector512<float>.Zero;
        Vector512<float> s01 = Vector512<float>.Zero;
        Vector512<float> s02 = Vector512<float>.Zero;
        Vector512<float> s03 = Vector512<float>.Zero;
        Vector512<float> s10 = Vector512<float>.Zero;
        Vector512<float> s11 = Vector512<float>.Zero;
        Vector512<float> s12 = Vector512<float>.Zero;
        Vector512<float> s13 = Vector512<float>.Zero;
        Vector512<float> s20 = Vector512<float>.Zero;
        Vector512<float> s21 = Vector512<float>.Zero;
        Vector512<float> s22 = Vector512<float>.Zero;
        Vector512<float> s23 = Vector512<float>.Zero;
        Vector512<float> s30 = Vector512<float>.Zero;
        Vector512<float> s31 = Vector512<float>.Zero;
        Vector512<float> s32 = Vector512<float>.Zero;
        Vector512<float> s33 = Vector512<float>.Zero;
        Vector512<float> s40 = Vector512<float>.Zero;
        Vector512<float> s41 = Vector512<float>.Zero;
        Vector512<float> s42 = Vector512<float>.Zero;
        Vector512<float> s43 = Vector512<float>.Zero;
        Vector512<float> s50 = Vector512<float>.Zero;
        Vector512<float> s51 = Vector512<float>.Zero;
        Vector512<float> s52 = Vector512<float>.Zero;
        Vector512<float> s53 = Vector512<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector512<float> b0 = Vector512.Load(b);
            Vector512<float> b1 = Vector512.Load(b + 16);
            Vector512<float> b2 = Vector512.Load(b + 32);
            Vector512<float> b3 = Vector512.Load(b + 48);
            b += bStride;
            Vector512<float> x = Vector512.Create(*a);
            s00 = Avx512F.FusedMultiplyAdd(x, b0, s00);
            s01 = Avx512F.FusedMultiplyAdd(x, b1, s01);
            s02 = Avx512F.FusedMultiplyAdd(x, b2, s02);
            s03 = Avx512F.FusedMultiplyAdd(x, b3, s03);
            x = Vector512.Create(*a1);
            s10 = Avx512F.FusedMultiplyAdd(x, b0, s10);
            s11 = Avx512F.FusedMultiplyAdd(x, b1, s11);
            s12 = Avx512F.FusedMultiplyAdd(x, b2, s12);
            s13 = Avx512F.FusedMultiplyAdd(x, b3, s13);
            x = Vector512.Create(*a2);
            s20 = Avx512F.FusedMultiplyAdd(x, b0, s20);
            s21 = Avx512F.FusedMultiplyAdd(x, b1, s21);
            s22 = Avx512F.FusedMultiplyAdd(x, b2, s22);
            s23 = Avx512F.FusedMultiplyAdd(x, b3, s23);
            x = Vector512.Create(*a3);
            s30 = Avx512F.FusedMultiplyAdd(x, b0, s30);
            s31 = Avx512F.FusedMultiplyAdd(x, b1, s31);
            s32 = Avx512F.FusedMultiplyAdd(x, b2, s32);
            s33 = Avx512F.FusedMultiplyAdd(x, b3, s33);
            x = Vector512.Create(*a4);
            s40 = Avx512F.FusedMultiplyAdd(x, b0, s40);
            s41 = Avx512F.FusedMultiplyAdd(x, b1, s41);
            s42 = Avx512F.FusedMultiplyAdd(x, b2, s42);
            s43 = Avx512F.FusedMultiplyAdd(x, b3, s43);
            x = Vector512.Create(*a5);
            s50 = Avx512F.FusedMultiplyAdd(x, b0, s50);
            s51 = Avx512F.FusedMultiplyAdd(x, b1, s51);
            s52 = Avx512F.FusedMultiplyAdd(x, b2, s52);
            s53 = Avx512F.FusedMultiplyAdd(x, b3, s53);
            a += aStepStride;
            a1 += aStepStride;
            a2 += aStepStride;
            a3 += aStepStride;
            a4 += aStepStride;
            a5 += aStepStride;
        }

        Store(output, s00, s01, s02, s03);

        if (rows > 1)
        {
            Store(output + outputStride, s10, s11, s12, s13);
        }

        if (rows > 2)
        {
            Store(output + (2 * outputStride), s20, s21, s22, s23);
        }

        if (rows > 3)
        {
            Store(output + (3 * outputStride), s30, s31, s32, s33);
        }

        if (rows > 4)
        {
            Store(output + (4 * outputStride), s40, s41, s42, s43);
        }

        if (rows > 5)
        {
            Store(output + (5 * outputStride), s50, s51, s52, s53);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, int columns, float* output, nint outputStride)
    {
        Vector512<float> part = LaneMasks.First512(columns).AsSingle();
        float* a1 = rows > 1 ? a + aRowStride : a;
        float* a2 = rows > 2 ? a + (2 * aRowStride) : a;
        float* a3 = rows > 3 ? a + (3 * aRowStride) : a;
        float* a4 = rows > 4 ? a + (4 * aRowStride) : a;
        float* a5 = rows > 5 ? a + (5 * aRowStride) : a;
        Vector512<float> s00 = Vector512<float>.Zero;
        Vector512<float> s10 = Vector512<float>.Zero;
        Vector512<float> s20 = Vector512<float>.Zero;
        Vector512<float> s30 = Vector512<float>.Zero;
        Vector512<float> s40 = Vector512<float>.Zero;
        Vector512<float> s50 = Vector512<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector512<float> b0 = Avx512F.MaskLoad(b, part, Vector512<float>.Zero);
            b += bStride;
            Vector512<float> x = Vector512.Create(*a);
            s00 = Avx512F.FusedMultiplyAdd(x, b0, s00);
            x = Vector512.Create(*a1);
            s10 = Avx512F.FusedMultiplyAdd(x, b0, s10);
            x = Vector512.Create(*a2);
            s20 = Avx512F.FusedMultiplyAdd(x, b0, s20);
            x = Vector512.Create(*a3);
            s30 = Avx512F.FusedMultiplyAdd(x, b0, s30);
            x = Vector512.Create(*a4);
            s40 = Avx512F.FusedMultiplyAdd(x, b0, s40);
            x = Vector512.Create(*a5);
            s50 = Avx512F.FusedMultiplyAdd(x, b0, s50);
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
    private static void Store(float* output, Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3)
    {
        (Vector512.Load(output) + s0).Store(output);
        (Vector512.Load(output + 16) + s1).Store(output + 16);
        (Vector512.Load(output + 32) + s2).Store(output + 32);
        (Vector512.Load(output + 48) + s3).Store(output + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreNarrow(float* output, Vector512<float> part, Vector512<float> s) =>
        Avx512F.MaskStore(output, part, Avx512F.MaskLoad(output, part, Vector512<float>.Zero) + s);
}
