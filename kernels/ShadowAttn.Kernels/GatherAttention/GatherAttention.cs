namespace ShadowAttn.Kernels;

/// <summary>One query row of <see cref="GatherAttention"/>: what it asks with, where its output goes, and the tail of its dropped keys.</summary>
public unsafe struct GatherRow
{
    /// <summary>The query, fp32 [dim], unscaled.</summary>
    public float* Query;

    /// <summary>Receives the output, fp32 [dim].</summary>
    public float* Output;

    /// <summary>Σ over the dropped keys of exp(estimate - <see cref="TailLogit"/>); 0 for no tail compensation.</summary>
    public float TailSum;

    /// <summary>The logit (scale included) that <see cref="TailSum"/> is relative to.</summary>
    public float TailLogit;

    /// <summary>The most that the tail can weigh against the largest logit: the number of dropped keys, since none of them is above it.</summary>
    public float TailLimit;

    /// <summary>What the dropped keys' mass is multiplied with, fp32 [dim]: the mean of the visible values. Not read when <see cref="TailSum"/> is 0.</summary>
    public float* TailValue;
}

/// <summary>The arguments of <see cref="GatherAttentionKernel.Attend"/>: one row, or two neighbouring rows that share keys.</summary>
public unsafe struct GatherArguments
{
    /// <summary>The first row.</summary>
    public GatherRow Row0;

    /// <summary>The second row; its <c>Query</c> is null when there is only one.</summary>
    public GatherRow Row1;

    /// <summary>Indices of the keys that both rows keep, ascending.</summary>
    public int* Both;

    /// <summary>Indices of the keys that only the first row keeps, ascending.</summary>
    public int* First;

    /// <summary>Indices of the keys that only the second row keeps, ascending.</summary>
    public int* Second;

    /// <summary>
    /// The lengths of the lists. Each row has at least one key. A kernel may overwrite <see cref="TopKSelect.ListSlack"/> entries behind each list.
    /// </summary>
    public SplitCounts Counts;

    /// <summary>Where the lists stand behind each block of <see cref="GatherAttentionKernel.BlockKeys"/> keys, [<see cref="Blocks"/>].</summary>
    public SplitCounts* BlockEnds;

    /// <summary>Number of blocks of keys; 0 or 1 when the lists are one block.</summary>
    public int Blocks;

    /// <summary>Keys [keys, dim] in any format.</summary>
    public KvRows Keys;

    /// <summary>Values [keys, dim] in any format.</summary>
    public KvRows Values;

    /// <summary>Channels.</summary>
    public int Dim;

    /// <summary>What q·k is multiplied with before the softmax.</summary>
    public float Scale;

    /// <summary>Scratch of at least <see cref="GatherAttention.ScratchFloats"/> elements, 64-byte aligned.</summary>
    public float* Scratch;
}

/// <summary>The kernels of <see cref="GatherAttention"/> for one instruction set.</summary>
public readonly unsafe struct GatherAttentionKernel
{
    private readonly delegate*<GatherArguments*, void> _attend;
    private readonly delegate*<GatherArguments*, int, void> _attendTile;
    private readonly delegate*<int, int, int> _blockKeys;

    internal GatherAttentionKernel(
        delegate*<GatherArguments*, void> attend,
        delegate*<GatherArguments*, int, void> attendTile = null,
        delegate*<int, int, int> blockKeys = null)
    {
        _blockKeys = blockKeys;
        _attend = attend;
        _attendTile = attendTile;
    }

    /// <summary>
    /// Keys per block that a tile goes through for all its pairs before the next block: a block's kept keys stay in the second-level cache.
    /// A multiple of 64; 0 for variants that want no blocks.
    /// </summary>
    /// <param name="dim">Channels.</param>
    /// <param name="format">What keys and values are stored as.</param>
    public int BlockKeys(int dim, KvFormat format) => _blockKeys is null ? 0 : _blockKeys(dim, format == KvFormat.F32 ? sizeof(float) : sizeof(ushort));

    /// <summary>
    /// For each row: w_i = exp(scale·q·k_i - top) over its kept keys, top the largest of these logits, T = GatherTail.Mass(row, top),
    /// output = (Σ w_i v_i + T·TailValue) / (Σ w_i + T).
    /// </summary>
    /// <param name="a">The rows, lists, keys and values.</param>
    public void Attend(GatherArguments* a) => _attend(a);

    /// <summary>
    /// <see cref="Attend"/> for a tile of neighbouring pairs that share keys and values, with the same results. Variants read the keys of all
    /// pairs before any values: what neighbours keep is much the same, so half as much has to stay in the cache.
    /// </summary>
    /// <param name="pairs">The arguments of each pair, with a scratch of its own; all of the same keys and values.</param>
    /// <param name="count">Number of pairs.</param>
    public void AttendTile(GatherArguments* pairs, int count)
    {
        if (_attendTile is not null)
        {
            _attendTile(pairs, count);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            Attend(pairs + i);
        }
    }
}

/// <summary>Exact attention of one or two query rows over the keys that they keep.</summary>
public static unsafe class GatherAttention
{
    /// <summary>All variants.</summary>
    public static KernelTable<GatherAttentionKernel> Kernels { get; } = new(
        "gather",
        new KernelVariant<GatherAttentionKernel>(InstructionSet.Scalar, GatherAttentionScalar.Kernel),
        new KernelVariant<GatherAttentionKernel>(InstructionSet.AdvSimd, GatherAttentionAdvSimd.Kernel),
        new KernelVariant<GatherAttentionKernel>(InstructionSet.Avx2, GatherAttentionAvx2.Kernel),
        new KernelVariant<GatherAttentionKernel>(InstructionSet.Avx512, GatherAttentionAvx512.Kernel));

    /// <summary>Scratch that a call needs, in floats.</summary>
    /// <param name="keys">The most keys that the two rows keep together, each counted once per row.</param>
    /// <param name="dim">Channels.</param>
    public static nint ScratchFloats(int keys, int dim) => (2 * (nint)keys) + (8 * (nint)dim) + 512;

    /// <summary>Where the lists of two masks stand behind each block of keys.</summary>
    /// <param name="mask0">The first row's kept keys, a bit per key.</param>
    /// <param name="mask1">The second row's.</param>
    /// <param name="words">Words of a mask.</param>
    /// <param name="blockWords">Words per block.</param>
    /// <param name="ends">Receives the ends of ⌈words / blockWords⌉ blocks.</param>
    public static void CountBlocks(ulong* mask0, ulong* mask1, int words, int blockWords, SplitCounts* ends)
    {
        SplitCounts sum = default;
        for (int start = 0; start < words; start += blockWords)
        {
            int count0 = 0;
            int count1 = 0;
            int both = 0;
            for (int w = start; w < Math.Min(start + blockWords, words); w++)
            {
                count0 += System.Numerics.BitOperations.PopCount(mask0[w]);
                count1 += System.Numerics.BitOperations.PopCount(mask1[w]);
                both += System.Numerics.BitOperations.PopCount(mask0[w] & mask1[w]);
            }

            sum.Both += both;
            sum.First += count0 - both;
            sum.Second += count1 - both;
            *ends++ = sum;
        }
    }

    /// <summary>Exact attention of one row over the listed keys.</summary>
    /// <param name="query">fp32 [dim].</param>
    /// <param name="keys">fp32 [keys, dim], contiguous.</param>
    /// <param name="values">fp32 [keys, dim], contiguous.</param>
    /// <param name="indices">The kept keys, at least one.</param>
    /// <param name="scale">What q·k is multiplied with.</param>
    /// <param name="output">Receives fp32 [dim].</param>
    /// <exception cref="ArgumentException">Shapes that do not fit, an empty list or an index outside the keys.</exception>
    public static void Row(
        ReadOnlySpan<float> query, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, ReadOnlySpan<int> indices, float scale, Span<float> output)
    {
        int dim = query.Length;
        ArgumentOutOfRangeException.ThrowIfZero(dim, nameof(query));
        KernelArguments.CheckLength(output.Length, dim);
        KernelArguments.CheckLength(indices.Length, 1);
        int count = Math.Min(keys.Length, values.Length) / dim;
        foreach (int index in indices)
        {
            if ((uint)index >= (uint)count)
            {
                throw new ArgumentException($"index {index} is outside the {count} keys", nameof(indices));
            }
        }

        nint scratchFloats = ScratchFloats(indices.Length, dim);
        nint scratchBytes = (scratchFloats + indices.Length + TopKSelect.ListSlack) * sizeof(float);
        void* scratch = System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)scratchBytes, 64);
        try
        {
            fixed (float* q = query, k = keys, v = values, o = output)
            {
                int* list = (int*)((float*)scratch + scratchFloats);
                indices.CopyTo(new Span<int>(list, indices.Length));
                GatherArguments arguments = new()
                {
                    Row0 = new GatherRow { Query = q, Output = o },
                    First = list,
                    Counts = new SplitCounts { First = indices.Length },
                    Keys = new KvRows(k, dim),
                    Values = new KvRows(v, dim),
                    Dim = dim,
                    Scale = scale,
                    Scratch = (float*)scratch,
                };
                Kernels.Best.Kernel.Attend(&arguments);
            }
        }
        finally
        {
            System.Runtime.InteropServices.NativeMemory.AlignedFree(scratch);
        }
    }
}
