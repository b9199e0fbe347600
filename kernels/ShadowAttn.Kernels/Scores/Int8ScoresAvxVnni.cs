using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// q·k = Σ (q + 128)·k - 128·Σ k: VPDPBUSD multiplies unsigned by signed bytes and adds four products into int32, so queries are stored with
/// their top bit flipped and accumulators start at -128·Σ k. Exact for all values.
/// </summary>
/// <remarks>
/// <para>Tile of 32 keys: 4 vectors of -128·Σ k (int32), then per group of 4 channels 4 vectors; lane L, dword i of vector j is key 16L + 4j + i,
/// so that the two saturating packs of the end leave 32 scores in their natural order. Missing keys and channels are zero.</para>
/// <para>Registers: 2 rows x 4 vectors = 8 accumulators (latency 4, two per cycle), 4 of keys, 1 broadcast of 4 query channels.</para>
/// </remarks>
internal readonly unsafe struct Int8ScoresAvxVnni : IInt8ScoresTile
{
    private const int Keys = 32;
    private const int Rows = 2;
    private const int GroupBytes = Keys * 4;
    private const int HeaderBytes = Keys * sizeof(int);

    /// <summary>The first tile of rows fetches the tile of keys that is so many places later, for steps of decode: see <see cref="Int8ScoresAvx512"/>.</summary>
    private const int TilesAhead = 2;

    public static Int8ScoresKernel Kernel => Int8ScoresTiled<Int8ScoresAvxVnni>.Kernel;

    public static int KeyTile => Keys;

    public static int RowTile => Rows;

    public static nint KeyTileBytes(int dim) => HeaderBytes + ((nint)((dim + 3) / 4) * GroupBytes);

    public static nint RowTileBytes(int dim) => Rows * RowBytes(dim);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackKeys(sbyte* k8, nint k8Stride, int keys, int dim, byte* keyTile)
    {
        sbyte* staged = stackalloc sbyte[8 * 32];
        for (int j = 0; j < 4; j++)
        {
            byte* to = keyTile + HeaderBytes + (j * 32);
            Vector256<int> sum = Vector256<int>.Zero;
            for (int d = 0; d < dim; d += 32, to += 8 * GroupBytes)
            {
                sbyte* from = k8 + (4 * j * k8Stride) + d;
                nint stride = k8Stride;
                nint upper = 16 * k8Stride;
                if (keys < Keys || d + 32 > dim)
                {
                    Stage(from, k8Stride, keys - (4 * j), Math.Min(32, dim - d), staged);
                    from = staged;
                stride = 32;
                upper = 4 * 32;
                }

                int groups = Math.Min(8, (dim - d + 3) / 4);
                if (groups == 8)
                {
                    sum += Transpose(from, stride, upper, to, GroupBytes);
                    continue;
                }

                sum += Transpose(from, stride, upper, (byte*)staged, 32);
                for (int g = 0; g < groups; g++)
                {
                    Unsafe.CopyBlockUnaligned(to + (g * GroupBytes), staged + (g * 32), 32);
                }
            }

            (sum * -128).Store((int*)keyTile + (8 * j));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile)
    {
        for (int r = 0; r < rows; r++, q8 += q8Stride, rowTile += RowBytes(dim))
        {
            int d = 0;
            for (; d + 32 <= dim; d += 32)
            {
                (Vector256.Load((byte*)q8 + d) ^ Vector256.Create((byte)0x80)).Store(rowTile + d);
            }

            for (; d < RowBytes(dim); d++)
            {
                rowTile[d] = d < dim ? (byte)(q8[d] + 128) : (byte)0;
            }
        }
    }

    public static void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride) =>
        Run(rowTile, rows, keyTile, dim, shift, scores, scoreStride, null, 0);

    public static void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride) =>
        Run(rowTile, rows, keyTile, dim, 0, null, 0, products, productStride);

    private static nint RowBytes(int dim) => (dim + 3) & ~3;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(
        byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride, int* products, nint productStride)
    {
        nint groups = (dim + 3) / 4;
        nint rowTileBytes = RowTileBytes(dim);
        Vector256<int> half = Vector256.Create((1 << shift) >> 1);
        nint ahead = TilesAhead * KeyTileBytes(dim);
        for (; rows > 0; rows -= Rows, rowTile += rowTileBytes, scores += Rows * scoreStride, products += Rows * productStride)
        {
            uint* q0 = (uint*)rowTile;
            uint* q1 = q0 + (rows == 1 ? 0 : groups);
            sbyte* k = (sbyte*)keyTile + HeaderBytes;
            Vector256<int> a0 = Vector256.Load((int*)keyTile) + half;
            Vector256<int> a1 = Vector256.Load((int*)keyTile + 8) + half;
            Vector256<int> a2 = Vector256.Load((int*)keyTile + 16) + half;
            Vector256<int> a3 = Vector256.Load((int*)keyTile + 24) + half;
            Vector256<int> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
            for (nint g = 0; g < groups; g++)
            {
                Vector256<sbyte> k0 = Vector256.Load(k), k1 = Vector256.Load(k + 32);
                Vector256<sbyte> k2 = Vector256.Load(k + 64), k3 = Vector256.Load(k + 96);
                Sse.Prefetch0(k + ahead);
                Sse.Prefetch0(k + ahead + 64);
                Vector256<byte> q = Vector256.Create(q0[g]).AsByte();
                a0 = AvxVnni.MultiplyWideningAndAdd(a0, q, k0);
                a1 = AvxVnni.MultiplyWideningAndAdd(a1, q, k1);
                a2 = AvxVnni.MultiplyWideningAndAdd(a2, q, k2);
                a3 = AvxVnni.MultiplyWideningAndAdd(a3, q, k3);
                q = Vector256.Create(q1[g]).AsByte();
                b0 = AvxVnni.MultiplyWideningAndAdd(b0, q, k0);
                b1 = AvxVnni.MultiplyWideningAndAdd(b1, q, k1);
                b2 = AvxVnni.MultiplyWideningAndAdd(b2, q, k2);
                b3 = AvxVnni.MultiplyWideningAndAdd(b3, q, k3);
                k += GroupBytes;
            }

            ahead = 0;
            if (products is null)
            {
                Int8ScoresAvx2.Narrow(a0, a1, a2, a3, shift).Store(scores);
                if (rows > 1)
                {
                    Int8ScoresAvx2.Narrow(b0, b1, b2, b3, shift).Store(scores + scoreStride);
                }
            }
            else
            {
                Int8ScoresAvx2.StoreProducts(a0, a1, a2, a3, products);
                if (rows > 1)
                {
                    Int8ScoresAvx2.StoreProducts(b0, b1, b2, b3, products + productStride);
                }
            }
        }
    }

    /// <summary>Copies keys 0-3 and 16-19 (those below <paramref name="keys"/>) into 8 zero-padded rows of 32 channels.</summary>
    private static void Stage(sbyte* k8, nint k8Stride, int keys, int channels, sbyte* staged)
    {
        new Span<sbyte>(staged, 8 * 32).Clear();
        for (int i = 0; i < 8; i++)
        {
            int key = (i & 3) + (i < 4 ? 0 : 16);
            if (key < keys)
            {
                Unsafe.CopyBlockUnaligned(staged + (i * 32), k8 + (key * k8Stride), (uint)channels);
            }
        }
    }

    /// <summary>
    /// Transposes 8 rows of 8 dwords (4 rows at <paramref name="k8"/>, 4 at <c>k8 + upper</c>), stores the columns
    /// <paramref name="columnBytes"/> apart, returns the sum of the bytes of each row.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Transpose(sbyte* k8, nint stride, nint upper, byte* to, nint columnBytes)
    {
        Vector256<int> r0 = Vector256.Load((int*)k8);
        Vector256<int> r1 = Vector256.Load((int*)(k8 + stride));
        Vector256<int> r2 = Vector256.Load((int*)(k8 + (2 * stride)));
        Vector256<int> r3 = Vector256.Load((int*)(k8 + (3 * stride)));
        k8 += upper;
        Vector256<int> r4 = Vector256.Load((int*)k8);
        Vector256<int> r5 = Vector256.Load((int*)(k8 + stride));
        Vector256<int> r6 = Vector256.Load((int*)(k8 + (2 * stride)));
        Vector256<int> r7 = Vector256.Load((int*)(k8 + (3 * stride)));
        Vector256<long> p0 = Avx2.UnpackLow(r0, r1).AsInt64(), p1 = Avx2.UnpackLow(r2, r3).AsInt64();
        Vector256<long> p2 = Avx2.UnpackHigh(r0, r1).AsInt64(), p3 = Avx2.UnpackHigh(r2, r3).AsInt64();
        Vector256<long> p4 = Avx2.UnpackLow(r4, r5).AsInt64(), p5 = Avx2.UnpackLow(r6, r7).AsInt64();
        Vector256<long> p6 = Avx2.UnpackHigh(r4, r5).AsInt64(), p7 = Avx2.UnpackHigh(r6, r7).AsInt64();
        return PairOfColumns(Avx2.UnpackLow(p0, p1), Avx2.UnpackLow(p4, p5), to, columnBytes)
            + PairOfColumns(Avx2.UnpackHigh(p0, p1), Avx2.UnpackHigh(p4, p5), to + columnBytes, columnBytes)
            + PairOfColumns(Avx2.UnpackLow(p2, p3), Avx2.UnpackLow(p6, p7), to + (2 * columnBytes), columnBytes)
            + PairOfColumns(Avx2.UnpackHigh(p2, p3), Avx2.UnpackHigh(p6, p7), to + (3 * columnBytes), columnBytes);
    }

    /// <summary>Stores two columns four apart; returns the sums of their bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> PairOfColumns(Vector256<long> low, Vector256<long> high, byte* to, nint columnBytes)
    {
        Vector256<sbyte> first = Avx2.Permute2x128(low, high, 0x20).AsSByte();
        Vector256<sbyte> second = Avx2.Permute2x128(low, high, 0x31).AsSByte();
        first.Store((sbyte*)to);
        second.Store((sbyte*)to + (4 * columnBytes));
        Vector256<int> sum = AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, Vector256<byte>.One, first);
        return AvxVnni.MultiplyWideningAndAdd(sum, Vector256<byte>.One, second);
    }
}
