using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>
/// 8 rows x 8 keys. Registers: 16 accumulators (8 rows x 2 vectors of 4 keys), 2 of keys, 2 of queries; per 4 channels 16 SDOT by element on 2
/// paired loads. Requantising for the shifts of the common dims is one rounding, saturating narrowing to 16 bits and one saturating narrowing to 8.
/// </content>
internal static unsafe partial class Int8ScoresDp
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<T, TShift>(sbyte* queries, sbyte* keys, int tiles, nint groups, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        Vector128<int> right = Vector128.Create(-shift);
        sbyte* k = keys;
        sbyte* end = queries + (groups * 32);
        sbyte* last = end - 224;
        nint twoRows = 2 * stride;
        for (T* target = output; tiles > 0; tiles--, target += Tile)
        {
            Vector128<int> a0 = Vector128<int>.Zero;
            Vector128<int> b0 = Vector128<int>.Zero;
            Vector128<int> a1 = Vector128<int>.Zero;
            Vector128<int> b1 = Vector128<int>.Zero;
            Vector128<int> a2 = Vector128<int>.Zero;
            Vector128<int> b2 = Vector128<int>.Zero;
            Vector128<int> a3 = Vector128<int>.Zero;
            Vector128<int> b3 = Vector128<int>.Zero;
            Vector128<int> a4 = Vector128<int>.Zero;
            Vector128<int> b4 = Vector128<int>.Zero;
            Vector128<int> a5 = Vector128<int>.Zero;
            Vector128<int> b5 = Vector128<int>.Zero;
            Vector128<int> a6 = Vector128<int>.Zero;
            Vector128<int> b6 = Vector128<int>.Zero;
            Vector128<int> a7 = Vector128<int>.Zero;
            Vector128<int> b7 = Vector128<int>.Zero;
            sbyte* q = queries;
            for (; q < last; q += 256, k += 256)
            {
                Vector128<sbyte> x0 = Vector128.Load(k);
                Vector128<sbyte> y0 = Vector128.Load(k + 16);
                Vector128<sbyte> p0 = Vector128.Load(q);
                Vector128<sbyte> r0 = Vector128.Load(q + 16);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x0, p0, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y0, p0, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x0, p0, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y0, p0, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x0, p0, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y0, p0, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x0, p0, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y0, p0, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x0, r0, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y0, r0, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x0, r0, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y0, r0, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x0, r0, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y0, r0, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x0, r0, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y0, r0, 3);
                Vector128<sbyte> x1 = Vector128.Load(k + 32);
                Vector128<sbyte> y1 = Vector128.Load(k + 48);
                Vector128<sbyte> p1 = Vector128.Load(q + 32);
                Vector128<sbyte> r1 = Vector128.Load(q + 48);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x1, p1, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y1, p1, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x1, p1, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y1, p1, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x1, p1, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y1, p1, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x1, p1, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y1, p1, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x1, r1, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y1, r1, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x1, r1, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y1, r1, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x1, r1, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y1, r1, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x1, r1, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y1, r1, 3);
                Vector128<sbyte> x2 = Vector128.Load(k + 64);
                Vector128<sbyte> y2 = Vector128.Load(k + 80);
                Vector128<sbyte> p2 = Vector128.Load(q + 64);
                Vector128<sbyte> r2 = Vector128.Load(q + 80);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x2, p2, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y2, p2, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x2, p2, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y2, p2, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x2, p2, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y2, p2, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x2, p2, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y2, p2, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x2, r2, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y2, r2, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x2, r2, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y2, r2, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x2, r2, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y2, r2, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x2, r2, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y2, r2, 3);
                Vector128<sbyte> x3 = Vector128.Load(k + 96);
                Vector128<sbyte> y3 = Vector128.Load(k + 112);
                Vector128<sbyte> p3 = Vector128.Load(q + 96);
                Vector128<sbyte> r3 = Vector128.Load(q + 112);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x3, p3, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y3, p3, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x3, p3, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y3, p3, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x3, p3, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y3, p3, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x3, p3, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y3, p3, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x3, r3, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y3, r3, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x3, r3, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y3, r3, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x3, r3, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y3, r3, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x3, r3, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y3, r3, 3);
                Vector128<sbyte> x4 = Vector128.Load(k + 128);
                Vector128<sbyte> y4 = Vector128.Load(k + 144);
                Vector128<sbyte> p4 = Vector128.Load(q + 128);
                Vector128<sbyte> r4 = Vector128.Load(q + 144);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x4, p4, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y4, p4, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x4, p4, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y4, p4, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x4, p4, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y4, p4, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x4, p4, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y4, p4, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x4, r4, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y4, r4, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x4, r4, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y4, r4, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x4, r4, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y4, r4, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x4, r4, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y4, r4, 3);
                Vector128<sbyte> x5 = Vector128.Load(k + 160);
                Vector128<sbyte> y5 = Vector128.Load(k + 176);
                Vector128<sbyte> p5 = Vector128.Load(q + 160);
                Vector128<sbyte> r5 = Vector128.Load(q + 176);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x5, p5, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y5, p5, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x5, p5, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y5, p5, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x5, p5, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y5, p5, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x5, p5, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y5, p5, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x5, r5, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y5, r5, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x5, r5, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y5, r5, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x5, r5, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y5, r5, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x5, r5, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y5, r5, 3);
                Vector128<sbyte> x6 = Vector128.Load(k + 192);
                Vector128<sbyte> y6 = Vector128.Load(k + 208);
                Vector128<sbyte> p6 = Vector128.Load(q + 192);
                Vector128<sbyte> r6 = Vector128.Load(q + 208);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x6, p6, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y6, p6, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x6, p6, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y6, p6, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x6, p6, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y6, p6, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x6, p6, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y6, p6, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x6, r6, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y6, r6, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x6, r6, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y6, r6, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x6, r6, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y6, r6, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x6, r6, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y6, r6, 3);
                Vector128<sbyte> x7 = Vector128.Load(k + 224);
                Vector128<sbyte> y7 = Vector128.Load(k + 240);
                Vector128<sbyte> p7 = Vector128.Load(q + 224);
                Vector128<sbyte> r7 = Vector128.Load(q + 240);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x7, p7, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y7, p7, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x7, p7, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y7, p7, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x7, p7, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y7, p7, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x7, p7, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y7, p7, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x7, r7, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y7, r7, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x7, r7, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y7, r7, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x7, r7, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y7, r7, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x7, r7, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y7, r7, 3);
            }

            for (; q < end; q += 32, k += 32)
            {
                Vector128<sbyte> x0 = Vector128.Load(k);
                Vector128<sbyte> y0 = Vector128.Load(k + 16);
                Vector128<sbyte> p0 = Vector128.Load(q);
                Vector128<sbyte> r0 = Vector128.Load(q + 16);
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x0, p0, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y0, p0, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x0, p0, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y0, p0, 1);
                a2 = Dp.DotProductBySelectedQuadruplet(a2, x0, p0, 2);
                b2 = Dp.DotProductBySelectedQuadruplet(b2, y0, p0, 2);
                a3 = Dp.DotProductBySelectedQuadruplet(a3, x0, p0, 3);
                b3 = Dp.DotProductBySelectedQuadruplet(b3, y0, p0, 3);
                a4 = Dp.DotProductBySelectedQuadruplet(a4, x0, r0, 0);
                b4 = Dp.DotProductBySelectedQuadruplet(b4, y0, r0, 0);
                a5 = Dp.DotProductBySelectedQuadruplet(a5, x0, r0, 1);
                b5 = Dp.DotProductBySelectedQuadruplet(b5, y0, r0, 1);
                a6 = Dp.DotProductBySelectedQuadruplet(a6, x0, r0, 2);
                b6 = Dp.DotProductBySelectedQuadruplet(b6, y0, r0, 2);
                a7 = Dp.DotProductBySelectedQuadruplet(a7, x0, r0, 3);
                b7 = Dp.DotProductBySelectedQuadruplet(b7, y0, r0, 3);
            }

            if (typeof(T) == typeof(int))
            {
                int* row = (int*)target;
                a0.Store(row);
                b0.Store(row + 4);
                row += stride;
                a1.Store(row);
                b1.Store(row + 4);
                row += stride;
                a2.Store(row);
                b2.Store(row + 4);
                row += stride;
                a3.Store(row);
                b3.Store(row + 4);
                row += stride;
                a4.Store(row);
                b4.Store(row + 4);
                row += stride;
                a5.Store(row);
                b5.Store(row + 4);
                row += stride;
                a6.Store(row);
                b6.Store(row + 4);
                row += stride;
                a7.Store(row);
                b7.Store(row + 4);
            }
            else
            {
                sbyte* row = (sbyte*)target;
                Narrow<TShift>(a0, b0, right).Store(row);
                Narrow<TShift>(a1, b1, right).Store(row + stride);
                row += twoRows;
                Narrow<TShift>(a2, b2, right).Store(row);
                Narrow<TShift>(a3, b3, right).Store(row + stride);
                row += twoRows;
                Narrow<TShift>(a4, b4, right).Store(row);
                Narrow<TShift>(a5, b5, right).Store(row + stride);
                row += twoRows;
                Narrow<TShift>(a6, b6, right).Store(row);
                Narrow<TShift>(a7, b7, right).Store(row + stride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector64<sbyte> Narrow<TShift>(Vector128<int> a, Vector128<int> b, Vector128<int> right)
        where TShift : struct, IScoreShiftAdvSimd => AdvSimd.ExtractNarrowingSaturateLower(TShift.Narrow(a, b, right));
}
