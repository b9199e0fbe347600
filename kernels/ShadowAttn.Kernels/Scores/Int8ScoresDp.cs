using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ShadowAttn.Kernels;

/// <summary>
/// score = clamp(⌊Σ_d q8_d·k8_d / 2^shift + 1/2⌋, -128, 127).
/// Packed form: tiles of 8 keys, [⌈dim/4⌉][8 keys][4 channels], zero behind dim and behind the last key; 8 queries are packed the same way.
/// A tile of rows with 5 or more is computed whole, fewer rows go two by two.
/// </summary>
internal static unsafe partial class Int8ScoresDp
{
    private const int Tile = 8;

    /// <summary>So many rows are faster two by two than as a tile.</summary>
    private const int FewRows = 4;

    /// <summary>Bytes of packed queries that live on the stack.</summary>
    private const int StackBytes = 16384;

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
        where TShift : struct, IScoreShiftAdvSimd
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

    private static void Run<T, TShift>(
        sbyte* q8, nint q8Stride, int rows, sbyte* packed, int keys, int dim, int shift, T* output, nint stride, sbyte* queries)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        nint groups = Padded(dim) / 4;
        int whole = keys / Tile;
        int rest = keys % Tile;
        for (int row = 0; row < rows; row += Tile)
        {
            int tileRows = Math.Min(Tile, rows - row);
            T* target = output + (row * stride);
            PackTile(q8 + (row * q8Stride), q8Stride, tileRows, dim, queries);
            if (tileRows == Tile)
            {
                Tiles<T, TShift>(queries, packed, whole, groups, shift, target, stride);
            }
            else
            {
                PartOfTile<T, TShift>(queries, tileRows, packed, whole, groups, shift, target, stride);
            }

            if (rest != 0)
            {
                Edge<T, TShift>(
                    queries, tileRows, packed + (whole * Tile * Padded(dim)), rest, groups, shift, target + (whole * Tile), stride);
            }
        }
    }

    /// <summary>Fewer than 8 rows against whole tiles of keys.</summary>
    [SkipLocalsInit]
    private static void PartOfTile<T, TShift>(
        sbyte* queries, int rows, sbyte* keys, int tiles, nint groups, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        const int TilesAtOnce = 32;
        if (rows <= FewRows)
        {
            for (int row = 0; row < rows; row += 2)
            {
                Rows<T, TShift>(queries + (row * 4), keys, tiles, groups, shift, output + (row * stride), row + 1 < rows ? stride : 0);
            }

            return;
        }

        T* all = stackalloc T[Tile * TilesAtOnce * Tile];
        for (int tile = 0; tile < tiles; tile += TilesAtOnce)
        {
            int count = Math.Min(TilesAtOnce, tiles - tile);
            Tiles<T, TShift>(queries, keys + (tile * groups * 32), count, groups, shift, all, TilesAtOnce * Tile);
            for (int row = 0; row < rows; row++)
            {
                new ReadOnlySpan<T>(all + (row * TilesAtOnce * Tile), count * Tile).CopyTo(
                    new Span<T>(output + (row * stride) + (tile * Tile), count * Tile));
            }
        }
    }

    /// <summary>Up to 8 rows against the first keys of one tile.</summary>
    [SkipLocalsInit]
    private static void Edge<T, TShift>(
        sbyte* queries, int rows, sbyte* tile, int keys, nint groups, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        T* all = stackalloc T[Tile * Tile];
        Tiles<T, TShift>(queries, tile, 1, groups, shift, all, Tile);
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<T>(all + (row * Tile), keys).CopyTo(new Span<T>(output + (row * stride), keys));
        }
    }
}
