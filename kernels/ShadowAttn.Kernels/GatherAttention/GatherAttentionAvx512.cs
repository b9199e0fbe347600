using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T). Logits of the three key lists (<see cref="GatherLogitsAvx512"/>) and a softmax per row; then
/// weighted values (<see cref="GatherValuesAvx512"/>). A tile of pairs that keep many keys goes through these steps together. Scratch:
/// <see cref="GatherLayout"/>.
/// </summary>
internal static unsafe class GatherAttentionAvx512
{
    private const int MaxBlocks = 10;

    public static GatherAttentionKernel Kernel => new(&Attend, &AttendTile, readsAllFormats: false);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(GatherArguments* a)
    {
        ReadKeys(a);
        ReadValues(a);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AttendTile(GatherArguments* pairs, int count)
    {
        if (!GatherLayout.KeysFirst(pairs))
        {
            for (int i = 0; i < count; i++)
            {
                Attend(pairs + i);
            }

            return;
        }

        for (int i = 0; i < count; i++)
        {
            ReadKeys(pairs + i);
        }

        for (int i = 0; i < count; i++)
        {
            ReadValues(pairs + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadKeys(GatherArguments* a)
    {
        int dim = a->Dim;
        SplitCounts counts = a->Counts;
        GatherLayout layout = new(a);
        layout.CopyLists(a);
        Scale(a->Row0.Query, dim, a->Scale, layout.Queries);
        if (a->Row1.Query is not null)
        {
            Scale(a->Row1.Query, dim, a->Scale, layout.Queries + 16);
            Pair(a, layout.Queries, layout.Both, layout.Weights0, layout.Weights1);
            One(a, layout.Queries + 16, layout.Second, counts.Second, layout.Weights1 + counts.Both);
            layout.Factors[1] = Softmax(layout.Weights1, counts.Both + counts.Second, &a->Row1, dim, layout.Sums1);
        }
        else
        {
            One(a, layout.Queries, layout.Both, counts.Both, layout.Weights0);
        }

        One(a, layout.Queries, layout.First, counts.First, layout.Weights0 + counts.Both);
        layout.Factors[0] = Softmax(layout.Weights0, counts.Both + counts.First, &a->Row0, dim, layout.Sums0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadValues(GatherArguments* a)
    {
        int dim = a->Dim;
        GatherLayout layout = new(a);
        GatherLists lists = new() { Both = layout.Both, First = layout.First, Second = layout.Second, Counts = a->Counts };
        if (a->Row1.Query is not null)
        {
            Accumulate(a, &lists, layout.Weights0, layout.Weights1, layout.Sums0, layout.Sums1);
            Finish(layout.Sums1, dim, layout.Factors[1], a->Row1.Output);
        }
        else
        {
            int both = a->Counts.Both;
            lists.Counts = new SplitCounts { First = a->Counts.First };
            Accumulate(a, &lists, layout.Weights0 + both, layout.Weights0, layout.Sums0, layout.Sums1);
            if (both != 0)
            {
                lists.First = layout.Both;
                lists.Counts.First = both;
                Accumulate(a, &lists, layout.Weights0, layout.Weights0, layout.Sums0, layout.Sums1);
            }
        }

        Finish(layout.Sums0, dim, layout.Factors[0], a->Row0.Output);
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
        float top = SoftmaxRowAvx512.Largest(weights, n);
        float sum = SoftmaxRowAvx512.Weigh(weights, n, top);
        float tail = GatherTail.Mass(row, top);
        Vector512<float> tails = Vector512.Create(tail);
        for (int d = 0; d < dim; d += 16)
        {
            Vector512<float> start = tail == 0
                ? Vector512<float>.Zero
                : tails * Avx512F.MaskLoad(row->TailValue + d, LaneMasks.First512(dim - d).AsSingle(), Vector512<float>.Zero);
            start.Store(sums + d);
        }

        return 1 / (sum + tail);
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

    private static void Pair(GatherArguments* a, float* queries, int* list, float* logits0, float* logits1)
    {
        int dim = a->Dim;
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* q = queries + (2 * d);
            float* k = a->Keys.Floats + d;
            nint stride = a->Keys.Stride;
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
            float* k = a->Keys.Floats + d;
            nint stride = a->Keys.Stride;
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

    private static void Accumulate(GatherArguments* a, GatherLists* lists, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int dim = a->Dim;
        for (int d = 0; d < dim;)
        {
            int blocks = BlocksAt(dim, d);
            float* v = a->Values.Floats + d;
            nint stride = a->Values.Stride;
            float* s0 = sums0 + d;
            float* s1 = sums1 + d;
            int rest = dim % 16;
            switch (blocks)
            {
                case 0: GatherValuesAvx512.Accumulate<PartBlock>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 1: GatherValuesAvx512.Accumulate<Blocks1>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 2: GatherValuesAvx512.Accumulate<Blocks2>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 3: GatherValuesAvx512.Accumulate<Blocks3>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 4: GatherValuesAvx512.Accumulate<Blocks4>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 5: GatherValuesAvx512.Accumulate<Blocks5>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 6: GatherValuesAvx512.Accumulate<Blocks6>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 7: GatherValuesAvx512.Accumulate<Blocks7>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 8: GatherValuesAvx512.Accumulate<Blocks8>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                case 9: GatherValuesAvx512.Accumulate<Blocks9>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
                default: GatherValuesAvx512.Accumulate<Blocks10>(lists, v, stride, weights0, weights1, s0, s1, rest); break;
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
