using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T). Logits of the three key lists (<see cref="GatherLogitsAvx2"/>), a softmax per row, weighted values
/// (<see cref="GatherValuesAvx2"/>). Scratch: scaled queries in chunks of 8 channels, [dim/8][2 rows][8]; sums of row 0 and 1; weights of
/// row 0 and 1, each those of the shared keys followed by its own.
/// </summary>
internal static unsafe class GatherAttentionAvx2
{
    private const int MaxBlocks = 6;

    public static GatherAttentionKernel Kernel => new(&Attend);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(GatherArguments* a)
    {
        int dim = a->Dim;
        int padded = (dim + 7) & ~7;
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
            Scale(a->Row1.Query, dim, a->Scale, queries + 8);
            GatherLogitsAvx2.Pair(queries, a->Keys, a->KeyStride, dim, a->Both, counts.Both, weights0, weights1);
            GatherLogitsAvx2.One(queries + 8, a->Keys, a->KeyStride, dim, a->Second, counts.Second, weights1 + counts.Both);
        }
        else
        {
            GatherLogitsAvx2.One(queries, a->Keys, a->KeyStride, dim, a->Both, counts.Both, weights0);
        }

        GatherLogitsAvx2.One(queries, a->Keys, a->KeyStride, dim, a->First, counts.First, weights0 + counts.Both);

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
        Vector256<float> lowest = Vector256.Create(float.NegativeInfinity);
        int whole = n & ~7;
        Vector256<float> rest = LaneMasks.First256(n & 7).AsSingle();
        Vector256<float> tops = Avx.BlendVariable(lowest, Avx.MaskLoad(weights + whole, rest), rest);
        for (int i = 0; i < whole; i += 8)
        {
            tops = Avx.Max(tops, Vector256.Load(weights + i));
        }

        float top = HorizontalAvx2.Largest(tops);
        tops = Vector256.Create(top);
        Vector256<float> sum = Vector256<float>.Zero;
        for (int i = 0; i < whole; i += 8)
        {
            Vector256<float> w = ExpAvx2.VectorUpTo88(Vector256.Load(weights + i) - tops);
            w.Store(weights + i);
            sum += w;
        }

        if (whole != n)
        {
            Vector256<float> w = ExpAvx2.VectorUpTo88(Avx.MaskLoad(weights + whole, rest) - tops) & rest;
            w.Store(weights + whole);
            sum += w;
        }

        float tail = GatherTail.Mass(row, top);
        Vector256<float> tails = Vector256.Create(tail);
        for (int d = 0; d < dim; d += 8)
        {
            Vector256<float> start = tail == 0
                ? Vector256<float>.Zero
                : tails * Avx.MaskLoad(row->TailValue + d, LaneMasks.First256(dim - d).AsSingle());
            start.Store(sums + d);
        }

        return 1 / (Vector256.Sum(sum) + tail);
    }

    private static void Accumulate(GatherArguments* a, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int blocks = a->Dim / 8;
        int passes = (blocks + MaxBlocks - 1) / MaxBlocks;
        int block = 0;
        for (int pass = 0; pass < passes; pass++)
        {
            int count = (blocks - block + passes - pass - 1) / (passes - pass);
            float* values = a->Values + (block * 8);
            float* s0 = sums0 + (block * 8);
            float* s1 = sums1 + (block * 8);
            switch (count)
            {
                case 1: GatherValuesAvx2.Accumulate<Blocks1>(a, values, weights0, weights1, s0, s1); break;
                case 2: GatherValuesAvx2.Accumulate<Blocks2>(a, values, weights0, weights1, s0, s1); break;
                case 3: GatherValuesAvx2.Accumulate<Blocks3>(a, values, weights0, weights1, s0, s1); break;
                case 4: GatherValuesAvx2.Accumulate<Blocks4>(a, values, weights0, weights1, s0, s1); break;
                case 5: GatherValuesAvx2.Accumulate<Blocks5>(a, values, weights0, weights1, s0, s1); break;
                default: GatherValuesAvx2.Accumulate<Blocks6>(a, values, weights0, weights1, s0, s1); break;
            }

            block += count;
        }

        int done = blocks * 8;
        if (done != a->Dim)
        {
            GatherValuesAvx2.AccumulateRest(a, a->Dim - done, a->Values + done, weights0, weights1, sums0 + done, sums1 + done);
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
