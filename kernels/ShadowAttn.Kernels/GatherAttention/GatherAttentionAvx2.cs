using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// <see cref="GatherTiles{TSteps}"/> with 256-bit registers: logits by <see cref="GatherLogitsAvx2"/>, weighted values by
/// <see cref="GatherValuesAvx2"/>, both compiled for every format.
/// </summary>
internal readonly unsafe struct GatherAttentionAvx2 : IGatherSteps
{
    private const int MaxBlocks = 6;

    public static GatherAttentionKernel Kernel => GatherTiles<GatherAttentionAvx2>.Kernel;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* query, int dim, float factor, KvRows* keys, float* chunks)
    {
        float* factors = keys->Format == KvFormat.Q16 ? keys->Scales : null;
        Vector256<float> all = Vector256.Create(factor);
        for (int d = 0; d < ((dim + 15) & ~15); d += 8)
        {
            Vector256<float> part = LaneMasks.First256(dim - d).AsSingle();
            Vector256<float> x = Avx.MaskLoad(query + d, part) * all;
            x = factors is null ? x : x * Avx.MaskLoad(factors + d, part);
            x.Store(chunks + d + (d & ~15));
        }
    }

    public static float Largest(float* logits, int n) => SoftmaxRowAvx2.Largest(logits, n);

    public static float Weigh(float* logits, int n, float top) => SoftmaxRowAvx2.Weigh(logits, n, top);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* x, int n, float factor)
    {
        Vector256<float> all = Vector256.Create(factor);
        for (int i = 0; i < n; i += 8)
        {
            (Vector256.Load(x + i) * all).Store(x + i);
        }
    }

    public static void Keys<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch
    {
        switch (a->Keys.Format)
        {
            case KvFormat.F32: Keys<F32LoadAvx2, NearRows>(a, s, counts); break;
            case KvFormat.F16: Keys<F16LoadAvx2, TFetch>(a, s, counts); break;
            case KvFormat.BF16: Keys<BF16LoadAvx2, TFetch>(a, s, counts); break;
            default: Keys<Q16LoadAvx2, TFetch>(a, s, counts); break;
        }
    }

    public static void Values<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch
    {
        switch (a->Values.Format)
        {
            case KvFormat.F32: Values<F32LoadAvx2, NearRows>(a, s, counts); break;
            case KvFormat.F16: Values<F16LoadAvx2, TFetch>(a, s, counts); break;
            case KvFormat.BF16: Values<BF16LoadAvx2, TFetch>(a, s, counts); break;
            default: Values<Q16LoadAvx2, TFetch>(a, s, counts); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(float* sums, int dim, float factor, KvRows* values, float tail, float* tailValue, float* output)
    {
        float* factors = values->Format == KvFormat.Q16 ? values->Scales : null;
        Vector256<float> all = Vector256.Create(factor);
        Vector256<float> tails = Vector256.Create(tail);
        for (int d = 0; d < dim; d += 8)
        {
            Vector256<float> part = LaneMasks.First256(dim - d).AsSingle();
            Vector256<float> x = Vector256.Load(sums + d) * all;
            x = factors is null ? x : x * Avx.MaskLoad(factors + d, part);
            x = tailValue is null ? x : Fma.MultiplyAdd(tails, Avx.MaskLoad(tailValue + d, part), x);
            Avx.MaskStore(output + d, part, x);
        }
    }

    private static void Keys<TLoad, TFetch>(GatherArguments* a, GatherState* s, SplitCounts* n)
        where TLoad : struct, IKvLoad256
        where TFetch : struct, IRowFetch
    {
        byte* keys = (byte*)a->Keys.Data;
        nint stride = a->Keys.Stride * TLoad.Bytes;
        GatherLogitsAvx2.Pair<TLoad, TFetch>(s->Queries, keys, stride, a->Dim, s->Both, n->Both, s->Weights0, s->Weights1);
        GatherLogitsAvx2.One<TLoad, TFetch>(s->Queries, keys, stride, a->Dim, s->First, n->First, s->FirstWeights);
        GatherLogitsAvx2.One<TLoad, TFetch>(s->Queries + 16, keys, stride, a->Dim, s->Second, n->Second, s->SecondWeights);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Values<TLoad, TFetch>(GatherArguments* a, GatherState* s, SplitCounts* n)
        where TLoad : struct, IKvLoad256
        where TFetch : struct, IRowFetch
    {
        int blocks = a->Dim / 8;
        int passes = (blocks + MaxBlocks - 1) / MaxBlocks;
        int block = 0;
        nint stride = a->Values.Stride * TLoad.Bytes;
        byte* values = (byte*)a->Values.Data;
        for (int pass = 0; pass < passes; pass++)
        {
            int count = (blocks - block + passes - pass - 1) / (passes - pass);
            byte* v = values + (block * 8 * TLoad.Bytes);
            float* s0 = s->Sums0 + (block * 8);
            float* s1 = s->Sums1 + (block * 8);
            switch (count)
            {
                case 1: GatherValuesAvx2.Accumulate<Blocks1, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
                case 2: GatherValuesAvx2.Accumulate<Blocks2, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
                case 3: GatherValuesAvx2.Accumulate<Blocks3, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
                case 4: GatherValuesAvx2.Accumulate<Blocks4, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
                case 5: GatherValuesAvx2.Accumulate<Blocks5, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
                default: GatherValuesAvx2.Accumulate<Blocks6, TLoad, TFetch>(s, n, v, stride, s0, s1); break;
            }

            block += count;
        }

        int done = blocks * 8;
        if (done != a->Dim)
        {
            GatherValuesAvx2.AccumulateRest<TLoad>(s, n, a->Dim - done, values + (done * TLoad.Bytes), stride, s->Sums0 + done, s->Sums1 + done);
        }
    }
}
