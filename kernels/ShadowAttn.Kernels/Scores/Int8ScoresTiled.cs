using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>What one instruction set does with a tile of keys and a tile of rows; <see cref="Int8ScoresTiled{T}"/> makes a kernel of it.</summary>
internal unsafe interface IInt8ScoresTile
{
    /// <summary>Keys per tile.</summary>
    static abstract int KeyTile { get; }

    /// <summary>Rows per tile.</summary>
    static abstract int RowTile { get; }

    /// <summary>Bytes of a packed tile of keys.</summary>
    static abstract nint KeyTileBytes(int dim);

    /// <summary>Bytes of a prepared tile of rows.</summary>
    static abstract nint RowTileBytes(int dim);

    /// <summary>Packs 1 to <see cref="KeyTile"/> keys; missing ones count as zero.</summary>
    static abstract void PackKeys(sbyte* k8, nint k8Stride, int keys, int dim, byte* keyTile);

    /// <summary>Prepares 1 to <see cref="RowTile"/> rows.</summary>
    static abstract void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile);

    /// <summary>Scores of any number of prepared rows, tile behind tile; writes [rows, KeyTile].</summary>
    static abstract void Scores(byte* rowTile, int rows, byte* keyTile, int dim, int shift, sbyte* scores, nint scoreStride);

    /// <summary>Products of any number of prepared rows, tile behind tile; writes [rows, KeyTile].</summary>
    static abstract void Products(byte* rowTile, int rows, byte* keyTile, int dim, int* products, nint productStride);
}

/// <summary>
/// The loops around the tiles: a block of rows is prepared on the stack, every tile of keys is then used by all of its row tiles while it is
/// in the L1 cache. An incomplete last tile goes through a scratch tile, so that nothing is written outside [rows, keys].
/// </summary>
/// <typeparam name="T">The tile of an instruction set.</typeparam>
internal static unsafe class Int8ScoresTiled<T>
    where T : struct, IInt8ScoresTile
{
    private const int RowBlockBytes = 16384;

    public static Int8ScoresKernel Kernel => new(T.KeyTile, T.RowTile, &PackedBytes, &Pack, &Scores, &Products);

    public static nint PackedBytes(int keys, int dim) => (nint)((keys + T.KeyTile - 1) / T.KeyTile) * T.KeyTileBytes(dim);

    public static void Pack(sbyte* k8, nint k8Stride, int keys, int dim, byte* packed)
    {
        for (int first = 0; first < keys; first += T.KeyTile, packed += T.KeyTileBytes(dim))
        {
            T.PackKeys(k8 + (first * k8Stride), k8Stride, Math.Min(T.KeyTile, keys - first), dim, packed);
        }
    }

    public static void Scores(
        sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, sbyte* scores, nint scoreStride) =>
        Run(q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride, null, 0);

    public static void Products(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int* products, nint productStride) =>
        Run(q8, q8Stride, rows, packed, keys, dim, 0, null, 0, products, productStride);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(
        sbyte* q8,
        nint q8Stride,
        int rows,
        byte* packed,
        int keys,
        int dim,
        int shift,
        sbyte* scores,
        nint scoreStride,
        int* products,
        nint productStride)
    {
        nint keyTileBytes = T.KeyTileBytes(dim);
        nint rowTileBytes = T.RowTileBytes(dim);
        int blockTiles = Math.Min((rows + T.RowTile - 1) / T.RowTile, Math.Max(1, (int)(RowBlockBytes / rowTileBytes)));
        int blockRows = blockTiles * T.RowTile;
        byte* block = stackalloc byte[(int)(blockTiles * rowTileBytes)];
        int* scratch = stackalloc int[T.RowTile * T.KeyTile];
        for (int firstRow = 0; firstRow < rows; firstRow += blockRows)
        {
            int lastRow = Math.Min(rows, firstRow + blockRows);
            byte* rowTile = block;
            for (int row = firstRow; row < lastRow; row += T.RowTile, rowTile += rowTileBytes)
            {
                T.PrepareRows(q8 + (row * q8Stride), q8Stride, Math.Min(T.RowTile, lastRow - row), dim, rowTile);
            }

            byte* keyTile = packed;
            for (int key = 0; key < keys; key += T.KeyTile, keyTile += keyTileBytes)
            {
                int tileKeys = Math.Min(T.KeyTile, keys - key);
                if (tileKeys == T.KeyTile)
                {
                    if (products is null)
                    {
                        T.Scores(block, lastRow - firstRow, keyTile, dim, shift, scores + (firstRow * scoreStride) + key, scoreStride);
                    }
                    else
                    {
                        T.Products(block, lastRow - firstRow, keyTile, dim, products + (firstRow * productStride) + key, productStride);
                    }

                    continue;
                }

                rowTile = block;
                for (int row = firstRow; row < lastRow; row += T.RowTile, rowTile += rowTileBytes)
                {
                    int tileRows = Math.Min(T.RowTile, lastRow - row);
                    if (products is null)
                    {
                        T.Scores(rowTile, tileRows, keyTile, dim, shift, (sbyte*)scratch, T.KeyTile);
                        Copy((byte*)scratch, T.KeyTile, (byte*)(scores + (row * scoreStride) + key), scoreStride, tileRows, tileKeys);
                    }
                    else
                    {
                        T.Products(rowTile, tileRows, keyTile, dim, scratch, T.KeyTile);
                        Copy(
                            (byte*)scratch,
                            T.KeyTile * sizeof(int),
                            (byte*)(products + (row * productStride) + key),
                            productStride * sizeof(int),
                            tileRows,
                            tileKeys * sizeof(int));
                    }
                }
            }
        }
    }

    private static void Copy(byte* from, nint fromStride, byte* to, nint toStride, int rows, int bytes)
    {
        for (int r = 0; r < rows; r++)
        {
            Unsafe.CopyBlockUnaligned(to + (r * toStride), from + (r * fromStride), (uint)bytes);
        }
    }
}
