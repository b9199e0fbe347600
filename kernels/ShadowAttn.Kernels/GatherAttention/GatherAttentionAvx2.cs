using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T). Logits of the three key lists (<see cref="GatherLogitsAvx2"/>) and a softmax per row; then
/// weighted values (<see cref="GatherValuesAvx2"/>). A tile of pairs that keep many keys goes through these steps together. Scratch:
/// <see cref="GatherLayout"/>.
/// </summary>
internal static unsafe class GatherAttentionAvx2
{
    private const int MaxBlocks = 6;

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
            Scale(a->Row1.Query, dim, a->Scale, layout.Queries + 8);
            GatherLogitsAvx2.Pair(
                layout.Queries, a->Keys.Floats, a->Keys.Stride, dim, layout.Both, counts.Both, layout.Weights0, layout.Weights1);
            GatherLogitsAvx2.One(layout.Queries + 8, a->Keys.Floats, a->Keys.Stride, dim, layout.Second, counts.Second, layout.Weights1 + counts.Both);
            layout.Factors[1] = Softmax(layout.Weights1, counts.Both + counts.Second, &a->Row1, dim, layout.Sums1);
        }
        else
        {
            GatherLogitsAvx2.One(layout.Queries, a->Keys.Floats, a->Keys.Stride, dim, layout.Both, counts.Both, layout.Weights0);
        }

        GatherLogitsAvx2.One(layout.Queries, a->Keys.Floats, a->Keys.Stride, dim, layout.First, counts.First, layout.Weights0 + counts.Both);
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

    /// <summary>Chunks of 8 channels, 16 elements apart; zero behind dim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* query, int dim, float scale, float* chunks)
    {
        Vector256<float> factor = Vector256.Create(scale);
        for (int d = 0; d < dim; d += 8, chunks += 16)
        {
            Vector256<float> part = LaneMasks.First256(dim - d).AsSingle();
            (Avx.MaskLoad(query + d, part) * factor).Store(chunks);
        }
    }

    /// <summary>
    /// Turns n logits into weights relative to the largest and starts the sums with the tail. Returns 1 / (Σ weights + T).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* weights, int n, GatherRow* row, int dim, float* sums)
    {
        float top = SoftmaxRowAvx2.Largest(weights, n);
        float sum = SoftmaxRowAvx2.Weigh(weights, n, top);
        float tail = GatherTail.Mass(row, top);
        Vector256<float> tails = Vector256.Create(tail);
        for (int d = 0; d < dim; d += 8)
        {
            Vector256<float> start = tail == 0
                ? Vector256<float>.Zero
                : tails * Avx.MaskLoad(row->TailValue + d, LaneMasks.First256(dim - d).AsSingle());
            start.Store(sums + d);
        }

        return 1 / (sum + tail);
    }

    private static void Accumulate(GatherArguments* a, GatherLists* lists, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int blocks = a->Dim / 8;
        int passes = (blocks + MaxBlocks - 1) / MaxBlocks;
        int block = 0;
        for (int pass = 0; pass < passes; pass++)
        {
            int count = (blocks - block + passes - pass - 1) / (passes - pass);
            float* values = a->Values.Floats + (block * 8);
            float* s0 = sums0 + (block * 8);
            float* s1 = sums1 + (block * 8);
            switch (count)
            {
                case 1: GatherValuesAvx2.Accumulate<Blocks1>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
                case 2: GatherValuesAvx2.Accumulate<Blocks2>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
                case 3: GatherValuesAvx2.Accumulate<Blocks3>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
                case 4: GatherValuesAvx2.Accumulate<Blocks4>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
                case 5: GatherValuesAvx2.Accumulate<Blocks5>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
                default: GatherValuesAvx2.Accumulate<Blocks6>(lists, values, a->Values.Stride, weights0, weights1, s0, s1); break;
            }

            block += count;
        }

        int done = blocks * 8;
        if (done != a->Dim)
        {
            GatherValuesAvx2.AccumulateRest(lists, a->Dim - done, a->Values.Floats + done, a->Values.Stride, weights0, weights1, sums0 + done, sums1 + done);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(float* sums, int dim, float factor, float* output)
    {
        Vector256<float> factors = Vector256.Create(factor);
        for (int d = 0; d < dim; d += 8)
        {
            Avx.MaskStore(output + d, LaneMasks.First256(dim - d).AsSingle(), Vector256.Load(sums + d) * factors);
        }
    }
}
