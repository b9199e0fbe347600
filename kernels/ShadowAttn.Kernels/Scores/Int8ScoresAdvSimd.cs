using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// score = clamp(⌊Σ_d q8_d·k8_d / 2^shift + 1/2⌋, -128, 127), without dot product instructions.
/// <para>Products are summed up in 16 bits modulo 2^16, lane l those of the channels l mod 8. Whatever wraps around on the way, the sum is right at
/// the end if the true one fits, and by Cauchy and Schwarz it is at most √(Σ q²·Σ k²), both over the lane's channels: that is compared for every
/// tile. Tiles that do not fit are widened every 16 channels.</para>
/// <para>Packed form: tiles of 4 keys: Σ k² of each lane, the largest of the 4 keys, fp32 [8]; [chunks][4 keys][16 channels], zero behind dim
/// and behind the last key, at least 2 chunks. 4 queries are packed the same way.</para>
/// </summary>
internal static unsafe partial class Int8ScoresAdvSimd
{
    private const int Tile = 4;
    private const int Chunk = 16;
    private const int TileChunkBytes = Tile * Chunk;

    /// <summary>Bytes of the sums of squares in front of a tile.</summary>
    private const int NormBytes = 8 * sizeof(float);

    /// <summary>Bytes of packed queries that live on the stack.</summary>
    private const int StackBytes = 16384;

    /// <summary>What 16 bits hold, squared, less what single precision may err.</summary>
    private const float SquareLimit = 32767f * 32767f * (1 - 1e-6f);

    public static Int8ScoresKernel Kernel => new(Tile, Tile, &PackedBytes, &Pack, &Scores, &Products);

    public static nint PackedBytes(int keys, int dim) => ((nint)keys + Tile - 1) / Tile * TileBytes(dim);

    public static void Pack(sbyte* k8, nint k8Stride, int keys, int dim, byte* packed)
    {
        for (int key = 0; key < keys; key += Tile)
        {
            PackTile(k8 + (key * k8Stride), k8Stride, Math.Min(Tile, keys - key), dim, (sbyte*)packed);
            packed += TileBytes(dim);
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

    private static nint Chunks(int dim) => Math.Max(2, ((nint)dim + Chunk - 1) / Chunk);

    private static nint TileBytes(int dim) => NormBytes + (Chunks(dim) * TileChunkBytes);

    [SkipLocalsInit]
    private static void Run<T, TShift>(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        nint tileBytes = TileBytes(dim);
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
        where TShift : struct, IScoreShiftAdvSimd
    {
        const int TilesAtOnce = 64;
        T* part = stackalloc T[Tile * TilesAtOnce * Tile];
        nint chunks = Chunks(dim);
        nint tileBytes = TileBytes(dim);
        int whole = keys / Tile;
        for (int row = 0; row < rows; row += Tile)
        {
            int tileRows = Math.Min(Tile, rows - row);
            T* target = output + (row * stride);
            PackTile(q8 + (row * q8Stride), q8Stride, tileRows, dim, queries);
            if (tileRows == Tile)
            {
                Tiles<T, TShift>(queries, packed, whole, chunks, shift, target, stride);
            }

            // Tiles that stick out of the rows or of the keys are copied from where there is room for them.
            for (int tile = tileRows == Tile ? whole : 0; tile * Tile < keys; tile += TilesAtOnce)
            {
                int partKeys = Math.Min(TilesAtOnce * Tile, keys - (tile * Tile));
                Tiles<T, TShift>(
                    queries, packed + (tile * tileBytes), (partKeys + Tile - 1) / Tile, chunks, shift, part, TilesAtOnce * Tile);
                for (int r = 0; r < tileRows; r++)
                {
                    new ReadOnlySpan<T>(part + (r * TilesAtOnce * Tile), partKeys).CopyTo(
                        new Span<T>(target + (r * stride) + (tile * Tile), partKeys));
                }
            }
        }
    }

    /// <summary>One tile of rows against tiles of keys: runs of those that fit 16 bits, and of those that do not.</summary>
    private static void Tiles<T, TShift>(sbyte* queries, sbyte* keys, int tiles, nint chunks, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        nint tileBytes = NormBytes + (chunks * TileChunkBytes);
        sbyte* rows = queries + NormBytes;
        while (tiles > 0)
        {
            int run = Fitting(queries, keys, tiles, tileBytes);
            WrapTiles<T, TShift>(rows, keys + NormBytes, run, chunks, shift, output, stride);
            keys += run * tileBytes;
            output += run * Tile;
            tiles -= run;
            run = 0;
            while (run < tiles && Fitting(queries, keys + (run * tileBytes), 1, tileBytes) == 0)
            {
                run++;
            }

            if (run > 0)
            {
                if (new ReadOnlySpan<sbyte>(rows, (int)(chunks * TileChunkBytes)).Contains(sbyte.MinValue))
                {
                    ChunkTiles<T, Within128>(rows, keys + NormBytes, run, chunks, shift, output, stride);
                }
                else
                {
                    ChunkTiles<T, Within127>(rows, keys + NormBytes, run, chunks, shift, output, stride);
                }
            }

            keys += run * tileBytes;
            output += run * Tile;
            tiles -= run;
        }
    }

    /// <summary>How many of the tiles, from the first one on, have sums that fit 16 bits with these rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Fitting(sbyte* queries, sbyte* keys, int tiles, nint tileBytes)
    {
        // Rows of zeros: the limit is infinite, and nothing is above it.
        Vector128<float> limit0 = Vector128.Create(SquareLimit) / Vector128.Load((float*)queries);
        Vector128<float> limit1 = Vector128.Create(SquareLimit) / Vector128.Load((float*)queries + 4);
        int fitting = 0;
        for (; fitting < tiles; fitting++, keys += tileBytes)
        {
            Vector128<float> norm0 = Vector128.Load((float*)keys);
            Vector128<float> norm1 = Vector128.Load((float*)keys + 4);
            Vector128<float> above = AdvSimd.CompareGreaterThan(norm0, limit0) | AdvSimd.CompareGreaterThan(norm1, limit1);
            if (AdvSimd.ExtractNarrowingLower(above.AsUInt32()).AsUInt64().ToScalar() != 0)
            {
                break;
            }
        }

        return fitting;
    }

    /// <summary>[count ≤ 4, dim] to the sums of squares and [chunks][4][16].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTile(sbyte* source, nint stride, int count, int dim, sbyte* packed)
    {
        Vector128<uint> max0 = Vector128<uint>.Zero;
        Vector128<uint> max1 = Vector128<uint>.Zero;
        nint chunks = Chunks(dim);
        for (int row = 0; row < Tile; row++)
        {
            Vector128<uint> sum0 = Vector128<uint>.Zero;
            Vector128<uint> sum1 = Vector128<uint>.Zero;
            sbyte* target = packed + NormBytes + (row * Chunk);
            int channels = row < count ? dim : 0;
            for (int d = 0; d < chunks * Chunk; d += Chunk, target += TileChunkBytes)
            {
                if (d + Chunk <= channels)
                {
                    Vector128.Load(source + d).Store(target);
                }
                else
                {
                    Vector128<sbyte>.Zero.Store(target);
                    for (int i = 0; d + i < channels; i++)
                    {
                        target[i] = source[d + i];
                    }
                }

                Vector128<sbyte> x = Vector128.Load(target);
                Vector128<short> lower = AdvSimd.MultiplyWideningLower(x.GetLower(), x.GetLower());
                Vector128<ushort> squares = AdvSimd.MultiplyWideningUpperAndAdd(lower, x, x).AsUInt16();
                sum0 = AdvSimd.AddWideningLower(sum0, squares.GetLower());
                sum1 = AdvSimd.AddWideningUpper(sum1, squares);
            }

            max0 = AdvSimd.Max(max0, sum0);
            max1 = AdvSimd.Max(max1, sum1);
            source += stride;
        }

        AdvSimd.ConvertToSingle(max0).Store((float*)packed);
        AdvSimd.ConvertToSingle(max1).Store((float*)packed + 4);
    }
}
