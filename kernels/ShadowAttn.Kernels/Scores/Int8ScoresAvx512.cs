using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// .NET exposes no 512-bit VNNI, so products are VPMADDUBSW into 16-bit sums that may wrap around: formula, conditions and channel order as in
/// <see cref="Int8ScoresWrap"/>.
/// </summary>
/// <remarks>
/// <para>Tile of 64 keys: the head; per 32-channel section 4 vectors of Σ k (int16 lanes, 2 per key); per group of 4 channels 4 vectors of keys.
/// Lane L, dword i of vector j is key 16L + 4j + i, so that the two saturating packs of the end leave 64 scores in their natural order.
/// Missing keys and channels are zero. Tile of 3 rows: the head; the rows as unsigned bytes, each padded to 64.</para>
/// <para>Registers: 3 rows x 4 vectors = 12 accumulators of 16 bits and 12 of 32, 4 of keys, 1 broadcast, 2 products. Multiply-adds go in pairs
/// before their additions, which keeps the multiplier ports fed.</para>
/// </remarks>
internal readonly unsafe partial struct Int8ScoresAvx512 : IInt8ScoresTile
{
    private const int Keys = 64;
    private const int Rows = 3;
    private const int GroupBytes = Keys * 4;

    public static Int8ScoresKernel Kernel => Int8ScoresTiled<Int8ScoresAvx512>.Kernel;

    public static int KeyTile => Keys;

    public static int RowTile => Rows;

    public static nint KeyTileBytes(int dim) => DataOffset(dim) + ((nint)Int8ScoresWrap.Groups(dim) * GroupBytes);

    public static nint RowTileBytes(int dim) => RowOffset(dim) + (Rows * RowBytes(dim));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride)
    {
        if (Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim) is var section && section == 0)
        {
            WideRows(rowTile, rows, keyTile, dim, shift, scores, scoreStride, null, 0);
        }
        else if (rows == Rows)
        {
            ThreeRows(rowTile, keyTile, dim, section, shift, scores, scoreStride, null, 0);
        }
        else
        {
            for (int r = 0; r < rows; r++)
            {
                OneRow(rowTile, r, keyTile, dim, section, shift, scores + (r * scoreStride), null);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride)
    {
        if (Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim) is var section && section == 0)
        {
            WideRows(rowTile, rows, keyTile, dim, 0, null, 0, products, productStride);
        }
        else if (rows == Rows)
        {
            ThreeRows(rowTile, keyTile, dim, section, 0, null, 0, products, productStride);
        }
        else
        {
            for (int r = 0; r < rows; r++)
            {
                OneRow(rowTile, r, keyTile, dim, section, 0, null, products + (r * productStride));
            }
        }
    }

    private static nint SumOffset(int dim) => (Int8ScoresWrap.HeadBytes(dim) + 63) & ~63;

    private static nint DataOffset(int dim) => SumOffset(dim) + (Int8ScoresWrap.ShortSections(dim) * GroupBytes);

    private static nint RowOffset(int dim) => (Int8ScoresWrap.HeadBytes(dim) + 63) & ~63;

    private static nint RowBytes(int dim) => ((Int8ScoresWrap.Groups(dim) * 4) + 63) & ~63;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ThreeRows(
        byte* rowTile, byte* keyTile, int dim, int section, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        uint* q0 = (uint*)(rowTile + RowOffset(dim));
        uint* q1 = (uint*)((byte*)q0 + RowBytes(dim));
        uint* q2 = (uint*)((byte*)q1 + RowBytes(dim));
        short* sums = (short*)(keyTile + SumOffset(dim));
        byte* k = keyTile + DataOffset(dim);
        int groups = Int8ScoresWrap.Groups(dim);
        Vector512<short> offset = Vector512.Create((short)-*Int8ScoresWrap.Offset(rowTile));
        Vector512<int> wa0 = Vector512.Create((1 << shift) >> 1), wa1 = wa0, wa2 = wa0, wa3 = wa0;
        Vector512<int> wb0 = wa0, wb1 = wa0, wb2 = wa0, wb3 = wa0;
        Vector512<int> wc0 = wa0, wc1 = wa0, wc2 = wa0, wc3 = wa0;
        for (int first = 0; first < groups; first += section)
        {
            int last = Math.Min(groups, first + section);
            Vector512<short> a0 = Vector512.Load(sums), a1 = Vector512.Load(sums + 32);
            Vector512<short> a2 = Vector512.Load(sums + 64), a3 = Vector512.Load(sums + 96);
            sums += GroupBytes / 2;
            if (last > first + Int8ScoresWrap.ShortSection)
            {
                a0 += Vector512.Load(sums);
                a1 += Vector512.Load(sums + 32);
                a2 += Vector512.Load(sums + 64);
                a3 += Vector512.Load(sums + 96);
                sums += GroupBytes / 2;
            }

            a0 *= offset;
            a1 *= offset;
            a2 *= offset;
            a3 *= offset;
            Vector512<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
            Vector512<short> c0 = a0, c1 = a1, c2 = a2, c3 = a3;
            for (int g = first; g < last; g++)
            {
                Vector512<sbyte> k0 = Vector512.Load((sbyte*)k), k1 = Vector512.Load((sbyte*)k + 64);
                Vector512<sbyte> k2 = Vector512.Load((sbyte*)k + 128), k3 = Vector512.Load((sbyte*)k + 192);
                Vector512<byte> q = Vector512.Create(q0[g]).AsByte();
                Vector512<short> t = Avx512BW.MultiplyAddAdjacent(q, k0);
                Vector512<short> u = Avx512BW.MultiplyAddAdjacent(q, k1);
                a0 += t;
                a1 += u;
                t = Avx512BW.MultiplyAddAdjacent(q, k2);
                u = Avx512BW.MultiplyAddAdjacent(q, k3);
                a2 += t;
                a3 += u;
                q = Vector512.Create(q1[g]).AsByte();
                t = Avx512BW.MultiplyAddAdjacent(q, k0);
                u = Avx512BW.MultiplyAddAdjacent(q, k1);
                b0 += t;
                b1 += u;
                t = Avx512BW.MultiplyAddAdjacent(q, k2);
                u = Avx512BW.MultiplyAddAdjacent(q, k3);
                b2 += t;
                b3 += u;
                q = Vector512.Create(q2[g]).AsByte();
                t = Avx512BW.MultiplyAddAdjacent(q, k0);
                u = Avx512BW.MultiplyAddAdjacent(q, k1);
                c0 += t;
                c1 += u;
                t = Avx512BW.MultiplyAddAdjacent(q, k2);
                u = Avx512BW.MultiplyAddAdjacent(q, k3);
                c2 += t;
                c3 += u;
                k += GroupBytes;
            }

            Vector512<short> ones = Vector512<short>.One;
            wa0 += Avx512BW.MultiplyAddAdjacent(a0, ones);
            wa1 += Avx512BW.MultiplyAddAdjacent(a1, ones);
            wa2 += Avx512BW.MultiplyAddAdjacent(a2, ones);
            wa3 += Avx512BW.MultiplyAddAdjacent(a3, ones);
            wb0 += Avx512BW.MultiplyAddAdjacent(b0, ones);
            wb1 += Avx512BW.MultiplyAddAdjacent(b1, ones);
            wb2 += Avx512BW.MultiplyAddAdjacent(b2, ones);
            wb3 += Avx512BW.MultiplyAddAdjacent(b3, ones);
            wc0 += Avx512BW.MultiplyAddAdjacent(c0, ones);
            wc1 += Avx512BW.MultiplyAddAdjacent(c1, ones);
            wc2 += Avx512BW.MultiplyAddAdjacent(c2, ones);
            wc3 += Avx512BW.MultiplyAddAdjacent(c3, ones);
        }

        if (products is null)
        {
            Narrow(wa0, wa1, wa2, wa3, shift).Store(scores);
            Narrow(wb0, wb1, wb2, wb3, shift).Store(scores + scoreStride);
            Narrow(wc0, wc1, wc2, wc3, shift).Store(scores + (2 * scoreStride));
        }
        else
        {
            StoreProducts(wa0, wa1, wa2, wa3, products);
            StoreProducts(wb0, wb1, wb2, wb3, products + productStride);
            StoreProducts(wc0, wc1, wc2, wc3, products + (2 * productStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(byte* rowTile, int row, byte* keyTile, int dim, int section, int shift, sbyte* scores, int* products)
    {
        uint* q0 = (uint*)(rowTile + RowOffset(dim) + (row * RowBytes(dim)));
        short* sums = (short*)(keyTile + SumOffset(dim));
        byte* k = keyTile + DataOffset(dim);
        int groups = Int8ScoresWrap.Groups(dim);
        Vector512<short> offset = Vector512.Create((short)-*Int8ScoresWrap.Offset(rowTile));
        Vector512<int> wa0 = Vector512.Create((1 << shift) >> 1), wa1 = wa0, wa2 = wa0, wa3 = wa0;
        for (int first = 0; first < groups; first += section)
        {
            int last = Math.Min(groups, first + section);
            Vector512<short> a0 = Vector512.Load(sums), a1 = Vector512.Load(sums + 32);
            Vector512<short> a2 = Vector512.Load(sums + 64), a3 = Vector512.Load(sums + 96);
            sums += GroupBytes / 2;
            if (last > first + Int8ScoresWrap.ShortSection)
            {
                a0 += Vector512.Load(sums);
                a1 += Vector512.Load(sums + 32);
                a2 += Vector512.Load(sums + 64);
                a3 += Vector512.Load(sums + 96);
                sums += GroupBytes / 2;
            }

            a0 *= offset;
            a1 *= offset;
            a2 *= offset;
            a3 *= offset;
            for (int g = first; g < last; g++)
            {
                Vector512<byte> q = Vector512.Create(q0[g]).AsByte();
                a0 += Avx512BW.MultiplyAddAdjacent(q, Vector512.Load((sbyte*)k));
                a1 += Avx512BW.MultiplyAddAdjacent(q, Vector512.Load((sbyte*)k + 64));
                a2 += Avx512BW.MultiplyAddAdjacent(q, Vector512.Load((sbyte*)k + 128));
                a3 += Avx512BW.MultiplyAddAdjacent(q, Vector512.Load((sbyte*)k + 192));
                k += GroupBytes;
            }

            Vector512<short> ones = Vector512<short>.One;
            wa0 += Avx512BW.MultiplyAddAdjacent(a0, ones);
            wa1 += Avx512BW.MultiplyAddAdjacent(a1, ones);
            wa2 += Avx512BW.MultiplyAddAdjacent(a2, ones);
            wa3 += Avx512BW.MultiplyAddAdjacent(a3, ones);
        }

        if (products is null)
        {
            Narrow(wa0, wa1, wa2, wa3, shift).Store(scores);
        }
        else
        {
            StoreProducts(wa0, wa1, wa2, wa3, products);
        }
    }

    /// <summary>Rows against a tile that meets no bound: bytes are taken apart into even and odd 16-bit integers, then VPMADDWD.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WideRows(
        byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        uint* q0 = (uint*)(rowTile + RowOffset(dim));
        uint* q1 = (uint*)((byte*)q0 + (rows > 1 ? RowBytes(dim) : 0));
        uint* q2 = (uint*)((byte*)q1 + (rows > 2 ? RowBytes(dim) : 0));
        Vector512<short> k = default;
        short* keys = (short*)(keyTile + DataOffset(dim));
        Vector512<short> offset = Vector512.Create((short)*Int8ScoresWrap.Offset(rowTile));
        Vector512<short> low = Vector512.Create((short)0xFF);
        Vector512<int> a0 = Vector512.Create((1 << shift) >> 1), a1 = a0, a2 = a0, a3 = a0;
        Vector512<int> b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        Vector512<int> c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        int groups = Int8ScoresWrap.Groups(dim);
        for (int g = 0; g < groups; g++)
        {
            Vector512<short> qa = Vector512.Create(q0[g]).AsInt16(), qb = Vector512.Create(q1[g]).AsInt16();
            Vector512<short> qc = Vector512.Create(q2[g]).AsInt16();
            Vector512<short> even = (qa & low) - offset, odd = Vector512.ShiftRightLogical(qa, 8) - offset;
            Vector512<short> evenB = (qb & low) - offset, oddB = Vector512.ShiftRightLogical(qb, 8) - offset;
            Vector512<short> evenC = (qc & low) - offset, oddC = Vector512.ShiftRightLogical(qc, 8) - offset;
            k = Vector512.Load(keys);
            Vector512<short> kEven = Vector512.ShiftRightArithmetic(k << 8, 8), kOdd = Vector512.ShiftRightArithmetic(k, 8);
            a0 += Avx512BW.MultiplyAddAdjacent(kEven, even) + Avx512BW.MultiplyAddAdjacent(kOdd, odd);
            b0 += Avx512BW.MultiplyAddAdjacent(kEven, evenB) + Avx512BW.MultiplyAddAdjacent(kOdd, oddB);
            c0 += Avx512BW.MultiplyAddAdjacent(kEven, evenC) + Avx512BW.MultiplyAddAdjacent(kOdd, oddC);
            k = Vector512.Load(keys + 32);
            kEven = Vector512.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector512.ShiftRightArithmetic(k, 8);
            a1 += Avx512BW.MultiplyAddAdjacent(kEven, even) + Avx512BW.MultiplyAddAdjacent(kOdd, odd);
            b1 += Avx512BW.MultiplyAddAdjacent(kEven, evenB) + Avx512BW.MultiplyAddAdjacent(kOdd, oddB);
            c1 += Avx512BW.MultiplyAddAdjacent(kEven, evenC) + Avx512BW.MultiplyAddAdjacent(kOdd, oddC);
            k = Vector512.Load(keys + 64);
            kEven = Vector512.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector512.ShiftRightArithmetic(k, 8);
            a2 += Avx512BW.MultiplyAddAdjacent(kEven, even) + Avx512BW.MultiplyAddAdjacent(kOdd, odd);
            b2 += Avx512BW.MultiplyAddAdjacent(kEven, evenB) + Avx512BW.MultiplyAddAdjacent(kOdd, oddB);
            c2 += Avx512BW.MultiplyAddAdjacent(kEven, evenC) + Avx512BW.MultiplyAddAdjacent(kOdd, oddC);
            k = Vector512.Load(keys + 96);
            kEven = Vector512.ShiftRightArithmetic(k << 8, 8);
            kOdd = Vector512.ShiftRightArithmetic(k, 8);
            a3 += Avx512BW.MultiplyAddAdjacent(kEven, even) + Avx512BW.MultiplyAddAdjacent(kOdd, odd);
            b3 += Avx512BW.MultiplyAddAdjacent(kEven, evenB) + Avx512BW.MultiplyAddAdjacent(kOdd, oddB);
            c3 += Avx512BW.MultiplyAddAdjacent(kEven, evenC) + Avx512BW.MultiplyAddAdjacent(kOdd, oddC);
            keys += GroupBytes / 2;
        }

        nint second = rows > 1 ? 1 : 0;
        nint third = rows > 2 ? 2 : second;
        if (products is null)
        {
            Narrow(a0, a1, a2, a3, shift).Store(scores);
            Narrow(b0, b1, b2, b3, shift).Store(scores + (second * scoreStride));
            Narrow(c0, c1, c2, c3, shift).Store(scores + (third * scoreStride));
        }
        else
        {
            StoreProducts(a0, a1, a2, a3, products);
            StoreProducts(b0, b1, b2, b3, products + (second * productStride));
            StoreProducts(c0, c1, c2, c3, products + (third * productStride));
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
