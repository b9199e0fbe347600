using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// output[r, j] += Σ_t a[r, t]·b[t, j]. Tiles of 6 rows and 4 registers of columns: 24 sums, 4 of b, one broadcast of a. Columns that are left go 4 at a time, then one by one.
/// Rows that a last tile misses are read as its first row and not written.
/// </summary>
internal static unsafe class DenseProductAdvSimd
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

        for (; j <= columns - 4; j += 4)
        {
            for (int r = 0; r < rows; r += Rows)
            {
                Narrow(a + (r * aRowStride), aRowStride, aStepStride, Math.Min(Rows, rows - r), steps, b + j, bStride, output + (r * outputStride) + j, outputStride);
            }
        }

        if (j < columns)
        {
            DenseProductScalar.Add(a, aRowStride, aStepStride, rows, steps, b + j, bStride, columns - j, output + j, outputStride);
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
        Vector128<float> s00 = Vector128<float>.Zero;
        Vector128<float> s01 = Vector128<float>.Zero;
        Vector128<float> s02 = Vector128<float>.Zero;
        Vector128<float> s03 = Vector128<float>.Zero;
        Vector128<float> s10 = Vector128<float>.Zero;
        Vector128<float> s11 = Vector128<float>.Zero;
        Vector128<float> s12 = Vector128<float>.Zero;
        Vector128<float> s13 = Vector128<float>.Zero;
        Vector128<float> s20 = Vector128<float>.Zero;
        Vector128<float> s21 = Vector128<float>.Zero;
        Vector128<float> s22 = Vector128<float>.Zero;
        Vector128<float> s23 = Vector128<float>.Zero;
        Vector128<float> s30 = Vector128<float>.Zero;
        Vector128<float> s31 = Vector128<float>.Zero;
        Vector128<float> s32 = Vector128<float>.Zero;
        Vector128<float> s33 = Vector128<float>.Zero;
        Vector128<float> s40 = Vector128<float>.Zero;
        Vector128<float> s41 = Vector128<float>.Zero;
        Vector128<float> s42 = Vector128<float>.Zero;
        Vector128<float> s43 = Vector128<float>.Zero;
        Vector128<float> s50 = Vector128<float>.Zero;
        Vector128<float> s51 = Vector128<float>.Zero;
        Vector128<float> s52 = Vector128<float>.Zero;
        Vector128<float> s53 = Vector128<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector128<float> b0 = Vector128.Load(b);
            Vector128<float> b1 = Vector128.Load(b + 4);
            Vector128<float> b2 = Vector128.Load(b + 8);
            Vector128<float> b3 = Vector128.Load(b + 12);
            b += bStride;
            Vector128<float> x = AdvSimd.LoadAndReplicateToVector128(a);
            s00 = AdvSimd.FusedMultiplyAdd(s00, x, b0);
            s01 = AdvSimd.FusedMultiplyAdd(s01, x, b1);
            s02 = AdvSimd.FusedMultiplyAdd(s02, x, b2);
            s03 = AdvSimd.FusedMultiplyAdd(s03, x, b3);
            x = AdvSimd.LoadAndReplicateToVector128(a1);
            s10 = AdvSimd.FusedMultiplyAdd(s10, x, b0);
            s11 = AdvSimd.FusedMultiplyAdd(s11, x, b1);
            s12 = AdvSimd.FusedMultiplyAdd(s12, x, b2);
            s13 = AdvSimd.FusedMultiplyAdd(s13, x, b3);
            x = AdvSimd.LoadAndReplicateToVector128(a2);
            s20 = AdvSimd.FusedMultiplyAdd(s20, x, b0);
            s21 = AdvSimd.FusedMultiplyAdd(s21, x, b1);
            s22 = AdvSimd.FusedMultiplyAdd(s22, x, b2);
            s23 = AdvSimd.FusedMultiplyAdd(s23, x, b3);
            x = AdvSimd.LoadAndReplicateToVector128(a3);
            s30 = AdvSimd.FusedMultiplyAdd(s30, x, b0);
            s31 = AdvSimd.FusedMultiplyAdd(s31, x, b1);
            s32 = AdvSimd.FusedMultiplyAdd(s32, x, b2);
            s33 = AdvSimd.FusedMultiplyAdd(s33, x, b3);
            x = AdvSimd.LoadAndReplicateToVector128(a4);
            s40 = AdvSimd.FusedMultiplyAdd(s40, x, b0);
            s41 = AdvSimd.FusedMultiplyAdd(s41, x, b1);
            s42 = AdvSimd.FusedMultiplyAdd(s42, x, b2);
            s43 = AdvSimd.FusedMultiplyAdd(s43, x, b3);
            x = AdvSimd.LoadAndReplicateToVector128(a5);
            s50 = AdvSimd.FusedMultiplyAdd(s50, x, b0);
            s51 = AdvSimd.FusedMultiplyAdd(s51, x, b1);
            s52 = AdvSimd.FusedMultiplyAdd(s52, x, b2);
            s53 = AdvSimd.FusedMultiplyAdd(s53, x, b3);
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
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, float* output, nint outputStride)
    {
        float* a1 = rows > 1 ? a + aRowStride : a;
        float* a2 = rows > 2 ? a + (2 * aRowStride) : a;
        float* a3 = rows > 3 ? a + (3 * aRowStride) : a;
        float* a4 = rows > 4 ? a + (4 * aRowStride) : a;
        float* a5 = rows > 5 ? a + (5 * aRowStride) : a;
        Vector128<float> s00 = Vector128<float>.Zero;
        Vector128<float> s10 = Vector128<float>.Zero;
        Vector128<float> s20 = Vector128<float>.Zero;
        Vector128<float> s30 = Vector128<float>.Zero;
        Vector128<float> s40 = Vector128<float>.Zero;
        Vector128<float> s50 = Vector128<float>.Zero;
        for (int t = 0; t < steps; t++)
        {
            Vector128<float> b0 = Vector128.Load(b);
            b += bStride;
            Vector128<float> x = AdvSimd.LoadAndReplicateToVector128(a);
            s00 = AdvSimd.FusedMultiplyAdd(s00, x, b0);
            x = AdvSimd.LoadAndReplicateToVector128(a1);
            s10 = AdvSimd.FusedMultiplyAdd(s10, x, b0);
            x = AdvSimd.LoadAndReplicateToVector128(a2);
            s20 = AdvSimd.FusedMultiplyAdd(s20, x, b0);
            x = AdvSimd.LoadAndReplicateToVector128(a3);
            s30 = AdvSimd.FusedMultiplyAdd(s30, x, b0);
            x = AdvSimd.LoadAndReplicateToVector128(a4);
            s40 = AdvSimd.FusedMultiplyAdd(s40, x, b0);
            x = AdvSimd.LoadAndReplicateToVector128(a5);
            s50 = AdvSimd.FusedMultiplyAdd(s50, x, b0);
            a += aStepStride;
            a1 += aStepStride;
            a2 += aStepStride;
            a3 += aStepStride;
            a4 += aStepStride;
            a5 += aStepStride;
        }

        StoreNarrow(output, s00);

        if (rows > 1)
        {
            StoreNarrow(output + outputStride, s10);
        }

        if (rows > 2)
        {
            StoreNarrow(output + (2 * outputStride), s20);
        }

        if (rows > 3)
        {
            StoreNarrow(output + (3 * outputStride), s30);
        }

        if (rows > 4)
        {
            StoreNarrow(output + (4 * outputStride), s40);
        }

        if (rows > 5)
        {
            StoreNarrow(output + (5 * outputStride), s50);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* output, Vector128<float> s0, Vector128<float> s1, Vector128<float> s2, Vector128<float> s3)
    {
        (Vector128.Load(output) + s0).Store(output);
        (Vector128.Load(output + 4) + s1).Store(output + 4);
        (Vector128.Load(output + 8) + s2).Store(output + 8);
        (Vector128.Load(output + 12) + s3).Store(output + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreNarrow(float* output, Vector128<float> s) => (Vector128.Load(output) + s).Store(output);
}
