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
/// <para>Registers: 2 rows x 4 vectors = 8 accumulators of 16 bits, 2 broadcasts, 1 of keys, 4 products, each added after the next two are
/// issued. The 32-bit sums, which start from half a step of the final shift, live in memory: only the end of a section touches them.</para>
/// </remarks>
internal readonly unsafe partial struct Int8ScoresAvx2 : IInt8ScoresTile
{
    private const int Keys = 32;
    private const int Rows = 2;
    private const int GroupBytes = Keys * 4;

    /// <summary>The first tile of rows fetches the tile of keys that is so many places later, for steps of decode: see <see cref="Int8ScoresAvx512"/>.</summary>
    private const int TilesAhead = 2;

    public static Int8ScoresKernel Kernel => Int8ScoresTiled<Int8ScoresAvx2>.Kernel;

    public static int KeyTile => Keys;

    public static int RowTile => Rows;

    public static nint KeyTileBytes(int dim) => DataOffset(dim) + ((nint)Int8ScoresWrap.Groups(dim) * GroupBytes);

    public static nint RowTileBytes(int dim) => Int8ScoresWrap.HeadBytes(dim) + (Rows * RowBytes(dim));

    public static void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride) =>
        Run(rowTile, rows, keyTile, dim, shift, scores, scoreStride, null, 0);

    public static void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride) =>
        Run(rowTile, rows, keyTile, dim, 0, null, 0, products, productStride);

    private static nint DataOffset(int dim) => Int8ScoresWrap.HeadBytes(dim) + (Int8ScoresWrap.ShortSections(dim) * GroupBytes);

    private static nint RowBytes(int dim) => ((Int8ScoresWrap.Groups(dim) * 4) + 31) & ~31;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(
        byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        nint headBytes = Int8ScoresWrap.HeadBytes(dim), rowBytes = RowBytes(dim), rowTileBytes = RowTileBytes(dim);
        byte* data = keyTile + DataOffset(dim);
        int groups = Int8ScoresWrap.Groups(dim);
        byte* scratch = stackalloc byte[(Rows * Keys * sizeof(int)) + 32];
        int* wide = (int*)(((nint)scratch + 31) & ~31);
        Fill(wide, (1 << shift) >> 1);
        nint ahead = TilesAhead * KeyTileBytes(dim);
        for (; rows > 0; rows -= Rows, rowTile += rowTileBytes, scores += Rows * scoreStride, products += Rows * productStride)
        {
            int section = Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim);
            if (section == 0)
            {
                WideRows(rowTile, Math.Min(rows, Rows), keyTile, dim, shift, scores, scoreStride, products, productStride);
                continue;
            }

            uint* q0 = (uint*)(rowTile + headBytes);
            uint* q1 = (uint*)((byte*)q0 + (rows > 1 ? rowBytes : 0));
            short* sums = (short*)(keyTile + headBytes);
            sbyte* k = (sbyte*)data;
            Vector256<short> offset = Vector256.Create((short)-*Int8ScoresWrap.Offset(rowTile));
            Vector256<short> a0, a1, a2, a3, b0, b1, b2, b3;
            int first = 0;
            for (; ; first += section)
            {
                int last = Math.Min(groups, first + section);
                a0 = Vector256.Load(sums);
                a1 = Vector256.Load(sums + 16);
                a2 = Vector256.Load(sums + 32);
                a3 = Vector256.Load(sums + 48);
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
                (b0, b1, b2, b3) = (a0, a1, a2, a3);
                Vector256<short> t3 = Vector256<short>.Zero, u3 = t3;
                for (int g = first; g < last; g++)
                {
                    Vector256<byte> qa = Vector256.Create(q0[g]).AsByte(), qb = Vector256.Create(q1[g]).AsByte();
                    Sse.Prefetch0(k + ahead);
                    Sse.Prefetch0(k + ahead + 64);
                    Vector256<sbyte> keys = Vector256.Load(k);
                    Vector256<short> t0 = Avx2.MultiplyAddAdjacent(qa, keys);
                    a3 += t3;
                    Vector256<short> u0 = Avx2.MultiplyAddAdjacent(qb, keys);
                    b3 += u3;
                    keys = Vector256.Load(k + 32);
                    Vector256<short> t1 = Avx2.MultiplyAddAdjacent(qa, keys);
                    a0 += t0;
                    Vector256<short> u1 = Avx2.MultiplyAddAdjacent(qb, keys);
                    b0 += u0;
                    keys = Vector256.Load(k + 64);
                    Vector256<short> t2 = Avx2.MultiplyAddAdjacent(qa, keys);
                    a1 += t1;
                    Vector256<short> u2 = Avx2.MultiplyAddAdjacent(qb, keys);
                    b1 += u1;
                    keys = Vector256.Load(k + 96);
                    t3 = Avx2.MultiplyAddAdjacent(qa, keys);
                    a2 += t2;
                    u3 = Avx2.MultiplyAddAdjacent(qb, keys);
                    b2 += u2;
                    k += GroupBytes;
                }

                a3 += t3;
                b3 += u3;
                if (last == groups)
                {
                    break;
                }

                Widen(a0, a1, a2, a3, wide);
                Widen(b0, b1, b2, b3, wide + Keys);
            }

            ahead = 0;
            if (products is null)
            {
                Narrow(Sum(a0, wide), Sum(a1, wide + 8), Sum(a2, wide + 16), Sum(a3, wide + 24), shift).Store(scores);
                if (rows > 1)
                {
                    Narrow(Sum(b0, wide + 32), Sum(b1, wide + 40), Sum(b2, wide + 48), Sum(b3, wide + 56), shift).Store(scores + scoreStride);
                }
            }
            else
            {
                StoreProducts(Sum(a0, wide), Sum(a1, wide + 8), Sum(a2, wide + 16), Sum(a3, wide + 24), products);
                if (rows > 1)
                {
                    StoreProducts(Sum(b0, wide + 32), Sum(b1, wide + 40), Sum(b2, wide + 48), Sum(b3, wide + 56), products + productStride);
                }
            }

            if (first != 0)
            {
                Fill(wide, (1 << shift) >> 1);
            }
        }
    }

    /// <summary>The lanes of a key added, and to its 32-bit sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Sum(Vector256<short> lanes, int* wide) =>
        Avx2.MultiplyAddAdjacent(lanes, Vector256<short>.One) + Vector256.Load(wide);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector256<short> a, Vector256<short> b, Vector256<short> c, Vector256<short> d, int* wide)
    {
        Sum(a, wide).Store(wide);
        Sum(b, wide + 8).Store(wide + 8);
        Sum(c, wide + 16).Store(wide + 16);
        Sum(d, wide + 24).Store(wide + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fill(int* wide, int half)
    {
        for (int i = 0; i < Rows * Keys; i += 8)
        {
            Vector256.Create(half).Store(wide + i);
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
