using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// The two matrix products of <see cref="DenseAttentionAdvSimd"/>, 16 accumulators each.
/// Logits: 8 keys x 8 rows, an accumulator per key and half of the rows; per channel 2 registers of rows times the key by element.
/// Values: 8 rows x 8 channels, an accumulator per row and half of the channels; per key 2 registers of values times the weights by element.
/// </summary>
internal static unsafe class DenseTilesAdvSimd
{
    private const int Tile = DenseAttentionAdvSimd.Tile;

    /// <summary>
    /// logits [panels·8 keys][8 rows] = Σ_d q [dim][8 rows] · k [panels][dim][8 keys]; takes part in <paramref name="maxima"/> [8] unless that
    /// is null.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Logits(float* queries, float* packed, int panels, int dim, float* logits, float* maxima)
    {
        Vector128<float> max0 = maxima is null ? default : Vector128.Load(maxima);
        Vector128<float> max1 = maxima is null ? default : Vector128.Load(maxima + 4);
        float* k = packed;
        for (int panel = 0; panel < panels; panel++)
        {
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> b0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> b1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> b2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            Vector128<float> b3 = Vector128<float>.Zero;
            Vector128<float> a4 = Vector128<float>.Zero;
            Vector128<float> b4 = Vector128<float>.Zero;
            Vector128<float> a5 = Vector128<float>.Zero;
            Vector128<float> b5 = Vector128<float>.Zero;
            Vector128<float> a6 = Vector128<float>.Zero;
            Vector128<float> b6 = Vector128<float>.Zero;
            Vector128<float> a7 = Vector128<float>.Zero;
            Vector128<float> b7 = Vector128<float>.Zero;
            float* q = queries;
            float* end = queries + ((nint)dim * Tile);
            for (float* last = end - (3 * Tile); q < last; q += 4 * Tile, k += 4 * Tile)
            {
                Vector128<float> x0 = Vector128.Load(q);
                Vector128<float> y0 = Vector128.Load(q + 4);
                Vector128<float> p0 = Vector128.Load(k);
                Vector128<float> r0 = Vector128.Load(k + 4);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x0, p0, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y0, p0, 0);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x0, p0, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y0, p0, 1);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x0, p0, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y0, p0, 2);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x0, p0, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y0, p0, 3);
                a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x0, r0, 0);
                b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y0, r0, 0);
                a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x0, r0, 1);
                b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y0, r0, 1);
                a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x0, r0, 2);
                b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y0, r0, 2);
                a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x0, r0, 3);
                b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y0, r0, 3);
                Vector128<float> x1 = Vector128.Load(q + 8);
                Vector128<float> y1 = Vector128.Load(q + 12);
                Vector128<float> p1 = Vector128.Load(k + 8);
                Vector128<float> r1 = Vector128.Load(k + 12);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x1, p1, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y1, p1, 0);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x1, p1, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y1, p1, 1);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x1, p1, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y1, p1, 2);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x1, p1, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y1, p1, 3);
                a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x1, r1, 0);
                b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y1, r1, 0);
                a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x1, r1, 1);
                b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y1, r1, 1);
                a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x1, r1, 2);
                b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y1, r1, 2);
                a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x1, r1, 3);
                b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y1, r1, 3);
                Vector128<float> x2 = Vector128.Load(q + 16);
                Vector128<float> y2 = Vector128.Load(q + 20);
                Vector128<float> p2 = Vector128.Load(k + 16);
                Vector128<float> r2 = Vector128.Load(k + 20);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x2, p2, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y2, p2, 0);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x2, p2, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y2, p2, 1);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x2, p2, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y2, p2, 2);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x2, p2, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y2, p2, 3);
                a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x2, r2, 0);
                b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y2, r2, 0);
                a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x2, r2, 1);
                b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y2, r2, 1);
                a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x2, r2, 2);
                b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y2, r2, 2);
                a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x2, r2, 3);
                b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y2, r2, 3);
                Vector128<float> x3 = Vector128.Load(q + 24);
                Vector128<float> y3 = Vector128.Load(q + 28);
                Vector128<float> p3 = Vector128.Load(k + 24);
                Vector128<float> r3 = Vector128.Load(k + 28);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x3, p3, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y3, p3, 0);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x3, p3, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y3, p3, 1);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x3, p3, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y3, p3, 2);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x3, p3, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y3, p3, 3);
                a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x3, r3, 0);
                b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y3, r3, 0);
                a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x3, r3, 1);
                b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y3, r3, 1);
                a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x3, r3, 2);
                b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y3, r3, 2);
                a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x3, r3, 3);
                b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y3, r3, 3);
            }

            for (; q < end; q += Tile, k += Tile)
            {
                Vector128<float> x0 = Vector128.Load(q);
                Vector128<float> y0 = Vector128.Load(q + 4);
                Vector128<float> p0 = Vector128.Load(k);
                Vector128<float> r0 = Vector128.Load(k + 4);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x0, p0, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y0, p0, 0);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x0, p0, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y0, p0, 1);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x0, p0, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y0, p0, 2);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x0, p0, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y0, p0, 3);
                a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x0, r0, 0);
                b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y0, r0, 0);
                a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x0, r0, 1);
                b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y0, r0, 1);
                a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x0, r0, 2);
                b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y0, r0, 2);
                a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x0, r0, 3);
                b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y0, r0, 3);
            }

            a0.Store(logits);
            b0.Store(logits + 4);
            a1.Store(logits + 8);
            b1.Store(logits + 12);
            a2.Store(logits + 16);
            b2.Store(logits + 20);
            a3.Store(logits + 24);
            b3.Store(logits + 28);
            a4.Store(logits + 32);
            b4.Store(logits + 36);
            a5.Store(logits + 40);
            b5.Store(logits + 44);
            a6.Store(logits + 48);
            b6.Store(logits + 52);
            a7.Store(logits + 56);
            b7.Store(logits + 60);
            logits += Tile * Tile;
            a0 = AdvSimd.Max(AdvSimd.Max(a0, a1), AdvSimd.Max(a2, a3));
            a4 = AdvSimd.Max(AdvSimd.Max(a4, a5), AdvSimd.Max(a6, a7));
            max0 = AdvSimd.Max(max0, AdvSimd.Max(a0, a4));
            b0 = AdvSimd.Max(AdvSimd.Max(b0, b1), AdvSimd.Max(b2, b3));
            b4 = AdvSimd.Max(AdvSimd.Max(b4, b5), AdvSimd.Max(b6, b7));
            max1 = AdvSimd.Max(max1, AdvSimd.Max(b0, b4));
        }

        if (maxima is not null)
        {
            max0.Store(maxima);
            max1.Store(maxima + 4);
        }
    }

    /// <summary>
    /// output [8 rows][8 channels] = (before·factor + Σ_key weights [keys][8 rows] · values [keys][8 channels])·scale, factor and scale per row;
    /// <paramref name="before"/> may be null, and it may be <paramref name="output"/>. Strides in bytes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values(
        float* weights, float* values, nint valueBytes, int keys, float* before, nint beforeBytes, Vector128<float> factor0,
        Vector128<float> factor1, Vector128<float> scale0, Vector128<float> scale1, float* output, nint outputBytes)
    {
        Vector128<float> a0 = Vector128<float>.Zero;
        Vector128<float> b0 = Vector128<float>.Zero;
        Vector128<float> a1 = Vector128<float>.Zero;
        Vector128<float> b1 = Vector128<float>.Zero;
        Vector128<float> a2 = Vector128<float>.Zero;
        Vector128<float> b2 = Vector128<float>.Zero;
        Vector128<float> a3 = Vector128<float>.Zero;
        Vector128<float> b3 = Vector128<float>.Zero;
        Vector128<float> a4 = Vector128<float>.Zero;
        Vector128<float> b4 = Vector128<float>.Zero;
        Vector128<float> a5 = Vector128<float>.Zero;
        Vector128<float> b5 = Vector128<float>.Zero;
        Vector128<float> a6 = Vector128<float>.Zero;
        Vector128<float> b6 = Vector128<float>.Zero;
        Vector128<float> a7 = Vector128<float>.Zero;
        Vector128<float> b7 = Vector128<float>.Zero;
        float* end = weights + (keys * Tile);
        for (float* last = end - (3 * Tile); weights < last; weights += 4 * Tile)
        {
            Vector128<float> p0 = Vector128.Load(weights);
            Vector128<float> r0 = Vector128.Load(weights + 4);
            Vector128<float> x0 = Vector128.Load(values);
            Vector128<float> y0 = Vector128.Load(values + 4);
            values = (float*)((byte*)values + valueBytes);
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x0, p0, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y0, p0, 0);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x0, p0, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y0, p0, 1);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x0, p0, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y0, p0, 2);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x0, p0, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y0, p0, 3);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x0, r0, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y0, r0, 0);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x0, r0, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y0, r0, 1);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x0, r0, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y0, r0, 2);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x0, r0, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y0, r0, 3);
            Vector128<float> p1 = Vector128.Load(weights + 8);
            Vector128<float> r1 = Vector128.Load(weights + 12);
            Vector128<float> x1 = Vector128.Load(values);
            Vector128<float> y1 = Vector128.Load(values + 4);
            values = (float*)((byte*)values + valueBytes);
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x1, p1, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y1, p1, 0);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x1, p1, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y1, p1, 1);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x1, p1, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y1, p1, 2);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x1, p1, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y1, p1, 3);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x1, r1, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y1, r1, 0);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x1, r1, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y1, r1, 1);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x1, r1, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y1, r1, 2);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x1, r1, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y1, r1, 3);
            Vector128<float> p2 = Vector128.Load(weights + 16);
            Vector128<float> r2 = Vector128.Load(weights + 20);
            Vector128<float> x2 = Vector128.Load(values);
            Vector128<float> y2 = Vector128.Load(values + 4);
            values = (float*)((byte*)values + valueBytes);
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x2, p2, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y2, p2, 0);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x2, p2, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y2, p2, 1);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x2, p2, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y2, p2, 2);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x2, p2, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y2, p2, 3);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x2, r2, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y2, r2, 0);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x2, r2, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y2, r2, 1);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x2, r2, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y2, r2, 2);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x2, r2, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y2, r2, 3);
            Vector128<float> p3 = Vector128.Load(weights + 24);
            Vector128<float> r3 = Vector128.Load(weights + 28);
            Vector128<float> x3 = Vector128.Load(values);
            Vector128<float> y3 = Vector128.Load(values + 4);
            values = (float*)((byte*)values + valueBytes);
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x3, p3, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y3, p3, 0);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x3, p3, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y3, p3, 1);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x3, p3, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y3, p3, 2);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x3, p3, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y3, p3, 3);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x3, r3, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y3, r3, 0);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x3, r3, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y3, r3, 1);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x3, r3, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y3, r3, 2);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x3, r3, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y3, r3, 3);
        }

        for (; weights < end; weights += Tile)
        {
            Vector128<float> p0 = Vector128.Load(weights);
            Vector128<float> r0 = Vector128.Load(weights + 4);
            Vector128<float> x0 = Vector128.Load(values);
            Vector128<float> y0 = Vector128.Load(values + 4);
            values = (float*)((byte*)values + valueBytes);
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x0, p0, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y0, p0, 0);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x0, p0, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y0, p0, 1);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x0, p0, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y0, p0, 2);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x0, p0, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y0, p0, 3);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, x0, r0, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, y0, r0, 0);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, x0, r0, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, y0, r0, 1);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, x0, r0, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, y0, r0, 2);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, x0, r0, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, y0, r0, 3);
        }

        if (before is not null)
        {
            a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, Vector128.Load(before), factor0, 0);
            b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, Vector128.Load(before + 4), factor0, 0);
            before = (float*)((byte*)before + beforeBytes);
            a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, Vector128.Load(before), factor0, 1);
            b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, Vector128.Load(before + 4), factor0, 1);
            before = (float*)((byte*)before + beforeBytes);
            a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, Vector128.Load(before), factor0, 2);
            b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, Vector128.Load(before + 4), factor0, 2);
            before = (float*)((byte*)before + beforeBytes);
            a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, Vector128.Load(before), factor0, 3);
            b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, Vector128.Load(before + 4), factor0, 3);
            before = (float*)((byte*)before + beforeBytes);
            a4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a4, Vector128.Load(before), factor1, 0);
            b4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b4, Vector128.Load(before + 4), factor1, 0);
            before = (float*)((byte*)before + beforeBytes);
            a5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a5, Vector128.Load(before), factor1, 1);
            b5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b5, Vector128.Load(before + 4), factor1, 1);
            before = (float*)((byte*)before + beforeBytes);
            a6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a6, Vector128.Load(before), factor1, 2);
            b6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b6, Vector128.Load(before + 4), factor1, 2);
            before = (float*)((byte*)before + beforeBytes);
            a7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a7, Vector128.Load(before), factor1, 3);
            b7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b7, Vector128.Load(before + 4), factor1, 3);
        }

        AdvSimd.MultiplyBySelectedScalar(a0, scale0, 0).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b0, scale0, 0).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a1, scale0, 1).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b1, scale0, 1).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a2, scale0, 2).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b2, scale0, 2).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a3, scale0, 3).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b3, scale0, 3).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a4, scale1, 0).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b4, scale1, 0).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a5, scale1, 1).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b5, scale1, 1).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a6, scale1, 2).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b6, scale1, 2).Store(output + 4);
        output = (float*)((byte*)output + outputBytes);
        AdvSimd.MultiplyBySelectedScalar(a7, scale1, 3).Store(output);
        AdvSimd.MultiplyBySelectedScalar(b7, scale1, 3).Store(output + 4);
    }

    /// <summary>[rows ≤ 8, dim] times <paramref name="factor"/> to [dim][8], zero behind the last row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint stride, int rows, int dim, float factor, float* packed)
    {
        int d = 0;
        if (rows == Tile)
        {
            Vector128<float> f = Vector128.Create(factor);
            for (; d + 4 <= dim; d += 4, packed += 4 * Tile)
            {
                Transpose4(source + d, stride, f, packed);
                Transpose4(source + d + (4 * stride), stride, f, packed + 4);
            }
        }

        for (; d < dim; d++, packed += Tile)
        {
            for (int r = 0; r < Tile; r++)
            {
                packed[r] = r < rows ? source[(r * stride) + d] * factor : 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4(float* source, nint stride, Vector128<float> factor, float* packed)
    {
        Vector128<float> a = Vector128.Load(source) * factor;
        Vector128<float> b = Vector128.Load(source + stride) * factor;
        Vector128<float> c = Vector128.Load(source + (2 * stride)) * factor;
        Vector128<float> d = Vector128.Load(source + (3 * stride)) * factor;
        Vector128<double> ab02 = AdvSimd.Arm64.TransposeEven(a, b).AsDouble();
        Vector128<double> ab13 = AdvSimd.Arm64.TransposeOdd(a, b).AsDouble();
        Vector128<double> cd02 = AdvSimd.Arm64.TransposeEven(c, d).AsDouble();
        Vector128<double> cd13 = AdvSimd.Arm64.TransposeOdd(c, d).AsDouble();
        AdvSimd.Arm64.TransposeEven(ab02, cd02).AsSingle().Store(packed);
        AdvSimd.Arm64.TransposeEven(ab13, cd13).AsSingle().Store(packed + 8);
        AdvSimd.Arm64.TransposeOdd(ab02, cd02).AsSingle().Store(packed + 16);
        AdvSimd.Arm64.TransposeOdd(ab13, cd13).AsSingle().Store(packed + 24);
    }
}
