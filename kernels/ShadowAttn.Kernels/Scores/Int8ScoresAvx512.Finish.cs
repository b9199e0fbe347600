using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// From sums of a tile to scores or products. VPMADDWD adds the two lanes of a key and, when <see cref="IsUpper"/>, multiplies them by
/// 2^(16 - shift): with half a step in the start value of lane 0 the score, before saturation, is then the upper half of the 32 bits, and
/// a permutation of words takes the place of four shifts and two packs.
/// </summary>
internal readonly unsafe partial struct Int8ScoresAvx512
{
    /// <summary>Whether all products, times 2^(16 - shift), fit 31 bits and half a step fits beside the 16-bit sums.</summary>
    private static bool IsUpper(int dim, int shift) => shift >= 2 && shift <= 8 && dim <= 1 << shift;

    /// <summary>Adds the sums of a row, times a factor, to 32-bit sums; sets those in the first section.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        Vector512<short> a, Vector512<short> b, Vector512<short> c, Vector512<short> d, Vector512<short> factor, int* wide, int first)
    {
        Vector512<int> wa = Avx512BW.MultiplyAddAdjacent(a, factor), wb = Avx512BW.MultiplyAddAdjacent(b, factor);
        Vector512<int> wc = Avx512BW.MultiplyAddAdjacent(c, factor), wd = Avx512BW.MultiplyAddAdjacent(d, factor);
        if (first != 0)
        {
            wa += Vector512.Load(wide);
            wb += Vector512.Load(wide + 16);
            wc += Vector512.Load(wide + 32);
            wd += Vector512.Load(wide + 48);
        }

        wa.Store(wide);
        wb.Store(wide + 16);
        wc.Store(wide + 32);
        wd.Store(wide + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> NarrowUpper(
        Vector512<short> a, Vector512<short> b, Vector512<short> c, Vector512<short> d, Vector512<short> factor) =>
        NarrowUpper(
            Avx512BW.MultiplyAddAdjacent(a, factor),
            Avx512BW.MultiplyAddAdjacent(b, factor),
            Avx512BW.MultiplyAddAdjacent(c, factor),
            Avx512BW.MultiplyAddAdjacent(d, factor));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> NarrowUpper(
        Vector512<short> a, Vector512<short> b, Vector512<short> c, Vector512<short> d, Vector512<short> factor, int* wide) =>
        NarrowUpper(
            Avx512BW.MultiplyAddAdjacent(a, factor) + Vector512.Load(wide),
            Avx512BW.MultiplyAddAdjacent(b, factor) + Vector512.Load(wide + 16),
            Avx512BW.MultiplyAddAdjacent(c, factor) + Vector512.Load(wide + 32),
            Avx512BW.MultiplyAddAdjacent(d, factor) + Vector512.Load(wide + 48));

    /// <summary>The upper 16 bits of the 64 products of a row, in the tile's order, saturated to scores in natural order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> NarrowUpper(Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d)
    {
        Vector512<short> order = Vector512.Create(
            1, 3, 5, 7, 33, 35, 37, 39, 9, 11, 13, 15, 41, 43, 45, 47, 17, 19, 21, 23, 49, 51, 53, 55, 25, 27, 29, 31, 57, 59, 61, 63);
        return Avx512BW.PackSignedSaturate(
            Avx512BW.PermuteVar32x16x2(a.AsInt16(), order, b.AsInt16()), Avx512BW.PermuteVar32x16x2(c.AsInt16(), order, d.AsInt16()));
    }

    /// <summary>Scores or products of 3 rows from their 32-bit sums.</summary>
    private static void Finish(int* wide, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        Vector512<int> half = Vector512.Create((1 << shift) >> 1);
        for (int r = 0; r < Rows; r++, wide += Keys, scores += scoreStride, products += productStride)
        {
            Vector512<int> a = Vector512.Load(wide) + half, b = Vector512.Load(wide + 16) + half;
            Vector512<int> c = Vector512.Load(wide + 32) + half, d = Vector512.Load(wide + 48) + half;
            if (products is null)
            {
                Narrow(a, b, c, d, shift).Store(scores);
            }
            else
            {
                StoreProducts(a, b, c, d, products);
            }
        }
    }

    /// <summary>Shift and saturation of the 64 products of a row (half a step added), in the tile's order, to scores in natural order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> Narrow(Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d, int shift)
    {
        Vector128<int> count = Vector128.CreateScalar(shift);
        return Avx512BW.PackSignedSaturate(
            Avx512BW.PackSignedSaturate(Avx512F.ShiftRightArithmetic(a, count), Avx512F.ShiftRightArithmetic(b, count)),
            Avx512BW.PackSignedSaturate(Avx512F.ShiftRightArithmetic(c, count), Avx512F.ShiftRightArithmetic(d, count)));
    }

    /// <summary>Stores the 64 products of a row, in the tile's order, in natural order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreProducts(Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d, int* products)
    {
        Vector512<int> ab0 = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00), cd0 = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00);
        Vector512<int> ab1 = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10), cd1 = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        Avx512F.Shuffle4x128(ab0, cd0, 0b10_00_10_00).Store(products);
        Avx512F.Shuffle4x128(ab0, cd0, 0b11_01_11_01).Store(products + 16);
        Avx512F.Shuffle4x128(ab1, cd1, 0b10_00_10_00).Store(products + 32);
        Avx512F.Shuffle4x128(ab1, cd1, 0b11_01_11_01).Store(products + 48);
    }
}
