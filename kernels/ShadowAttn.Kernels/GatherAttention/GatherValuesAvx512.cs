using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Σ w_i v_i of the listed keys of a pair over a block of <c>TBlocks</c> x 16 channels, at most 10: two rows hold 20 accumulators in registers over
/// all three lists, a shared value row is loaded once for both. 16-bit values are widened in registers (<see cref="IKvLoad"/>). Rows are
/// fetched ahead (<see cref="IRowFetch"/>).
/// </summary>
internal static unsafe class GatherValuesAvx512
{
    /// <summary>
    /// sums0 and sums1 [TBlocks·16] += Σ weights·values over the next <paramref name="counts"/> entries: of <c>Both</c> for each row, then of
    /// <c>First</c> for row 0 and <c>Second</c> for row 1.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TBlocks, TLoad, TFetch>(
        GatherState* s, byte* values, nint stride, SplitCounts* counts, float* sums0, float* sums1, int rest)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        Vector512<int> part = TLoad.Mask(rest);
        Vector512<float> x0 = TBlocks.Count > 0 ? Vector512.Load(sums0) : default;
        Vector512<float> x1 = TBlocks.Count > 1 ? Vector512.Load(sums0 + 16) : default;
        Vector512<float> x2 = TBlocks.Count > 2 ? Vector512.Load(sums0 + 32) : default;
        Vector512<float> x3 = TBlocks.Count > 3 ? Vector512.Load(sums0 + 48) : default;
        Vector512<float> x4 = TBlocks.Count > 4 ? Vector512.Load(sums0 + 64) : default;
        Vector512<float> x5 = TBlocks.Count > 5 ? Vector512.Load(sums0 + 80) : default;
        Vector512<float> x6 = TBlocks.Count > 6 ? Vector512.Load(sums0 + 96) : default;
        Vector512<float> x7 = TBlocks.Count > 7 ? Vector512.Load(sums0 + 112) : default;
        Vector512<float> x8 = TBlocks.Count > 8 ? Vector512.Load(sums0 + 128) : default;
        Vector512<float> x9 = TBlocks.Count > 9 ? Vector512.Load(sums0 + 144) : default;
        Vector512<float> y0 = TBlocks.Count > 0 ? Vector512.Load(sums1) : default;
        Vector512<float> y1 = TBlocks.Count > 1 ? Vector512.Load(sums1 + 16) : default;
        Vector512<float> y2 = TBlocks.Count > 2 ? Vector512.Load(sums1 + 32) : default;
        Vector512<float> y3 = TBlocks.Count > 3 ? Vector512.Load(sums1 + 48) : default;
        Vector512<float> y4 = TBlocks.Count > 4 ? Vector512.Load(sums1 + 64) : default;
        Vector512<float> y5 = TBlocks.Count > 5 ? Vector512.Load(sums1 + 80) : default;
        Vector512<float> y6 = TBlocks.Count > 6 ? Vector512.Load(sums1 + 96) : default;
        Vector512<float> y7 = TBlocks.Count > 7 ? Vector512.Load(sums1 + 112) : default;
        Vector512<float> y8 = TBlocks.Count > 8 ? Vector512.Load(sums1 + 128) : default;
        Vector512<float> y9 = TBlocks.Count > 9 ? Vector512.Load(sums1 + 144) : default;

        int* list = s->Both;
        float* weights0 = s->Weights0;
        float* weights1 = s->Weights1;
        nint count = counts->Both;
        for (nint i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> w0 = Vector512.Create(weights0[i]);
            Vector512<float> w1 = Vector512.Create(weights1[i]);
            Vector512<float> v0 = TLoad.Chunk(v, 0, TBlocks.PartFrom <= 0, part);
            x0 = Avx512F.FusedMultiplyAdd(w0, v0, x0);
            y0 = Avx512F.FusedMultiplyAdd(w1, v0, y0);
            if (TBlocks.Count > 1)
            {
                Vector512<float> v1 = TLoad.Chunk(v, 1, TBlocks.PartFrom <= 1, part);
                x1 = Avx512F.FusedMultiplyAdd(w0, v1, x1);
                y1 = Avx512F.FusedMultiplyAdd(w1, v1, y1);
            }

            if (TBlocks.Count > 2)
            {
                Vector512<float> v2 = TLoad.Chunk(v, 2, TBlocks.PartFrom <= 2, part);
                x2 = Avx512F.FusedMultiplyAdd(w0, v2, x2);
                y2 = Avx512F.FusedMultiplyAdd(w1, v2, y2);
            }

            if (TBlocks.Count > 3)
            {
                Vector512<float> v3 = TLoad.Chunk(v, 3, TBlocks.PartFrom <= 3, part);
                x3 = Avx512F.FusedMultiplyAdd(w0, v3, x3);
                y3 = Avx512F.FusedMultiplyAdd(w1, v3, y3);
            }

            if (TBlocks.Count > 4)
            {
                Vector512<float> v4 = TLoad.Chunk(v, 4, TBlocks.PartFrom <= 4, part);
                x4 = Avx512F.FusedMultiplyAdd(w0, v4, x4);
                y4 = Avx512F.FusedMultiplyAdd(w1, v4, y4);
            }

            if (TBlocks.Count > 5)
            {
                Vector512<float> v5 = TLoad.Chunk(v, 5, TBlocks.PartFrom <= 5, part);
                x5 = Avx512F.FusedMultiplyAdd(w0, v5, x5);
                y5 = Avx512F.FusedMultiplyAdd(w1, v5, y5);
            }

            if (TBlocks.Count > 6)
            {
                Vector512<float> v6 = TLoad.Chunk(v, 6, TBlocks.PartFrom <= 6, part);
                x6 = Avx512F.FusedMultiplyAdd(w0, v6, x6);
                y6 = Avx512F.FusedMultiplyAdd(w1, v6, y6);
            }

            if (TBlocks.Count > 7)
            {
                Vector512<float> v7 = TLoad.Chunk(v, 7, TBlocks.PartFrom <= 7, part);
                x7 = Avx512F.FusedMultiplyAdd(w0, v7, x7);
                y7 = Avx512F.FusedMultiplyAdd(w1, v7, y7);
            }

            if (TBlocks.Count > 8)
            {
                Vector512<float> v8 = TLoad.Chunk(v, 8, TBlocks.PartFrom <= 8, part);
                x8 = Avx512F.FusedMultiplyAdd(w0, v8, x8);
                y8 = Avx512F.FusedMultiplyAdd(w1, v8, y8);
            }

            if (TBlocks.Count > 9)
            {
                Vector512<float> v9 = TLoad.Chunk(v, 9, TBlocks.PartFrom <= 9, part);
                x9 = Avx512F.FusedMultiplyAdd(w0, v9, x9);
                y9 = Avx512F.FusedMultiplyAdd(w1, v9, y9);
            }
        }

        list = s->First;
        weights0 = s->FirstWeights;
        count = counts->First;
        for (nint i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> w = Vector512.Create(weights0[i]);
            x0 = Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 0, TBlocks.PartFrom <= 0, part), x0);
            x1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 1, TBlocks.PartFrom <= 1, part), x1) : default;
            x2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 2, TBlocks.PartFrom <= 2, part), x2) : default;
            x3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 3, TBlocks.PartFrom <= 3, part), x3) : default;
            x4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 4, TBlocks.PartFrom <= 4, part), x4) : default;
            x5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 5, TBlocks.PartFrom <= 5, part), x5) : default;
            x6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 6, TBlocks.PartFrom <= 6, part), x6) : default;
            x7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 7, TBlocks.PartFrom <= 7, part), x7) : default;
            x8 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 8, TBlocks.PartFrom <= 8, part), x8) : default;
            x9 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 9, TBlocks.PartFrom <= 9, part), x9) : default;
        }

        list = s->Second;
        weights0 = s->SecondWeights;
        count = counts->Second;
        for (nint i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> w = Vector512.Create(weights0[i]);
            y0 = Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 0, TBlocks.PartFrom <= 0, part), y0);
            y1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 1, TBlocks.PartFrom <= 1, part), y1) : default;
            y2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 2, TBlocks.PartFrom <= 2, part), y2) : default;
            y3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 3, TBlocks.PartFrom <= 3, part), y3) : default;
            y4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 4, TBlocks.PartFrom <= 4, part), y4) : default;
            y5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 5, TBlocks.PartFrom <= 5, part), y5) : default;
            y6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 6, TBlocks.PartFrom <= 6, part), y6) : default;
            y7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 7, TBlocks.PartFrom <= 7, part), y7) : default;
            y8 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 8, TBlocks.PartFrom <= 8, part), y8) : default;
            y9 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(w, TLoad.Chunk(v, 9, TBlocks.PartFrom <= 9, part), y9) : default;
        }

        x0.Store(sums0);
        y0.Store(sums1);
        if (TBlocks.Count > 1)
        {
            x1.Store(sums0 + 16);
            y1.Store(sums1 + 16);
        }

        if (TBlocks.Count > 2)
        {
            x2.Store(sums0 + 32);
            y2.Store(sums1 + 32);
        }

        if (TBlocks.Count > 3)
        {
            x3.Store(sums0 + 48);
            y3.Store(sums1 + 48);
        }

        if (TBlocks.Count > 4)
        {
            x4.Store(sums0 + 64);
            y4.Store(sums1 + 64);
        }

        if (TBlocks.Count > 5)
        {
            x5.Store(sums0 + 80);
            y5.Store(sums1 + 80);
        }

        if (TBlocks.Count > 6)
        {
            x6.Store(sums0 + 96);
            y6.Store(sums1 + 96);
        }

        if (TBlocks.Count > 7)
        {
            x7.Store(sums0 + 112);
            y7.Store(sums1 + 112);
        }

        if (TBlocks.Count > 8)
        {
            x8.Store(sums0 + 128);
            y8.Store(sums1 + 128);
        }

        if (TBlocks.Count > 9)
        {
            x9.Store(sums0 + 144);
            y9.Store(sums1 + 144);
        }
    }
}
