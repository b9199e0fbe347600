using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// <see cref="GatherTiles{TSteps}"/> with 512-bit registers: logits by <see cref="GatherLogitsAvx512"/>, weighted values by
/// <see cref="GatherValuesAvx512"/>, both compiled for every number of registers of channels and every format.
/// </summary>
internal readonly unsafe struct GatherAttentionAvx512 : IGatherSteps
{
    private const int MaxBlocks = 10;

    public static GatherAttentionKernel Kernel => GatherTiles<GatherAttentionAvx512>.Kernel;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* query, int dim, float factor, KvRows* keys, float* chunks)
    {
        float* scales = keys->Format == KvFormat.Q16 ? keys->Scales : null;
        Vector512<float> all = Vector512.Create(scales is null ? factor : factor * Q16LoadAvx512.Factor);
        if (keys->Format == KvFormat.F32)
        {
            for (int d = 0; d < dim; d += 16, chunks += 32)
            {
                Scaled(query, d, dim, all, null).Store(chunks);
            }

            return;
        }

        for (int d = 0; d < dim; d += 32, chunks += 64)
        {
            (Vector512<float> even, Vector512<float> odd) = KvPairs.Split(Scaled(query, d, dim, all, scales), Scaled(query, d + 16, dim, all, scales));
            even.Store(chunks);
            odd.Store(chunks + 32);
        }
    }

    /// <summary>16 channels times a factor and their scales, 0 behind dim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scaled(float* x, int d, int dim, Vector512<float> factor, float* scales)
    {
        Vector512<float> part = LaneMasks.First512(dim - d).AsSingle();
        Vector512<float> scaled = Avx512F.MaskLoad(x + d, part, Vector512<float>.Zero) * factor;
        return scales is null ? scaled : scaled * Avx512F.MaskLoad(scales + d, part, Vector512<float>.Zero);
    }

    public static float Largest(float* logits, int n) => SoftmaxRowAvx512.Largest(logits, n);

    public static float Weigh(float* logits, int n, float top) => SoftmaxRowAvx512.Weigh(logits, n, top);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* x, int n, float factor)
    {
        Vector512<float> all = Vector512.Create(factor);
        for (int i = 0; i < n; i += 16)
        {
            (Vector512.Load(x + i) * all).Store(x + i);
        }
    }

    public static void Keys<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch
    {
        switch (a->Keys.Format)
        {
            case KvFormat.F32: KeysF32(a, s, counts); break;
            case KvFormat.F16: Keys<F16LoadAvx512, TFetch>(a, s, counts); break;
            case KvFormat.BF16: Keys<BF16LoadAvx512, TFetch>(a, s, counts); break;
            default: Keys<Q16LoadAvx512, TFetch>(a, s, counts); break;
        }
    }

    public static void Values<TFetch>(GatherArguments* a, GatherState* s, SplitCounts* counts)
        where TFetch : struct, IRowFetch
    {
        switch (a->Values.Format)
        {
            case KvFormat.F32: ValuesF32(a, s, counts); break;
            case KvFormat.F16: Values<F16LoadAvx512, TFetch>(a, s, counts); break;
            case KvFormat.BF16: Values<BF16LoadAvx512, TFetch>(a, s, counts); break;
            default: Values<Q16LoadAvx512, TFetch>(a, s, counts); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(float* sums, int dim, float factor, KvRows* values, float tail, float* tailValue, float* output)
    {
        float* scales = values->Format == KvFormat.Q16 ? values->Scales : null;
        Vector512<float> all = Vector512.Create(scales is null ? factor : factor * Q16LoadAvx512.Factor);
        Vector512<float> tails = Vector512.Create(tail);
        if (values->Format == KvFormat.F32)
        {
            for (int d = 0; d < dim; d += 16)
            {
                Finish(Vector512.Load(sums + d) * all, d, dim, null, tails, tailValue, output);
            }

            return;
        }

        for (int d = 0; d < dim; d += 32)
        {
            (Vector512<float> low, Vector512<float> high) = KvPairs.Join(Vector512.Load(sums + d) * all, Vector512.Load(sums + d + 16) * all);
            Finish(low, d, dim, scales, tails, tailValue, output);
            Finish(high, d + 16, dim, scales, tails, tailValue, output);
        }
    }

    /// <summary>Stores 16 channels times their scales, plus the tail; none behind dim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector512<float> x, int d, int dim, float* scales, Vector512<float> tails, float* tailValue, float* output)
    {
        Vector512<float> part = LaneMasks.First512(dim - d).AsSingle();
        x = scales is null ? x : x * Avx512F.MaskLoad(scales + d, part, Vector512<float>.Zero);
        x = tailValue is null ? x : Avx512F.FusedMultiplyAdd(tails, Avx512F.MaskLoad(tailValue + d, part, Vector512<float>.Zero), x);
        Avx512F.MaskStore(output + d, part, x);
    }

    /// <summary>
    /// Whole registers of the block of channels that starts at <paramref name="d"/>, so that blocks are about equal; 0 for the rest behind the
    /// last whole register.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int BlocksAt(int dim, int d)
    {
        int left = (dim - d) / 16;
        if (left <= MaxBlocks)
        {
            return left;
        }

        int passes = (left + MaxBlocks - 1) / MaxBlocks;
        return (left + passes - 1) / passes;
    }

    /// <summary>Registers of 32 16-bit channels in the block that starts at <paramref name="d"/>, the last one of a row perhaps a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int RegistersAt(int dim, int d)
    {
        int left = (dim - d + 31) / 32;
        int passes = (left + (MaxBlocks / 2) - 1) / (MaxBlocks / 2);
        return left <= MaxBlocks / 2 ? left : (left + passes - 1) / passes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void KeysF32(GatherArguments* a, GatherState* s, SplitCounts* n)
    {
        int dim = a->Dim;
        int rest = dim % 16;
        nint stride = a->Keys.Stride * sizeof(float);
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* q = s->Queries + (2 * d);
            byte* k = (byte*)(a->Keys.Floats + d);
            bool add = d != 0;
            switch (blocks)
            {
                case 0: GatherLogitsAvx512.Run<PartBlock, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 1: GatherLogitsAvx512.Run<Blocks1, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 2: GatherLogitsAvx512.Run<Blocks2, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 3: GatherLogitsAvx512.Run<Blocks3, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 4: GatherLogitsAvx512.Run<Blocks4, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 5: GatherLogitsAvx512.Run<Blocks5, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 6: GatherLogitsAvx512.Run<Blocks6, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 7: GatherLogitsAvx512.Run<Blocks7, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 8: GatherLogitsAvx512.Run<Blocks8, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                case 9: GatherLogitsAvx512.Run<Blocks9, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
                default: GatherLogitsAvx512.Run<Blocks10, F32LoadAvx512, NearRows>(s, q, k, stride, n, rest, add); break;
            }

            d += Math.Max(blocks, 1) * 16;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ValuesF32(GatherArguments* a, GatherState* s, SplitCounts* n)
    {
        int dim = a->Dim;
        int rest = dim % 16;
        nint stride = a->Values.Stride * sizeof(float);
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            byte* v = (byte*)(a->Values.Floats + d);
            float* s0 = s->Sums0 + d;
            float* s1 = s->Sums1 + d;
            switch (blocks)
            {
                case 0: GatherValuesAvx512.Run<PartBlock, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 1: GatherValuesAvx512.Run<Blocks1, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 2: GatherValuesAvx512.Run<Blocks2, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 3: GatherValuesAvx512.Run<Blocks3, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 4: GatherValuesAvx512.Run<Blocks4, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 5: GatherValuesAvx512.Run<Blocks5, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 6: GatherValuesAvx512.Run<Blocks6, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 7: GatherValuesAvx512.Run<Blocks7, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 8: GatherValuesAvx512.Run<Blocks8, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                case 9: GatherValuesAvx512.Run<Blocks9, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
                default: GatherValuesAvx512.Run<Blocks10, F32LoadAvx512, NearRows>(s, v, stride, n, s0, s1, rest); break;
            }

            d += Math.Max(blocks, 1) * 16;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Keys<TLoad, TFetch>(GatherArguments* a, GatherState* s, SplitCounts* n)
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        int dim = a->Dim;
        int rest = dim % 32;
        nint stride = a->Keys.Stride * TLoad.Bytes;
        for (int d = 0; d < dim;)
        {
            int registers = RegistersAt(dim, d);
            byte* row = (byte*)(a->Keys.Shorts + d);
            float* q = s->Queries + (2 * d);
            bool part = d + (32 * registers) > dim;
            switch (registers)
            {
                case 1 when part: GatherLogitsAvx512.Run<PartBlocks2, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 1: GatherLogitsAvx512.Run<Blocks2, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 2 when part: GatherLogitsAvx512.Run<PartBlocks4, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 2: GatherLogitsAvx512.Run<Blocks4, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 3 when part: GatherLogitsAvx512.Run<PartBlocks6, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 3: GatherLogitsAvx512.Run<Blocks6, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 4 when part: GatherLogitsAvx512.Run<PartBlocks8, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 4: GatherLogitsAvx512.Run<Blocks8, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                case 5 when part: GatherLogitsAvx512.Run<PartBlocks10, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
                default: GatherLogitsAvx512.Run<Blocks10, TLoad, TFetch>(s, q, row, stride, n, rest, d != 0); break;
            }

            d += 32 * registers;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Values<TLoad, TFetch>(GatherArguments* a, GatherState* s, SplitCounts* n)
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        int dim = a->Dim;
        int rest = dim % 32;
        nint stride = a->Values.Stride * TLoad.Bytes;
        for (int d = 0; d < dim;)
        {
            int registers = RegistersAt(dim, d);
            byte* row = (byte*)(a->Values.Shorts + d);
            float* s0 = s->Sums0 + d;
            float* s1 = s->Sums1 + d;
            bool part = d + (32 * registers) > dim;
            switch (registers)
            {
                case 1 when part: GatherValuesAvx512.Run<PartBlocks2, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 1: GatherValuesAvx512.Run<Blocks2, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 2 when part: GatherValuesAvx512.Run<PartBlocks4, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 2: GatherValuesAvx512.Run<Blocks4, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 3 when part: GatherValuesAvx512.Run<PartBlocks6, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 3: GatherValuesAvx512.Run<Blocks6, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 4 when part: GatherValuesAvx512.Run<PartBlocks8, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 4: GatherValuesAvx512.Run<Blocks8, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                case 5 when part: GatherValuesAvx512.Run<PartBlocks10, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
                default: GatherValuesAvx512.Run<Blocks10, TLoad, TFetch>(s, row, stride, n, s0, s1, rest); break;
            }

            d += 32 * registers;
        }
    }
}
