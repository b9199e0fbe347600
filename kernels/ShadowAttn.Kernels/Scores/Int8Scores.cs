namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="Int8Scores"/> for one instruction set.</summary>
/// <remarks>
/// Keys are packed once into tiles of <see cref="KeyTile"/> keys in an order of the variant's own; a packed buffer belongs to the variant that
/// wrote it. Tile t starts at byte <c>PackedBytes(t·KeyTile, dim)</c>, so a range of whole tiles is addressed by moving the pointer. Products are
/// exact for all values of both operands, -128 included.
/// </remarks>
public readonly unsafe struct Int8ScoresKernel
{
    /// <summary>Keys per packed tile.</summary>
    public readonly int KeyTile;

    /// <summary>Rows that the kernel works on at a time: multiples of it are fastest, any count works.</summary>
    public readonly int RowTile;

    /// <summary>(keys, dim): bytes that the packed form of so many keys takes.</summary>
    public readonly delegate*<int, int, nint> PackedBytes;

    /// <summary>(k8, k8Stride, keys, dim, packed): packs keys [keys, dim].</summary>
    public readonly delegate*<sbyte*, nint, int, int, byte*, void> Pack;

    /// <summary>
    /// (q8, q8Stride, rows, packed, keys, dim, shift, scores, scoreStride): scores[r, k] = clamp(⌊q8_r·k8_k / 2^shift + 1/2⌋, -128, 127);
    /// writes exactly [rows, keys]. 0 ≤ shift ≤ 24.
    /// </summary>
    public readonly delegate*<sbyte*, nint, int, byte*, int, int, int, sbyte*, nint, void> Scores;

    /// <summary>(q8, q8Stride, rows, packed, keys, dim, products, productStride): the int32 products q8_r·k8_k; writes exactly [rows, keys].</summary>
    public readonly delegate*<sbyte*, nint, int, byte*, int, int, int*, nint, void> Products;

    internal Int8ScoresKernel(
        int keyTile,
        int rowTile,
        delegate*<int, int, nint> packedBytes,
        delegate*<sbyte*, nint, int, int, byte*, void> pack,
        delegate*<sbyte*, nint, int, byte*, int, int, int, sbyte*, nint, void> scores,
        delegate*<sbyte*, nint, int, byte*, int, int, int*, nint, void> products)
    {
        KeyTile = keyTile;
        RowTile = rowTile;
        PackedBytes = packedBytes;
        Pack = pack;
        Scores = scores;
        Products = products;
    }
}

/// <summary>INT8 scores of queries against keys: int32 products, then a rounding shift and saturation to 8 bits.</summary>
public static unsafe class Int8Scores
{
    /// <summary>All variants.</summary>
    public static KernelTable<Int8ScoresKernel> Kernels { get; } = new(
        "scores",
        new KernelVariant<Int8ScoresKernel>(InstructionSet.Scalar, Int8ScoresScalar.Kernel),
        new KernelVariant<Int8ScoresKernel>(InstructionSet.AdvSimd, Int8ScoresAdvSimd.Kernel),
        new KernelVariant<Int8ScoresKernel>(InstructionSet.Dp, Int8ScoresDp.Kernel),
        new KernelVariant<Int8ScoresKernel>(InstructionSet.Avx2, Int8ScoresAvx2.Kernel),
        new KernelVariant<Int8ScoresKernel>(InstructionSet.AvxVnni, Int8ScoresAvxVnni.Kernel),
        new KernelVariant<Int8ScoresKernel>(InstructionSet.Avx512, Int8ScoresAvx512.Kernel));

    /// <summary>scores[r, k] = clamp(⌊q8_r·k8_k / 2^shift + 1/2⌋, -128, 127).</summary>
    /// <param name="q8">[rows, dim], contiguous.</param>
    /// <param name="k8">[keys, dim], contiguous.</param>
    /// <param name="rows">Number of query rows.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="shift">0 to 24.</param>
    /// <param name="scores">Receives [rows, keys], contiguous.</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static void Run(ReadOnlySpan<sbyte> q8, ReadOnlySpan<sbyte> k8, int rows, int keys, int dim, int shift, Span<sbyte> scores)
    {
        KernelArguments.CheckMatrix(q8.Length, dim, rows, dim, nameof(q8));
        KernelArguments.CheckMatrix(k8.Length, dim, keys, dim, nameof(k8));
        KernelArguments.CheckMatrix(scores.Length, keys, rows, keys, nameof(scores));
        ArgumentOutOfRangeException.ThrowIfNegative(shift);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shift, 24);
        Int8ScoresKernel kernel = Kernels.Best.Kernel;
        byte[] packed = new byte[kernel.PackedBytes(keys, dim)];
        fixed (sbyte* pq = q8, pk = k8, ps = scores)
        fixed (byte* pp = packed)
        {
            kernel.Pack(pk, dim, keys, dim, pp);
            kernel.Scores(pq, dim, rows, pp, keys, dim, shift, ps, keys);
        }
    }
}
