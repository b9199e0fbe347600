using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// score = clamp(⌊Σ_d q8_d·k8_d / 2^shift + 1/2⌋, -128, 127).
/// Packed form: tiles of 8 keys, [⌈dim/4⌉][8 keys][4 channels], zero behind dim and behind the last key; 8 queries are packed the same way.
/// Registers: 16 accumulators (8 rows x 2 vectors of 4 keys), 2 of keys, 2 of queries; per 4 channels 16 SDOT by element on 2 paired loads.
/// Requantising for the shifts of the common dims is one rounding, saturating narrowing to 16 bits and one saturating narrowing to 8.
/// </summary>
internal static unsafe class Int8ScoresDp
{
    private const int Tile = 8;

    /// <summary>Bytes of packed queries that live on the stack.</summary>
    private const int StackBytes = 16384;

    private interface IShift
    {
    }

    public static Int8ScoresKernel Kernel => new(Tile, Tile, &PackedBytes, &Pack, &Scores, &Products);

    public static nint PackedBytes(int keys, int dim) => ((nint)keys + Tile - 1) / Tile * Tile * Padded(dim);

    public static void Pack(sbyte* k8, nint k8Stride, int keys, int dim, byte* packed)
    {
        for (int key = 0; key < keys; key += Tile)
        {
            PackTile(k8 + (key * k8Stride), k8Stride, Math.Min(Tile, keys - key), dim, (sbyte*)packed);
            packed += Tile * Padded(dim);
        }
    }

    public static void Scores(
        sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, sbyte* scores, nint scoreStride)
    {
        switch (shift)
        {
            case 6:
                Run<sbyte, Shift6>(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride);
                break;
            case 7:
                Run<sbyte, Shift7>(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride);
                break;
            case 8:
                Run<sbyte, Shift8>(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride);
                break;
            default:
                Run<sbyte, AnyShift>(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride);
                break;
        }
    }

    public static void Products(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int* products, nint productStride) =>
        Run<int, AnyShift>(q8, q8Stride, rows, packed, keys, dim, 0, products, productStride);

    private static nint Padded(int dim) => ((nint)dim + 3) & ~3;

    [SkipLocalsInit]
    private static void Run<T, TShift>(
        sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IShift
    {
        nint tileBytes = Tile * Padded(dim);
        if (tileBytes <= StackBytes)
        {
            sbyte* queries = stackalloc sbyte[(int)tileBytes];
            Run<T, TShift>(q8, q8Stride, rows, (sbyte*)packed, keys, dim, shift, output, stride, queries);
            return;
        }

        sbyte* heap = (sbyte*)NativeMemory.Alloc((nuint)tileBytes);
        Run<T, TShift>(q8, q8Stride, rows, (sbyte*)packed, keys, dim, shift, output, stride, heap);
        NativeMemory.Free(heap);
    }

    [SkipLocalsInit]
    private static void Run<T, TShift>(
        sbyte* q8, nint q8Stride, int rows, sbyte* packed, int keys, int dim, int shift, T* output, nint stride, sbyte* queries)
        where T : unmanaged
        where TShift : struct, IShift
    {
        T* edge = stackalloc T[Tile * Tile];
        nint groups = Padded(dim) / 4;
        int whole = keys / Tile;
        for (int row = 0; row < rows; row += Tile)
        {
            int tileRows = Math.Min(Tile, rows - row);
            T* target = output + (row * stride);
            PackTile(q8 + (row * q8Stride), q8Stride, tileRows, dim, queries);
            if (tileRows == Tile)
            {
                Tiles<T, TShift>(queries, packed, whole, groups, shift, target, stride);
            }

            for (int tile = tileRows == Tile ? whole : 0; tile * Tile < keys; tile++)
            {
                Tiles<T, TShift>(queries, packed + (tile * Tile * Padded(dim)), 1, groups, shift, edge, Tile);
                int tileKeys = Math.Min(Tile, keys - (tile * Tile));
                for (int r = 0; r < tileRows; r++)
                {
                    for (int key = 0; key < tileKeys; key++)
                    {
                        target[(r * stride) + (tile * Tile) + key] = edge[(r * Tile) + key];
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<T, TShift>(sbyte* queries, sbyte* keys, int tiles, nint groups, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IShift
    {
        Vector128<int> right = Vector128.Create(-shift);
        sbyte* k = keys;
        sbyte* end = queries + (groups * 32);
        sbyte* last = end - 224;
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
                row += 2 * stride;
                Narrow<TShift>(a2, b2, right).Store(row);
                Narrow<TShift>(a3, b3, right).Store(row + stride);
                row += 2 * stride;
                Narrow<TShift>(a4, b4, right).Store(row);
                Narrow<TShift>(a5, b5, right).Store(row + stride);
                row += 2 * stride;
                Narrow<TShift>(a6, b6, right).Store(row);
                Narrow<TShift>(a7, b7, right).Store(row + stride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector64<sbyte> Narrow<TShift>(Vector128<int> a, Vector128<int> b, Vector128<int> right)
        where TShift : struct, IShift
    {
        Vector64<short> low;
        Vector128<short> all;
        if (typeof(TShift) == typeof(Shift6))
        {
            low = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 6);
            all = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(low, b, 6);
        }
        else if (typeof(TShift) == typeof(Shift7))
        {
            low = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 7);
            all = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(low, b, 7);
        }
        else if (typeof(TShift) == typeof(Shift8))
        {
            low = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 8);
            all = AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(low, b, 8);
        }
        else
        {
            low = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ShiftArithmeticRounded(a, right));
            all = AdvSimd.ExtractNarrowingSaturateUpper(low, AdvSimd.ShiftArithmeticRounded(b, right));
        }

        return AdvSimd.ExtractNarrowingSaturateLower(all);
    }

    /// <summary>[count ≤ 8, dim] to [⌈dim/4⌉][8][4].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTile(sbyte* source, nint stride, int count, int dim, sbyte* packed)
    {
        int d = 0;
        if (count == Tile)
        {
            for (; d + 16 <= dim; d += 16, packed += 128)
            {
                PackHalf(source + d, stride, packed);
                PackHalf(source + d + (4 * stride), stride, packed + 16);
            }
        }

        for (; d < dim; d += 4, packed += 32)
        {
            int channels = Math.Min(4, dim - d);
            new Span<sbyte>(packed, 32).Clear();
            for (int row = 0; row < count; row++)
            {
                for (int i = 0; i < channels; i++)
                {
                    packed[(row * 4) + i] = source[(row * stride) + d + i];
                }
            }
        }
    }

    /// <summary>Transposes 4 rows of 4 groups of 4 bytes; the groups of the result are 32 bytes apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackHalf(sbyte* source, nint stride, sbyte* packed)
    {
        Vector128<uint> a = Vector128.Load(source).AsUInt32();
        Vector128<uint> b = Vector128.Load(source + stride).AsUInt32();
        Vector128<uint> c = Vector128.Load(source + (2 * stride)).AsUInt32();
        Vector128<uint> d = Vector128.Load(source + (3 * stride)).AsUInt32();
        Vector128<ulong> ab02 = AdvSimd.Arm64.TransposeEven(a, b).AsUInt64();
        Vector128<ulong> ab13 = AdvSimd.Arm64.TransposeOdd(a, b).AsUInt64();
        Vector128<ulong> cd02 = AdvSimd.Arm64.TransposeEven(c, d).AsUInt64();
        Vector128<ulong> cd13 = AdvSimd.Arm64.TransposeOdd(c, d).AsUInt64();
        AdvSimd.Arm64.TransposeEven(ab02, cd02).AsSByte().Store(packed);
        AdvSimd.Arm64.TransposeEven(ab13, cd13).AsSByte().Store(packed + 32);
        AdvSimd.Arm64.TransposeOdd(ab02, cd02).AsSByte().Store(packed + 64);
        AdvSimd.Arm64.TransposeOdd(ab13, cd13).AsSByte().Store(packed + 96);
    }

    private readonly struct Shift6 : IShift;

    private readonly struct Shift7 : IShift;

    private readonly struct Shift8 : IShift;

    private readonly struct AnyShift : IShift;
}
