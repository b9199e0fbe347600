using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>The instruction set's part of <see cref="GatherTiles{TSteps}"/>.</summary>
internal unsafe interface IGatherSteps
{
    /// <summary>chunks = query·factor·q16's scales, 32 elements apart, in the order in which a load gives the channels of <paramref name="keys"/>, 0 behind dim.</summary>
    static abstract void Scale(float* query, int dim, float factor, KvRows* keys, float* chunks);

    /// <summary>The logits of the next <paramref name="counts"/> keys of each list, without the format's factor; <typeparamref name="TFetch"/> is for 16-bit rows.</summary>
    static abstract void Keys<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch;

    /// <summary>The largest of n ≥ 1.</summary>
    static abstract float Largest(float* logits, int n);

    /// <summary>Turns logits into weights exp(logit - top) and returns their sum; may write to the end of the last register of 16.</summary>
    static abstract float Weigh(float* logits, int n, float top);

    /// <summary>x = x·factor; may write to the end of the last register of 16.</summary>
    static abstract void Multiply(float* x, int n, float factor);

    /// <summary>Adds the next <paramref name="counts"/> weighted values of each list to the sums; <typeparamref name="TFetch"/> is for 16-bit rows.</summary>
    static abstract void Values<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch;

    /// <summary>output = sums·factor·q16's scales + tail·tailValue, in the natural order; <paramref name="tailValue"/> null for none.</summary>
    static abstract void Finish(float* sums, int dim, float factor, KvRows* values, float tail, float* tailValue, float* output);
}

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T) for a tile of pairs of rows: logits block by block of keys, each block for all pairs; a softmax per row;
/// weighted values in the same order. What neighbouring pairs keep is much the same, so a block's rows come from the second-level cache once.
/// What a 16-bit format needs per channel or as a whole is folded into queries, weights and results. Scratch: <see cref="GatherState"/>.
/// </summary>
internal static unsafe class GatherTiles<TSteps>
    where TSteps : struct, IGatherSteps
{
    /// <summary>
    /// Rows of a block of keys, in bytes: a tile keeps about half of them, which is half of a second-level cache of 1 MB. Half as many take 2 to 4 % more
    /// time, twice as many the same. Blocks that fit the first level save no time: what a pair keeps of so few keys is too little for the cost of a step.
    /// </summary>
    private const int BlockBytes = 1 << 20;

    /// <summary>
    /// So many pairs of a tile bring rows into the second-level cache, the others find them there: all of a step of decode, where the heads of a group
    /// keep different keys, the first few of a prompt's tile.
    /// </summary>
    private const int FarPairs = 4;

    /// <summary>fp16 comes out of a load as 2^-112 times its value; the queries and weights get half of what makes up for it, so that neither overflows.</summary>
    private const float HalfFactor = 1UL << 56;

    public static GatherAttentionKernel Kernel => new(&Attend, &AttendTile, &BlockKeys);

    public static void Attend(GatherArguments* a) => AttendTile(a, 1);

    public static int BlockKeys(int dim, int elementBytes) => Math.Max(64, BlockBytes / (dim * elementBytes) / 64 * 64);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AttendTile(GatherArguments* pairs, int count)
    {
        int blocks = 1;
        for (int p = 0; p < count; p++)
        {
            blocks = Math.Max(blocks, Begin(pairs + p));
        }

        for (int block = 0; block < blocks; block++)
        {
            for (int p = 0; p < count; p++)
            {
                Keys(pairs + p, block, far: p < FarPairs);
            }
        }

        for (int p = 0; p < count; p++)
        {
            Softmax(pairs + p);
        }

        for (int block = 0; block < blocks; block++)
        {
            for (int p = 0; p < count; p++)
            {
                Values(pairs + p, block, far: p < FarPairs);
            }
        }

        for (int p = 0; p < count; p++)
        {
            Finish(pairs + p);
        }
    }

    private static int Begin(GatherArguments* a)
    {
        GatherState* s = GatherState.Begin(a);
        float factor = a->Keys.Format == KvFormat.F16 ? a->Scale * HalfFactor : a->Scale;
        TSteps.Scale(a->Row0.Query, a->Dim, factor, &a->Keys, s->Queries);
        TSteps.Scale(a->Row1.Query is null ? a->Row0.Query : a->Row1.Query, a->Dim, factor, &a->Keys, s->Queries + 16);
        return s->Blocks;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Keys(GatherArguments* a, int block, bool far)
    {
        GatherState* s = GatherState.Of(a);
        SplitCounts end = End(a, s, block);
        SplitCounts counts = new()
        {
            Both = Whole(end.Both, s->Counts.Both, 4) - s->Done.Both,
            First = Whole(end.First, s->Counts.First, 8) - s->Done.First,
            Second = Whole(end.Second, s->Counts.Second, 8) - s->Done.Second,
        };
        if (far)
        {
            TSteps.Keys<FarRows>(a, s, &counts);
        }
        else
        {
            TSteps.Keys<NearRows>(a, s, &counts);
        }

        s->Advance(counts);
    }

    private static void Softmax(GatherArguments* a)
    {
        GatherState* s = GatherState.Of(a);
        s->Rewind();
        Softmax(a, s->Weights0, s->Counts.Both, s->FirstWeights, s->Counts.First, &a->Row0, &s->Factor0, &s->Tail0);
        if (a->Row1.Query is not null)
        {
            Softmax(a, s->Weights1, s->Counts.Both, s->SecondWeights, s->Counts.Second, &a->Row1, &s->Factor1, &s->Tail1);
        }
    }

    /// <summary>Turns the logits of a row into weights relative to the largest; sets what the sums and the tail's value are multiplied with.</summary>
    private static void Softmax(
        GatherArguments* a, float* both, int bothCount, float* own, int ownCount, GatherRow* row, float* factor, float* tail)
    {
        if (a->Keys.Format == KvFormat.F16)
        {
            TSteps.Multiply(both, bothCount, HalfFactor);
            TSteps.Multiply(own, ownCount, HalfFactor);
        }

        float top = bothCount == 0 ? float.NegativeInfinity : TSteps.Largest(both, bothCount);
        top = ownCount == 0 ? top : MathF.Max(top, TSteps.Largest(own, ownCount));
        float sum = TSteps.Weigh(both, bothCount, top) + TSteps.Weigh(own, ownCount, top);
        float mass = GatherTail.Mass(row, top);
        *factor = 1 / (sum + mass);
        *tail = mass * *factor;
        if (a->Values.Format == KvFormat.F16)
        {
            TSteps.Multiply(both, bothCount, HalfFactor);
            TSteps.Multiply(own, ownCount, HalfFactor);
            *factor *= HalfFactor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Values(GatherArguments* a, int block, bool far)
    {
        GatherState* s = GatherState.Of(a);
        SplitCounts end = End(a, s, block);
        SplitCounts counts = new()
        {
            Both = end.Both - s->Done.Both,
            First = end.First - s->Done.First,
            Second = end.Second - s->Done.Second,
        };
        if (far)
        {
            TSteps.Values<FarRows>(a, s, &counts);
        }
        else
        {
            TSteps.Values<NearRows>(a, s, &counts);
        }

        s->Advance(counts);
    }

    private static void Finish(GatherArguments* a)
    {
        GatherState* s = GatherState.Of(a);
        Finish(a, s->Sums0, s->Factor0, s->Tail0, &a->Row0);
        if (a->Row1.Query is not null)
        {
            Finish(a, s->Sums1, s->Factor1, s->Tail1, &a->Row1);
        }
    }

    private static void Finish(GatherArguments* a, float* sums, float factor, float tail, GatherRow* row) => TSteps.Finish(
        sums, a->Dim, factor, &a->Values, tail, tail == 0 ? null : row->TailValue, row->Output);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static SplitCounts End(GatherArguments* a, GatherState* s, int block) =>
        block < s->Blocks - 1 ? a->BlockEnds[block] : s->Counts;

    /// <summary>The end of a list, or a multiple of the kernel's step before it: the rest goes with the next block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Whole(int end, int count, int step) => end == count ? end : end & -step;
}
