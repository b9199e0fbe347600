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
/// <para>Registers: 3 rows x 4 vectors = 12 accumulators, 12 products, 4 of keys, 1 broadcast. A product is added one group later, when it is
/// certain to be there: additions that never wait leave the two multiplier ports to the multiply-adds (6.2 cycles per group of 12, 6.9 when added
/// at once, on Zen 5). The 32-bit sums live in memory: only the end of a section that is not the last touches them.</para>
/// <para>The first tile of rows fetches the first two lines of each group of the next tile of keys, the second one the other two: a step of decode
/// reads every tile of keys once or twice, from the third-level cache, and is done with it before the hardware's prefetchers have the next one.</para>
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

    public static void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride) =>
        Run(rowTile, rows, keyTile, dim, shift, scores, scoreStride, null, 0);

    public static void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride) =>
        Run(rowTile, rows, keyTile, dim, 0, null, 0, products, productStride);

    private static nint SumOffset(int dim) => (Int8ScoresWrap.HeadBytes(dim) + 63) & ~63;

    private static nint DataOffset(int dim) => SumOffset(dim) + (Int8ScoresWrap.ShortSections(dim) * GroupBytes);

    private static nint RowOffset(int dim) => (Int8ScoresWrap.HeadBytes(dim) + 63) & ~63;

    private static nint RowBytes(int dim) => ((Int8ScoresWrap.Groups(dim) * 4) + 63) & ~63;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(
        byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        nint rowOffset = RowOffset(dim), rowBytes = RowBytes(dim), rowTileBytes = RowTileBytes(dim);
        short* allSums = (short*)(keyTile + SumOffset(dim));
        byte* data = keyTile + DataOffset(dim);
        int groups = Int8ScoresWrap.Groups(dim);
        bool isUpper = products is null && IsUpper(dim, shift);
        Vector512<short> factor = Vector512.Create((short)(isUpper ? 1 << (16 - shift) : 1));
        byte* scratch = stackalloc byte[(Rows * Keys * sizeof(int)) + 64];
        int* wide = (int*)(((nint)scratch + 63) & ~63);
        nint ahead = KeyTileBytes(dim);
        nint lastAhead = ahead + (GroupBytes / 2);
        for (; rows > 0; rows -= Rows, rowTile += rowTileBytes, scores += Rows * scoreStride, products += Rows * productStride)
        {
            int section = Int8ScoresWrap.SectionGroups(rowTile, keyTile, dim);
            if (section == 0)
            {
                WideRows(rowTile, Math.Min(rows, Rows), keyTile, dim, shift, scores, scoreStride, products, productStride);
                continue;
            }

            if (rows < Rows)
            {
                for (int r = 0; r < rows; r++)
                {
                    OneRow(rowTile, r, keyTile, dim, section, shift, ahead, scores + (r * scoreStride), products + (r * productStride));
                    ahead = Next(ahead, lastAhead);
                }

                return;
            }

            uint* q0 = (uint*)(rowTile + rowOffset);
            uint* q1 = (uint*)((byte*)q0 + rowBytes);
            uint* q2 = (uint*)((byte*)q1 + rowBytes);
            short* sums = allSums;
            byte* k = data;
            Vector512<short> offset = Vector512.Create((short)-*Int8ScoresWrap.Offset(rowTile));
            Vector512<short> bias = Vector512.Create(isUpper ? (1 << shift) >> 1 : 0).AsInt16();
            Vector512<short> a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3;
            int first = 0;
            for (; ; first += section)
            {
                int last = Math.Min(groups, first + section);
                a0 = Vector512.Load(sums);
                a1 = Vector512.Load(sums + 32);
                a2 = Vector512.Load(sums + 64);
                a3 = Vector512.Load(sums + 96);
                sums += GroupBytes / 2;
                if (last > first + Int8ScoresWrap.ShortSection)
                {
                    a0 += Vector512.Load(sums);
                    a1 += Vector512.Load(sums + 32);
                    a2 += Vector512.Load(sums + 64);
                    a3 += Vector512.Load(sums + 96);
                    sums += GroupBytes / 2;
                }

                a0 = (a0 * offset) + bias;
                a1 = (a1 * offset) + bias;
                a2 = (a2 * offset) + bias;
                a3 = (a3 * offset) + bias;
                bias = Vector512<short>.Zero;
                (b0, b1, b2, b3) = (a0, a1, a2, a3);
                (c0, c1, c2, c3) = (a0, a1, a2, a3);
                Vector512<sbyte> k0 = Vector512.Load((sbyte*)k), k1 = Vector512.Load((sbyte*)k + 64);
                Vector512<sbyte> k2 = Vector512.Load((sbyte*)k + 128), k3 = Vector512.Load((sbyte*)k + 192);
                Vector512<byte> q = Vector512.Create(q1[first]).AsByte();
                Vector512<short> u0 = Avx512BW.MultiplyAddAdjacent(q, k0), u1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                Vector512<short> u2 = Avx512BW.MultiplyAddAdjacent(q, k2), u3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                q = Vector512.Create(q2[first]).AsByte();
                Vector512<short> v0 = Avx512BW.MultiplyAddAdjacent(q, k0), v1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                Vector512<short> v2 = Avx512BW.MultiplyAddAdjacent(q, k2), v3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                q = Vector512.Create(q0[first]).AsByte();
                Vector512<short> t0 = Avx512BW.MultiplyAddAdjacent(q, k0), t1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                Vector512<short> t2 = Avx512BW.MultiplyAddAdjacent(q, k2), t3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                k += GroupBytes;
                for (int g = first + 1; g < last; g++)
                {
                    k0 = Vector512.Load((sbyte*)k);
                    k1 = Vector512.Load((sbyte*)k + 64);
                    k2 = Vector512.Load((sbyte*)k + 128);
                    k3 = Vector512.Load((sbyte*)k + 192);
                    Sse.Prefetch0(k + ahead);
                    Sse.Prefetch0(k + ahead + 64);
                    q = Vector512.Create(q1[g]).AsByte();
                    b0 += u0;
                    u0 = Avx512BW.MultiplyAddAdjacent(q, k0);
                    b1 += u1;
                    u1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                    b2 += u2;
                    u2 = Avx512BW.MultiplyAddAdjacent(q, k2);
                    b3 += u3;
                    u3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                    q = Vector512.Create(q2[g]).AsByte();
                    c0 += v0;
                    v0 = Avx512BW.MultiplyAddAdjacent(q, k0);
                    c1 += v1;
                    v1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                    c2 += v2;
                    v2 = Avx512BW.MultiplyAddAdjacent(q, k2);
                    c3 += v3;
                    v3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                    q = Vector512.Create(q0[g]).AsByte();
                    a0 += t0;
                    t0 = Avx512BW.MultiplyAddAdjacent(q, k0);
                    a1 += t1;
                    t1 = Avx512BW.MultiplyAddAdjacent(q, k1);
                    a2 += t2;
                    t2 = Avx512BW.MultiplyAddAdjacent(q, k2);
                    a3 += t3;
                    t3 = Avx512BW.MultiplyAddAdjacent(q, k3);
                    k += GroupBytes;
                }

                b0 += u0;
                b1 += u1;
                b2 += u2;
                b3 += u3;
                c0 += v0;
                c1 += v1;
                c2 += v2;
                c3 += v3;
                a0 += t0;
                a1 += t1;
                a2 += t2;
                a3 += t3;
                if (last == groups)
                {
                    break;
                }

                Widen(a0, a1, a2, a3, factor, wide, first);
                Widen(b0, b1, b2, b3, factor, wide + Keys, first);
                Widen(c0, c1, c2, c3, factor, wide + (2 * Keys), first);
            }

            if (!isUpper)
            {
                Widen(a0, a1, a2, a3, factor, wide, first);
                Widen(b0, b1, b2, b3, factor, wide + Keys, first);
                Widen(c0, c1, c2, c3, factor, wide + (2 * Keys), first);
                Finish(wide, shift, scores, scoreStride, products, productStride);
            }
            else if (first == 0)
            {
                NarrowUpper(a0, a1, a2, a3, factor).Store(scores);
                NarrowUpper(b0, b1, b2, b3, factor).Store(scores + scoreStride);
                NarrowUpper(c0, c1, c2, c3, factor).Store(scores + (2 * scoreStride));
            }
            else
            {
                NarrowUpper(a0, a1, a2, a3, factor, wide).Store(scores);
                NarrowUpper(b0, b1, b2, b3, factor, wide + Keys).Store(scores + scoreStride);
                NarrowUpper(c0, c1, c2, c3, factor, wide + (2 * Keys)).Store(scores + (2 * scoreStride));
            }

            ahead = Next(ahead, lastAhead);
        }
    }

    /// <summary>What the tile of rows behind one that fetched so far ahead is to fetch; 0, which has no effect, when all is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Next(nint ahead, nint last) => ahead != 0 && ahead < last ? last : 0;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(byte* rowTile, int row, byte* keyTile, int dim, int section, int shift, nint ahead, sbyte* scores, int* products)
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
                Sse.Prefetch0(k + ahead);
                Sse.Prefetch0(k + ahead + 64);
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
}
