using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// score = clamp(⌊Σ_d q8_d·k8_d / 2^shift + 1/2⌋, -128, 127), without dot product instructions.
/// Packed form: tiles of 4 keys, [⌈dim/16⌉][4 keys][16 channels], zero behind dim and behind the last key; 4 queries are packed the same way.
/// Registers: 16 accumulators (4 rows x 4 keys, each 4 partial sums over channels), 4 of keys, 4 of queries. Per pair and 16 channels: SMULL,
/// SMLAL2 (16 bits), SADALP. Two products fit 16 bits unless both operands can be -128: rows with a -128 take SMULL, SADALP, SMULL2,
/// SADALP instead.
/// </summary>
internal static unsafe class Int8ScoresAdvSimd
{
    private const int Tile = 4;
    private const int Chunk = 16;
    private const int TileChunkBytes = Tile * Chunk;

    /// <summary>Bytes of packed queries that live on the stack.</summary>
    private const int StackBytes = 16384;

    private interface IRange
    {
    }

    public static Int8ScoresKernel Kernel => new(Tile, Tile, &PackedBytes, &Pack, &Scores, &Products);

    public static nint PackedBytes(int keys, int dim) => ((nint)keys + Tile - 1) / Tile * Chunks(dim) * TileChunkBytes;

    public static void Pack(sbyte* k8, nint k8Stride, int keys, int dim, byte* packed)
    {
        for (int key = 0; key < keys; key += Tile)
        {
            PackTile(k8 + (key * k8Stride), k8Stride, Math.Min(Tile, keys - key), dim, (sbyte*)packed);
            packed += Chunks(dim) * TileChunkBytes;
        }
    }

    public static void Scores(
        sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, sbyte* scores, nint scoreStride) =>
        Run(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride);

    public static void Products(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int* products, nint productStride) =>
        Run(q8, q8Stride, rows, packed, keys, dim, 0, products, productStride);

    private static nint Chunks(int dim) => ((nint)dim + Chunk - 1) / Chunk;

    [SkipLocalsInit]
    private static void Run<T>(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, T* output, nint stride)
        where T : unmanaged
    {
        nint tileBytes = Chunks(dim) * TileChunkBytes;
        if (tileBytes <= StackBytes)
        {
            sbyte* queries = stackalloc sbyte[(int)tileBytes];
            Run(q8, q8Stride, rows, (sbyte*)packed, keys, dim, shift, output, stride, queries);
            return;
        }

        sbyte* heap = (sbyte*)NativeMemory.Alloc((nuint)tileBytes);
        Run(q8, q8Stride, rows, (sbyte*)packed, keys, dim, shift, output, stride, heap);
        NativeMemory.Free(heap);
    }

    [SkipLocalsInit]
    private static void Run<T>(
        sbyte* q8, nint q8Stride, int rows, sbyte* packed, int keys, int dim, int shift, T* output, nint stride, sbyte* queries)
        where T : unmanaged
    {
        const int TilesAtOnce = 64;
        T* part = stackalloc T[Tile * TilesAtOnce * Tile];
        nint chunks = Chunks(dim);
        nint tileBytes = chunks * TileChunkBytes;
        int whole = keys / Tile;
        for (int row = 0; row < rows; row += Tile)
        {
            int tileRows = Math.Min(Tile, rows - row);
            T* target = output + (row * stride);
            PackTile(q8 + (row * q8Stride), q8Stride, tileRows, dim, queries);
            bool narrow = !new ReadOnlySpan<sbyte>(queries, (int)tileBytes).Contains(sbyte.MinValue);
            if (tileRows == Tile)
            {
                Tiles(narrow, queries, packed, whole, chunks, shift, target, stride);
            }

            // Tiles that stick out of the rows or of the keys are copied from where there is room for them.
            for (int tile = tileRows == Tile ? whole : 0; tile * Tile < keys; tile += TilesAtOnce)
            {
                int partKeys = Math.Min(TilesAtOnce * Tile, keys - (tile * Tile));
                Tiles(
                    narrow, queries, packed + (tile * tileBytes), (partKeys + Tile - 1) / Tile, chunks, shift, part, TilesAtOnce * Tile);
                for (int r = 0; r < tileRows; r++)
                {
                    new ReadOnlySpan<T>(part + (r * TilesAtOnce * Tile), partKeys).CopyTo(
                        new Span<T>(target + (r * stride) + (tile * Tile), partKeys));
                }
            }
        }
    }

    private static void Tiles<T>(bool narrow, sbyte* queries, sbyte* keys, int tiles, nint chunks, int shift, T* output, nint stride)
        where T : unmanaged
    {
        if (narrow)
        {
            Tiles<T, Within127>(queries, keys, tiles, chunks, shift, output, stride);
        }
        else
        {
            Tiles<T, Within128>(queries, keys, tiles, chunks, shift, output, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<T, TRange>(sbyte* queries, sbyte* keys, int tiles, nint chunks, int shift, T* output, nint stride)
        where T : unmanaged
        where TRange : struct, IRange
    {
        Vector128<int> right = Vector128.Create(-shift);
        sbyte* k = keys;
        for (int tile = 0; tile < tiles; tile++)
        {
            Vector128<int> s00 = Vector128<int>.Zero;
            Vector128<int> s01 = Vector128<int>.Zero;
            Vector128<int> s02 = Vector128<int>.Zero;
            Vector128<int> s03 = Vector128<int>.Zero;
            Vector128<int> s10 = Vector128<int>.Zero;
            Vector128<int> s11 = Vector128<int>.Zero;
            Vector128<int> s12 = Vector128<int>.Zero;
            Vector128<int> s13 = Vector128<int>.Zero;
            Vector128<int> s20 = Vector128<int>.Zero;
            Vector128<int> s21 = Vector128<int>.Zero;
            Vector128<int> s22 = Vector128<int>.Zero;
            Vector128<int> s23 = Vector128<int>.Zero;
            Vector128<int> s30 = Vector128<int>.Zero;
            Vector128<int> s31 = Vector128<int>.Zero;
            Vector128<int> s32 = Vector128<int>.Zero;
            Vector128<int> s33 = Vector128<int>.Zero;
            sbyte* q = queries;
            sbyte* end = queries + (chunks * TileChunkBytes);
            for (; q < end; q += TileChunkBytes, k += TileChunkBytes)
            {
                Vector128<sbyte> k0 = Vector128.Load(k);
                Vector128<sbyte> k1 = Vector128.Load(k + 16);
                Vector128<sbyte> k2 = Vector128.Load(k + 32);
                Vector128<sbyte> k3 = Vector128.Load(k + 48);
                Vector128<sbyte> q0 = Vector128.Load(q);
                Vector128<sbyte> q1 = Vector128.Load(q + 16);
                Vector128<sbyte> q2 = Vector128.Load(q + 32);
                Vector128<sbyte> q3 = Vector128.Load(q + 48);
                s00 = Add<TRange>(s00, q0, k0);
                s01 = Add<TRange>(s01, q0, k1);
                s02 = Add<TRange>(s02, q0, k2);
                s03 = Add<TRange>(s03, q0, k3);
                s10 = Add<TRange>(s10, q1, k0);
                s11 = Add<TRange>(s11, q1, k1);
                s12 = Add<TRange>(s12, q1, k2);
                s13 = Add<TRange>(s13, q1, k3);
                s20 = Add<TRange>(s20, q2, k0);
                s21 = Add<TRange>(s21, q2, k1);
                s22 = Add<TRange>(s22, q2, k2);
                s23 = Add<TRange>(s23, q2, k3);
                s30 = Add<TRange>(s30, q3, k0);
                s31 = Add<TRange>(s31, q3, k1);
                s32 = Add<TRange>(s32, q3, k2);
                s33 = Add<TRange>(s33, q3, k3);
            }

            Vector128<int> row0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s00, s01), AdvSimd.Arm64.AddPairwise(s02, s03));
            Vector128<int> row1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s10, s11), AdvSimd.Arm64.AddPairwise(s12, s13));
            Vector128<int> row2 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s20, s21), AdvSimd.Arm64.AddPairwise(s22, s23));
            Vector128<int> row3 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s30, s31), AdvSimd.Arm64.AddPairwise(s32, s33));
            T* row = output + (tile * Tile);
            if (typeof(T) == typeof(int))
            {
                row0.Store((int*)row);
                row1.Store((int*)(row + stride));
                row2.Store((int*)(row + (2 * stride)));
                row3.Store((int*)(row + (3 * stride)));
            }
            else
            {
                Vector128<uint> scores = Narrow(row0, row1, row2, row3, right);
                Unsafe.WriteUnaligned(row, scores.ToScalar());
                Unsafe.WriteUnaligned(row + stride, scores.GetElement(1));
                Unsafe.WriteUnaligned(row + (2 * stride), scores.GetElement(2));
                Unsafe.WriteUnaligned(row + (3 * stride), scores.GetElement(3));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Add<TRange>(Vector128<int> sum, Vector128<sbyte> q, Vector128<sbyte> k)
        where TRange : struct, IRange
    {
        Vector128<short> products = AdvSimd.MultiplyWideningLower(q.GetLower(), k.GetLower());
        if (typeof(TRange) == typeof(Within127))
        {
            return AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.MultiplyWideningUpperAndAdd(products, q, k));
        }

        sum = AdvSimd.AddPairwiseWideningAndAdd(sum, products);
        return AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.MultiplyWideningUpper(q, k));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d, Vector128<int> right)
    {
        Vector64<short> low = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ShiftArithmeticRounded(a, right));
        Vector128<short> ab = AdvSimd.ExtractNarrowingSaturateUpper(low, AdvSimd.ShiftArithmeticRounded(b, right));
        low = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ShiftArithmeticRounded(c, right));
        Vector128<short> cd = AdvSimd.ExtractNarrowingSaturateUpper(low, AdvSimd.ShiftArithmeticRounded(d, right));
        return AdvSimd.ExtractNarrowingSaturateUpper(AdvSimd.ExtractNarrowingSaturateLower(ab), cd).AsUInt32();
    }

    /// <summary>[count ≤ 4, dim] to [⌈dim/16⌉][4][16].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTile(sbyte* source, nint stride, int count, int dim, sbyte* packed)
    {
        for (int d = 0; d < dim; d += Chunk)
        {
            int channels = Math.Min(Chunk, dim - d);
            for (int row = 0; row < Tile; row++, packed += Chunk)
            {
                if (row < count && channels == Chunk)
                {
                    Vector128.Load(source + (row * stride) + d).Store(packed);
                    continue;
                }

                Vector128<sbyte>.Zero.Store(packed);
                for (int i = 0; row < count && i < channels; i++)
                {
                    packed[i] = source[(row * stride) + d + i];
                }
            }
        }
    }

    private readonly struct Within127 : IRange;

    private readonly struct Within128 : IRange;
}
