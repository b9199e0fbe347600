using System.Runtime.InteropServices;

namespace ShadowAttn.Kernels;

/// <summary>The arguments of <see cref="DenseAttentionKernel.Attend"/>: a block of query rows of one head against the first keys.</summary>
public unsafe struct DenseArguments
{
    /// <summary>Queries, fp32 [rows, dim], unscaled.</summary>
    public float* Queries;

    /// <summary>Elements between rows of <see cref="Queries"/>.</summary>
    public nint QueryStride;

    /// <summary>Number of query rows.</summary>
    public int Rows;

    /// <summary>Keys that row 0 sees, at least 1.</summary>
    public int FirstVisible;

    /// <summary>Keys that each further row sees more: 1 for causal attention, 0 for non-causal.</summary>
    public int VisibleStep;

    /// <summary>The keys as <see cref="DenseAttentionKernel.PackKeys"/> packed them; at least as many as the last row sees.</summary>
    public float* PackedKeys;

    /// <summary>Values [keys, dim] in any format.</summary>
    public KvRows Values;

    /// <summary>Channels.</summary>
    public int Dim;

    /// <summary>What q·k is multiplied with before the softmax.</summary>
    public float Scale;

    /// <summary>Receives the output, fp32 [rows, dim].</summary>
    public float* Output;

    /// <summary>Elements between rows of <see cref="Output"/>.</summary>
    public nint OutputStride;

    /// <summary>Scratch of the size that <see cref="DenseAttentionKernel.ScratchFloats"/> says, 64-byte aligned.</summary>
    public float* Scratch;
}

/// <summary>The kernels of <see cref="DenseAttention"/> for one instruction set.</summary>
public readonly unsafe struct DenseAttentionKernel
{
    /// <summary>Rows per call that are fastest; any count from 1 works.</summary>
    public readonly int RowBlock;

    /// <summary>(keys, dim): floats that the packed form of so many keys takes.</summary>
    public readonly delegate*<int, int, nint> PackedFloats;

    /// <summary>(k, firstKey, keys, dim, packed): packs keys [firstKey, firstKey + keys) of <c>k</c>, of any format, into their place in
    /// <c>packed</c>, which must be zero or packed before; ranges may be packed by different threads when they start at multiples of 64, and one after the
    /// other when they start at multiples of <see cref="PackStep"/>. The last range fills up its tile.</summary>
    public readonly delegate*<KvRows*, int, int, int, float*, void> PackKeys;

    /// <summary>Where keys are added to packed ones, packing starts at a multiple of this.</summary>
    public readonly int PackStep;

    /// <summary>(rows, dim): scratch that <c>Attend</c> needs for up to so many rows, in floats.</summary>
    public readonly delegate*<int, int, nint> ScratchFloats;

    /// <summary>output = softmax(scale·q·kᵀ over the visible keys)·v, with a running maximum and sum over blocks of keys.</summary>
    public readonly delegate*<DenseArguments*, void> Attend;

    internal DenseAttentionKernel(
        int rowBlock,
        delegate*<int, int, nint> packedFloats,
        delegate*<KvRows*, int, int, int, float*, void> packKeys,
        delegate*<int, int, nint> scratchFloats,
        delegate*<DenseArguments*, void> attend,
        int packStep)
    {
        PackStep = packStep;
        RowBlock = rowBlock;
        PackedFloats = packedFloats;
        PackKeys = packKeys;
        ScratchFloats = scratchFloats;
        Attend = attend;
    }
}

/// <summary>Exact attention over all visible keys: the honest baseline.</summary>
public static unsafe class DenseAttention
{
    /// <summary>All variants.</summary>
    public static KernelTable<DenseAttentionKernel> Kernels { get; } = new(
        "dense",
        new KernelVariant<DenseAttentionKernel>(InstructionSet.Scalar, DenseAttentionScalar.Kernel),
        new KernelVariant<DenseAttentionKernel>(InstructionSet.AdvSimd, DenseAttentionAdvSimd.Kernel),
        new KernelVariant<DenseAttentionKernel>(InstructionSet.Avx2, DenseAttentionAvx2.Kernel),
        new KernelVariant<DenseAttentionKernel>(InstructionSet.Avx512, DenseAttentionAvx512.Kernel));

    /// <summary>Attention of one head; the queries are the last ones of the keys.</summary>
    /// <param name="queries">fp32 [rows, dim], contiguous.</param>
    /// <param name="keys">fp32 [keys, dim], contiguous.</param>
    /// <param name="values">fp32 [keys, dim], contiguous.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="scale">What q·k is multiplied with.</param>
    /// <param name="causal">Whether query i sees only keys up to (keys - rows + i).</param>
    /// <param name="output">Receives fp32 [rows, dim].</param>
    /// <exception cref="ArgumentException">Shapes that do not fit.</exception>
    public static void Run(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, int dim, float scale, bool causal, Span<float> output)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 1);
        int rows = queries.Length / dim;
        int keyCount = keys.Length / dim;
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1, nameof(queries));
        ArgumentOutOfRangeException.ThrowIfLessThan(keyCount, causal ? rows : 1, nameof(keys));
        KernelArguments.CheckLength(values.Length, (long)keyCount * dim);
        KernelArguments.CheckLength(output.Length, (long)rows * dim);
        DenseAttentionKernel kernel = Kernels.Best.Kernel;
        nuint packedBytes = (nuint)kernel.PackedFloats(keyCount, dim) * sizeof(float);
        nuint scratchBytes = (nuint)kernel.ScratchFloats(rows, dim) * sizeof(float);
        float* packed = (float*)NativeMemory.AlignedAlloc(packedBytes, 64);
        float* scratch = (float*)NativeMemory.AlignedAlloc(scratchBytes, 64);
        try
        {
            fixed (float* q = queries, k = keys, v = values, o = output)
            {
                KvRows keyRows = new(k, dim);
                kernel.PackKeys(&keyRows, 0, keyCount, dim, packed);
                DenseArguments arguments = new()
                {
                    Queries = q,
                    QueryStride = dim,
                    Rows = rows,
                    FirstVisible = causal ? keyCount - rows + 1 : keyCount,
                    VisibleStep = causal ? 1 : 0,
                    PackedKeys = packed,
                    Values = new KvRows(v, dim),
                    Dim = dim,
                    Scale = scale,
                    Output = o,
                    OutputStride = dim,
                    Scratch = scratch,
                };
                kernel.Attend(&arguments);
            }
        }
        finally
        {
            NativeMemory.AlignedFree(packed);
            NativeMemory.AlignedFree(scratch);
        }
    }
}
