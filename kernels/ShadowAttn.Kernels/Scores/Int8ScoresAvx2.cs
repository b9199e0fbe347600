using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Products are VPMADDUBSW into 16-bit sums that may wrap around: formula, conditions and channel order as in <see cref="Int8ScoresWrap"/>.
/// </summary>
/// <remarks>
/// <para>Tile of 32 keys: the head; per 32-channel section 4 vectors of Σ k (int16 lanes, 2 per key); per group of 4 channels 4 vectors of keys.
/// Lane L, dword i of vector j is key 16L + 4j + i, so that the two saturating packs of the end leave 32 scores in their natural order.
/// Missing keys and channels are zero. Tile of 2 rows: the head; the rows as unsigned bytes, each padded to 32.</para>
/// <para>Registers: 2 rows x 4 vectors = 8 accumulators of 16 bits, 2 broadcasts, 1 of keys, 2 products; the 8 accumulators of 32 bits are only
/// touched at the end of a section and may live in memory.</para>
/// </remarks>
internal readonly unsafe partial struct Int8ScoresAvx2 : IInt8ScoresTile
{
    private const int Keys = 32;
    private const int Rows = 2;
    private const int GroupBytes = Keys * 4;

    public static Int8ScoresKernel Kernel => Int8ScoresTiled<Int8ScoresAvx2>.Kernel;

    public static int KeyTile => Keys;

    public static int RowTile => Rows;

    public static nint KeyTileBytes(int dim) => DataOffset(dim) + ((nint)Int8ScoresWrap.Groups(dim) * GroupBytes);

    public static nint RowTileBytes(int dim) => Int8ScoresWrap.HeadBytes(dim) + (Rows * RowBytes(dim));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride)
    {
        if (Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim) is var section && section == 0)
        {
            WideRows(rowTile, rows, keyTile, dim, shift, scores, scoreStride, null, 0);
        }
        else
        {
            TwoRows(rowTile, rows, keyTile, dim, section, shift, scores, scoreStride, null, 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride)
    {
        if (Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim) is var section && section == 0)
        {
            WideRows(rowTile, rows, keyTile, dim, 0, null, 0, products, productStride);
        }
        else
        {
            TwoRows(rowTile, rows, keyTile, dim, section, 0, null, 0, products, productStride);
        }
    }

    private static nint DataOffset(int dim) => Int8ScoresWrap.HeadBytes(dim) + (Int8ScoresWrap.ShortSections(dim) * GroupBytes);

    private static nint RowBytes(int dim) => ((Int8ScoresWrap.Groups(dim) * 4) + 31) & ~31;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoRows(
        byte* rowTile, int rows, byte* keyTile, int dim, int section, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        uint* q0 = (uint*)(rowTile + Int8ScoresWrap.HeadBytes(dim));
        uint* q1 = (uint*)((byte*)q0 + (rows > 1 ? RowBytes(dim) : 0));
        short* sums = (short*)(keyTile + Int8ScoresWrap.HeadBytes(dim));
        byte* k = keyTile + DataOffset(dim);
        int groups = Int8ScoresWrap.Groups(dim);
        Vector256<short> offset = Vector256.Create((short)-*Int8ScoresWrap.Offset(rowTile));
        Vector256<int> wa0 = Vector256.Create((1 << shift) >> 1), wa1 = wa0, wa2 = wa0, wa3 = wa0;
        Vector256<int> wb0 = wa0, wb1 = wa0, wb2 = wa0, wb3 = wa0;
        for (int first = 0; first < groups; first += section)
        {
            int last = Math.Min(groups, first + section);
            Vector256<short> a0 = Vector256.Load(sums), a1 = Vector256.Load(sums + 16);
            Vector256<short> a2 = Vector256.Load(sums + 32), a3 = Vector256.Load(sums + 48);
            sums += GroupBytes / 2;
            if (last > first + Int8ScoresWrap.ShortSection)
            {
                a0 += Vector256.Load(sums);
                a1 += Vector256.Load(sums + 16);
                a2 += Vector256.Load(sums + 32);
                a3 += Vector256.Load(sums + 48);
                sums += GroupBytes / 2;
            }

            a0 *= offset;
            a1 *= offset;
            a2 *= offset;
            a3 *= offset;
            Vector256<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
            for (int g = first; g < last; g++)
            {
                Vector256<byte> qa = Vector256.Create(q0[g]).AsByte(), qb = Vector256.Create(q1[g]).AsByte();
                Vector256<sbyte> keys = Vector256.Load((sbyte*)k);
                Vector256<short> t = Avx2.MultiplyAddAdjacent(qa, keys), u = Avx2.MultiplyAddAdjacent(qb, keys);
                a0 += t;
                b0 += u;
                keys = Vector256.Load((sbyte*)k + 32);
                t = Avx2.MultiplyAddAdjacent(qa, keys);
                u = Avx2.MultiplyAddAdjacent(qb, keys);
                a1 += t;
                b1 += u;
                keys = Vector256.Load((sbyte*)k + 64);
                t = Avx2.MultiplyAddAdjacent(qa, keys);
                u = Avx2.MultiplyAddAdjacent(qb, keys);
                a2 += t;
                b2 += u;
                keys = Vector256.Load((sbyte*)k + 96);
                t = Avx2.MultiplyAddAdjacent(qa, keys);
                u = Avx2.MultiplyAddAdjacent(qb, keys);
                a3 += t;
                b3 += u;
                k += GroupBytes;
            }

            Vector256<short> ones = Vector256<short>.One;
            wa0 += Avx2.MultiplyAddAdjacent(a0, ones);
            wa1 += Avx2.MultiplyAddAdjacent(a1, ones);
            wa2 += Avx2.MultiplyAddAdjacent(a2, ones);
            wa3 += Avx2.MultiplyAddAdjacent(a3, ones);
            wb0 += Avx2.MultiplyAddAdjacent(b0, ones);
            wb1 += Avx2.MultiplyAddAdjacent(b1, ones);
            wb2 += Avx2.MultiplyAddAdjacent(b2, ones);
            wb3 += Avx2.MultiplyAddAdjacent(b3, ones);
        }

        if (products is null)
        {
            Narrow(wa0, wa1, wa2, wa3, shift).Store(scores);
            if (rows > 1)
            {
                Narrow(wb0, wb1, wb2, wb3, shift).Store(scores + scoreStride);
            }
        }
        else
        {
            StoreProducts(wa0, wa1, wa2, wa3, products);
            if (rows > 1)
            {
                StoreProducts(wb0, wb1, wb2, wb3, products + productStride);
            }
        }
    }

    /// <summary>Rows against a tile that meets no bound: bytes are taken apart into even and odd 16-bit integers, then VPMADDWD.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WideRows(
        byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        uint* q0 = (uint*)(rowTile + Int8ScoresWrap.HeadBytes(dim));
        uint* q1 = (uint*)((byte*)q0 + (rows > 1 ? RowBytes(dim) : 0));
        short* keys = (short*)(keyTile + DataOffset(dim));
        Vector256<short> offset = Vector256.Create((short)*Int8ScoresWrap.Offset(rowTile));
        Vector256<short> low = Vector256.Create((short)0xFF);
        Vector256<int> a0 = Vector256.Create((1 << shift) >> 1), a1 = a0, a2 = a0, a3 = a0;
        Vector256<int> b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        int groups = Int8ScoresWrap.Groups(dim);
        for (int g = 0; g < groups; g++)
        {
            Vector256<short> qa = Vector256.Create(q0[g]).AsInt16(), qb = Vector256.Create(q1[g]).AsInt16();
            Vector256<short> even = (qa & low) - offset, odd = Vector256.ShiftRightLogical(qa, 8) - offset;
            Vector256<short> evenB = (qb & low) - offset, oddB = Vector256.ShiftRightLogical(qb, 8) - offset;
            Vector256<short> k = Vector256.Load(keys);
            Vector256<short> kEven = Vector256.ShiftRightArithmetic(k << 8, 8), kOdd = Vector256.ShiftRightArithmetic(k, 8);
            a0 += Avx2.MultiplyAddAdjacent(kEven, even) + Avx2.MultiplyAddAdjacent(kOdd, odd);
            b0 += Avx2.MultiplyAddAdjacent(kEven, evenB) + Avx2.MultiplyAddAdjacent(kOdd, oddB);
            k = Vector256.Load(keys + 16);
            kEven = Vector256.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector256.ShiftRightArithmetic(k, 8);
            a1 += Avx2.MultiplyAddAdjacent(kEven, even) + Avx2.MultiplyAddAdjacent(kOdd, odd);
            b1 += Avx2.MultiplyAddAdjacent(kEven, evenB) + Avx2.MultiplyAddAdjacent(kOdd, oddB);
            k = Vector256.Load(keys + 32);
            kEven = Vector256.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector256.ShiftRightArithmetic(k, 8);
            a2 += Avx2.MultiplyAddAdjacent(kEven, even) + Avx2.MultiplyAddAdjacent(kOdd, odd);
            b2 += Avx2.MultiplyAddAdjacent(kEven, evenB) + Avx2.MultiplyAddAdjacent(kOdd, oddB);
            k = Vector256.Load(keys + 48);
            kEven = Vector256.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector256.ShiftRightArithmetic(k, 8);
            a3 += Avx2.MultiplyAddAdjacent(kEven, even) + Avx2.MultiplyAddAdjacent(kOdd, odd);
            b3 += Avx2.MultiplyAddAdjacent(kEven, evenB) + Avx2.MultiplyAddAdjacent(kOdd, oddB);
            keys += GroupBytes / 2;
        }

        if (products is null)
        {
            Narrow(a0, a1, a2, a3, shift).Store(scores);
            if (rows > 1)
            {
                Narrow(b0, b1, b2, b3, shift).Store(scores + scoreStride);
            }
        }
        else
        {
            StoreProducts(a0, a1, a2, a3, products);
            if (rows > 1)
            {
                StoreProducts(b0, b1, b2, b3, products + productStride);
            }
        }
    }

    /// <summary>Shift and saturation of the 32 products of a row (half a step added), in the tile's order, to scores in natural order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<sbyte> Narrow(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, int shift)
    {
        Vector128<int> count = Vector128.CreateScalar(shift);
        return Avx2.PackSignedSaturate(
            Avx2.PackSignedSaturate(Avx2.ShiftRightArithmetic(a, count), Avx2.ShiftRightArithmetic(b, count)),
            Avx2.PackSignedSaturate(Avx2.ShiftRightArithmetic(c, count), Avx2.ShiftRightArithmetic(d, count)));
    }

    /// <summary>Stores the 32 products of a row, in the tile's order, in natural order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void StoreProducts(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, int* products)
    {
        a.GetLower().Store(products);
        b.GetLower().Store(products + 4);
        c.GetLower().Store(products + 8);
        d.GetLower().Store(products + 12);
        a.GetUpper().Store(products + 16);
        b.GetUpper().Store(products + 20);
        c.GetUpper().Store(products + 24);
        d.GetUpper().Store(products + 28);
    }
}
