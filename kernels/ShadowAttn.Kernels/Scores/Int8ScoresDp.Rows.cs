using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>
/// 2 rows x 32 keys. Registers: 16 accumulators (2 rows x 8 vectors of 4 keys), 2 of keys at a time, 1 of queries; per 4 channels 16 SDOT by element
/// on 4 paired loads of keys and one of queries.
/// </content>
internal static unsafe partial class Int8ScoresDp
{
    /// <summary>
    /// <paramref name="queries"/>: the first of two neighbouring rows of a packed tile. With a stride of 0 there is only
    /// the first: what the second one gives is overwritten.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows<T, TShift>(sbyte* queries, sbyte* keys, int tiles, nint groups, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        Vector128<int> right = Vector128.Create(-shift);
        nint tileBytes = groups * 32;
        sbyte* end = queries + tileBytes;
        for (; tiles >= 4; tiles -= 4, keys += 4 * tileBytes, output += 4 * Tile)
        {
            sbyte* k0 = keys;
            sbyte* k1 = k0 + tileBytes;
            sbyte* k2 = k1 + tileBytes;
            sbyte* k3 = k2 + tileBytes;
            Vector128<int> a00 = Vector128<int>.Zero;
            Vector128<int> b00 = Vector128<int>.Zero;
            Vector128<int> a01 = Vector128<int>.Zero;
            Vector128<int> b01 = Vector128<int>.Zero;
            Vector128<int> a02 = Vector128<int>.Zero;
            Vector128<int> b02 = Vector128<int>.Zero;
            Vector128<int> a03 = Vector128<int>.Zero;
            Vector128<int> b03 = Vector128<int>.Zero;
            Vector128<int> a10 = Vector128<int>.Zero;
            Vector128<int> b10 = Vector128<int>.Zero;
            Vector128<int> a11 = Vector128<int>.Zero;
            Vector128<int> b11 = Vector128<int>.Zero;
            Vector128<int> a12 = Vector128<int>.Zero;
            Vector128<int> b12 = Vector128<int>.Zero;
            Vector128<int> a13 = Vector128<int>.Zero;
            Vector128<int> b13 = Vector128<int>.Zero;
            for (sbyte* q = queries; q < end; q += 32)
            {
                Vector128<sbyte> p = Vector128.Load(q);
                Vector128<sbyte> x0 = Vector128.Load(k0);
                Vector128<sbyte> y0 = Vector128.Load(k0 + 16);
                Vector128<sbyte> x1 = Vector128.Load(k1);
                Vector128<sbyte> y1 = Vector128.Load(k1 + 16);
                Vector128<sbyte> x2 = Vector128.Load(k2);
                Vector128<sbyte> y2 = Vector128.Load(k2 + 16);
                Vector128<sbyte> x3 = Vector128.Load(k3);
                Vector128<sbyte> y3 = Vector128.Load(k3 + 16);
                a00 = Dp.DotProductBySelectedQuadruplet(a00, x0, p, 0);
                b00 = Dp.DotProductBySelectedQuadruplet(b00, y0, p, 0);
                a10 = Dp.DotProductBySelectedQuadruplet(a10, x0, p, 1);
                b10 = Dp.DotProductBySelectedQuadruplet(b10, y0, p, 1);
                a01 = Dp.DotProductBySelectedQuadruplet(a01, x1, p, 0);
                b01 = Dp.DotProductBySelectedQuadruplet(b01, y1, p, 0);
                a11 = Dp.DotProductBySelectedQuadruplet(a11, x1, p, 1);
                b11 = Dp.DotProductBySelectedQuadruplet(b11, y1, p, 1);
                a02 = Dp.DotProductBySelectedQuadruplet(a02, x2, p, 0);
                b02 = Dp.DotProductBySelectedQuadruplet(b02, y2, p, 0);
                a12 = Dp.DotProductBySelectedQuadruplet(a12, x2, p, 1);
                b12 = Dp.DotProductBySelectedQuadruplet(b12, y2, p, 1);
                a03 = Dp.DotProductBySelectedQuadruplet(a03, x3, p, 0);
                b03 = Dp.DotProductBySelectedQuadruplet(b03, y3, p, 0);
                a13 = Dp.DotProductBySelectedQuadruplet(a13, x3, p, 1);
                b13 = Dp.DotProductBySelectedQuadruplet(b13, y3, p, 1);
                k0 += 32;
                k1 += 32;
                k2 += 32;
                k3 += 32;
            }

            Put<T, TShift>(a10, b10, right, output + stride);
            Put<T, TShift>(a00, b00, right, output);
            Put<T, TShift>(a11, b11, right, output + stride + Tile);
            Put<T, TShift>(a01, b01, right, output + Tile);
            Put<T, TShift>(a12, b12, right, output + stride + (2 * Tile));
            Put<T, TShift>(a02, b02, right, output + (2 * Tile));
            Put<T, TShift>(a13, b13, right, output + stride + (3 * Tile));
            Put<T, TShift>(a03, b03, right, output + (3 * Tile));
        }

        for (; tiles > 0; tiles--, keys += tileBytes, output += Tile)
        {
            sbyte* k = keys;
            Vector128<int> a0 = Vector128<int>.Zero;
            Vector128<int> b0 = Vector128<int>.Zero;
            Vector128<int> a1 = Vector128<int>.Zero;
            Vector128<int> b1 = Vector128<int>.Zero;
            for (sbyte* q = queries; q < end; q += 32)
            {
                Vector128<sbyte> p = Vector128.Load(q);
                Vector128<sbyte> x = Vector128.Load(k);
                Vector128<sbyte> y = Vector128.Load(k + 16);
                k += 32;
                a0 = Dp.DotProductBySelectedQuadruplet(a0, x, p, 0);
                b0 = Dp.DotProductBySelectedQuadruplet(b0, y, p, 0);
                a1 = Dp.DotProductBySelectedQuadruplet(a1, x, p, 1);
                b1 = Dp.DotProductBySelectedQuadruplet(b1, y, p, 1);
            }

            Put<T, TShift>(a1, b1, right, output + stride);
            Put<T, TShift>(a0, b0, right, output);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T, TShift>(Vector128<int> a, Vector128<int> b, Vector128<int> right, T* output)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        if (typeof(T) == typeof(int))
        {
            a.Store((int*)output);
            b.Store((int*)output + 4);
        }
        else
        {
            Narrow<TShift>(a, b, right).Store((sbyte*)output);
        }
    }
}
