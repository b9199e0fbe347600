using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T). Logits of the three key lists (<see cref="GatherLogitsAvx512"/>), a softmax per row, weighted values
/// (<see cref="GatherValuesAvx512"/>). Scratch: scaled queries in chunks of 16 channels, [dim/16][2 rows][16]; sums of row 0 and 1; weights of
/// row 0 and 1, each those of the shared keys followed by its own.
/// </summary>
internal static unsafe class GatherAttentionAvx512
{
    private const int MaxBlocks = 10;

    public static GatherAttentionKernel Kernel => new(&Attend);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(GatherArguments* a)
    {
        int dim = a->Dim;
        int padded = (dim + 15) & ~15;
        SplitCounts counts = a->Counts;
        bool pair = a->Row1.Query is not null;
        float* queries = a->Scratch;
        float* sums0 = queries + (2 * padded);
        float* sums1 = sums0 + padded;
        float* weights0 = sums1 + padded;
        float* weights1 = weights0 + ((counts.Both + counts.First + 31) & ~15);

        Scale(a->Row0.Query, dim, a->Scale, queries);
        if (pair)
        {
            Scale(a->Row1.Query, dim, a->Scale, queries + 16);
            Pair(a, queries, weights0, weights1);
            One(a, queries + 16, a->Second, counts.Second, weights1 + counts.Both);
        }
        else
        {
            One(a, queries, a->Both, counts.Both, weights0);
        }

        One(a, queries, a->First, counts.First, weights0 + counts.Both);

        float factor0 = Softmax(weights0, counts.Both + counts.First, &a->Row0, dim, sums0);
        if (pair)
        {
            float factor1 = Softmax(weights1, counts.Both + counts.Second, &a->Row1, dim, sums1);
            Accumulate(a, weights0, weights1, sums0, sums1);
            Finish(sums1, dim, factor1, a->Row1.Output);
        }
        else
        {
            GatherArguments own = *a;
            own.Counts.Second = 0;
            if (counts.Both != 0)
            {
                own.First = a->Both;
                own.Counts = new SplitCounts { First = counts.Both };
                Accumulate(&own, weights0, weights0, sums0, sums1);
                own.First = a->First;
                own.Counts.First = counts.First;
            }

            Accumulate(&own, weights0 + counts.Both, weights0, sums0, sums1);
        }

        Finish(sums0, dim, factor0, a->Row0.Output);
    }

    /// <summary>Chunks of 16 channels, 32 elements apart; zero behind dim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* query, int dim, float scale, float* chunks)
    {
        Vector512<float> factor = Vector512.Create(scale);
        for (int d = 0; d < dim; d += 16, chunks += 32)
        {
            Vector512<float> part = LaneMasks.First512(dim - d).AsSingle();
            (Avx512F.MaskLoad(query + d, part, Vector512<float>.Zero) * factor).Store(chunks);
        }
    }

    /// <summary>
    /// Turns n logits into weights relative to the largest and starts the sums with the tail. Returns 1 / (Σ weights + T).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* weights, int n, GatherRow* row, int dim, float* sums)
    {
        Vector512<float> lowest = Vector512.Create(float.NegativeInfinity);
        Vector512<float> rest = LaneMasks.First512(n & 15).AsSingle();
        int whole = n & ~15;
        Vector512<float> top0 = lowest;
        Vector512<float> top1 = lowest;
        int i = 0;
        for (; i + 32 <= whole; i += 32)
        {
            top0 = Avx512F.Max(top0, Vector512.Load(weights + i));
            top1 = Avx512F.Max(top1, Vector512.Load(weights + i + 16));
        }

        if (i < whole)
        {
            top0 = Avx512F.Max(top0, Vector512.Load(weights + i));
        }

        top1 = Avx512F.Max(top1, Avx512F.MaskLoad(weights + whole, rest, lowest));
        float top = HorizontalAvx512.Largest(Avx512F.Max(top0, top1));
        Vector512<float> tops = Vector512.Create(top);
        Vector512<float> sum0 = Vector512<float>.Zero;
        Vector512<float> sum1 = Vector512<float>.Zero;
        for (i = 0; i + 32 <= whole; i += 32)
        {
            Vector512<float> w0 = ExpAvx512.VectorUpTo88(Vector512.Load(weights + i) - tops);
            Vector512<float> w1 = ExpAvx512.VectorUpTo88(Vector512.Load(weights + i + 16) - tops);
            w0.Store(weights + i);
            w1.Store(weights + i + 16);
            sum0 += w0;
            sum1 += w1;
        }

        for (; i < n; i += 16)
        {
            Vector512<float> lanes = i < whole ? Vector512<float>.AllBitsSet : rest;
            Vector512<float> w = ExpAvx512.VectorUpTo88(Avx512F.MaskLoad(weights + i, lanes, lowest) - tops);
            w.Store(weights + i);
            sum0 += w;
        }

        float tail = GatherTail.Mass(row, top);
        Vector512<float> tails = Vector512.Create(tail);
        for (int d = 0; d < dim; d += 16)
        {
            Vector512<float> start = tail == 0
                ? Vector512<float>.Zero
                : tails * Avx512F.MaskLoad(row->TailValue + d, LaneMasks.First512(dim - d).AsSingle(), Vector512<float>.Zero);
            start.Store(sums + d);
        }

        return 1 / (Vector512.Sum(sum0 + sum1) + tail);
    }

    /// <summary>
    /// Whole registers of the block of channels that starts at <paramref name="d"/>, so that blocks are about equal; 0 for the rest behind the
    /// last whole register.
    /// </summary>
    private static int BlocksAt(int dim, int d)
    {
        int left = (dim - d) / 16;
        int passes = (left + MaxBlocks - 1) / MaxBlocks;
        return left == 0 ? 0 : (left + passes - 1) / passes;
    }

    private static void Pair(GatherArguments* a, float* queries, float* logits0, float* logits1)
    {
        int dim = a->Dim;
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* q = queries + (2 * d);
            float* k = a->Keys + d;
            nint stride = a->KeyStride;
            int* list = a->Both;
            int count = a->Counts.Both;
            int rest = dim % 16;
            bool add = d != 0;
            switch (blocks)
            {
                case 0: GatherLogitsAvx512.Pair<PartBlock>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 1: GatherLogitsAvx512.Pair<Blocks1>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 2: GatherLogitsAvx512.Pair<Blocks2>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 3: GatherLogitsAvx512.Pair<Blocks3>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 4: GatherLogitsAvx512.Pair<Blocks4>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 5: GatherLogitsAvx512.Pair<Blocks5>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 6: GatherLogitsAvx512.Pair<Blocks6>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 7: GatherLogitsAvx512.Pair<Blocks7>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 8: GatherLogitsAvx512.Pair<Blocks8>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                case 9: GatherLogitsAvx512.Pair<Blocks9>(q, k, stride, list, count, logits0, logits1, rest, add); break;
                default: GatherLogitsAvx512.Pair<Blocks10>(q, k, stride, list, count, logits0, logits1, rest, add); break;
            }

            d += Math.Max(blocks, 1) * 16;
        }
    }

    private static void One(GatherArguments* a, float* query, int* list, int count, float* logits)
    {
        int dim = a->Dim;
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* q = query + (2 * d);
            float* k = a->Keys + d;
            nint stride = a->KeyStride;
            int rest = dim % 16;
            bool add = d != 0;
            switch (blocks)
            {
                case 0: GatherLogitsAvx512.One<PartBlock>(q, k, stride, list, count, logits, rest, add); break;
                case 1: GatherLogitsAvx512.One<Blocks1>(q, k, stride, list, count, logits, rest, add); break;
                case 2: GatherLogitsAvx512.One<Blocks2>(q, k, stride, list, count, logits, rest, add); break;
                case 3: GatherLogitsAvx512.One<Blocks3>(q, k, stride, list, count, logits, rest, add); break;
                case 4: GatherLogitsAvx512.One<Blocks4>(q, k, stride, list, count, logits, rest, add); break;
                case 5: GatherLogitsAvx512.One<Blocks5>(q, k, stride, list, count, logits, rest, add); break;
                case 6: GatherLogitsAvx512.One<Blocks6>(q, k, stride, list, count, logits, rest, add); break;
                case 7: GatherLogitsAvx512.One<Blocks7>(q, k, stride, list, count, logits, rest, add); break;
                case 8: GatherLogitsAvx512.One<Blocks8>(q, k, stride, list, count, logits, rest, add); break;
                case 9: GatherLogitsAvx512.One<Blocks9>(q, k, stride, list, count, logits, rest, add); break;
                default: GatherLogitsAvx512.One<Blocks10>(q, k, stride, list, count, logits, rest, add); break;
            }

            d += Math.Max(blocks, 1) * 16;
        }
    }

    private static void Accumulate(GatherArguments* a, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int dim = a->Dim;
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* v = a->Values + d;
            float* s0 = sums0 + d;
            float* s1 = sums1 + d;
            int rest = dim % 16;
            switch (blocks)
            {
                case 0: GatherValuesAvx512.Accumulate<PartBlock>(a, v, weights0, weights1, s0, s1, rest); break;
                case 1: GatherValuesAvx512.Accumulate<Blocks1>(a, v, weights0, weights1, s0, s1, rest); break;
                case 2: GatherValuesAvx512.Accumulate<Blocks2>(a, v, weights0, weights1, s0, s1, rest); break;
                case 3: GatherValuesAvx512.Accumulate<Blocks3>(a, v, weights0, weights1, s0, s1, rest); break;
                case 4: GatherValuesAvx512.Accumulate<Blocks4>(a, v, weights0, weights1, s0, s1, rest); break;
                case 5: GatherValuesAvx512.Accumulate<Blocks5>(a, v, weights0, weights1, s0, s1, rest); break;
                case 6: GatherValuesAvx512.Accumulate<Blocks6>(a, v, weights0, weights1, s0, s1, rest); break;
                case 7: GatherValuesAvx512.Accumulate<Blocks7>(a, v, weights0, weights1, s0, s1, rest); break;
                case 8: GatherValuesAvx512.Accumulate<Blocks8>(a, v, weights0, weights1, s0, s1, rest); break;
                case 9: GatherValuesAvx512.Accumulate<Blocks9>(a, v, weights0, weights1, s0, s1, rest); break;
                default: GatherValuesAvx512.Accumulate<Blocks10>(a, v, weights0, weights1, s0, s1, rest); break;
            }

            d += Math.Max(blocks, 1) * 16;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(float* sums, int dim, float factor, float* output)
    {
        Vector512<float> factors = Vector512.Create(factor);
        for (int d = 0; d < dim; d += 16)
        {
            Avx512F.MaskStore(output + d, LaneMasks.First512(dim - d).AsSingle(), Vector512.Load(sums + d) * factors);
        }
    }
}
