using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Σ w_i v_i of listed keys for a block of <c>TBlocks</c> x 8 channels, at most 6: two rows hold 12 accumulators in registers over all three lists, a
/// shared value row is loaded once for both. Rows are fetched ahead (<see cref="IRowFetch"/>).
/// </summary>
internal static unsafe class GatherValuesAvx2
{
    /// <summary>
    /// sums0 and sums1 [TBlocks·8] += Σ weights·values over the next <paramref name="counts"/> entries: of <c>Both</c> for each row, then of
    /// <c>First</c> for row 0 and <c>Second</c> for row 1.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<TBlocks, TLoad, TFetch>(
        GatherState* lists, SplitCounts* counts, byte* values, nint stride, float* sums0, float* sums1)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad256
        where TFetch : struct, IRowFetch
    {
        Vector256<float> x0 = TBlocks.Count > 0 ? Vector256.Load(sums0 + 0) : default;
        Vector256<float> x1 = TBlocks.Count > 1 ? Vector256.Load(sums0 + 8) : default;
        Vector256<float> x2 = TBlocks.Count > 2 ? Vector256.Load(sums0 + 16) : default;
        Vector256<float> x3 = TBlocks.Count > 3 ? Vector256.Load(sums0 + 24) : default;
        Vector256<float> x4 = TBlocks.Count > 4 ? Vector256.Load(sums0 + 32) : default;
        Vector256<float> x5 = TBlocks.Count > 5 ? Vector256.Load(sums0 + 40) : default;
        Vector256<float> y0 = TBlocks.Count > 0 ? Vector256.Load(sums1 + 0) : default;
        Vector256<float> y1 = TBlocks.Count > 1 ? Vector256.Load(sums1 + 8) : default;
        Vector256<float> y2 = TBlocks.Count > 2 ? Vector256.Load(sums1 + 16) : default;
        Vector256<float> y3 = TBlocks.Count > 3 ? Vector256.Load(sums1 + 24) : default;
        Vector256<float> y4 = TBlocks.Count > 4 ? Vector256.Load(sums1 + 32) : default;
        Vector256<float> y5 = TBlocks.Count > 5 ? Vector256.Load(sums1 + 40) : default;
        int* list = lists->Both;
        float* weights0 = lists->Weights0;
        float* weights1 = lists->Weights1;
        int count = counts->Both;
        for (int i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 8 * TLoad.Bytes);
            Vector256<float> w0 = Vector256.Create(weights0[i]);
            Vector256<float> w1 = Vector256.Create(weights1[i]);
            if (TBlocks.Count > 0)
            {
                Vector256<float> v0 = TLoad.Load(v + (0 * TLoad.Bytes));
                x0 = Fma.MultiplyAdd(w0, v0, x0);
                y0 = Fma.MultiplyAdd(w1, v0, y0);
            }

            if (TBlocks.Count > 1)
            {
                Vector256<float> v1 = TLoad.Load(v + (8 * TLoad.Bytes));
                x1 = Fma.MultiplyAdd(w0, v1, x1);
                y1 = Fma.MultiplyAdd(w1, v1, y1);
            }

            if (TBlocks.Count > 2)
            {
                Vector256<float> v2 = TLoad.Load(v + (16 * TLoad.Bytes));
                x2 = Fma.MultiplyAdd(w0, v2, x2);
                y2 = Fma.MultiplyAdd(w1, v2, y2);
            }

            if (TBlocks.Count > 3)
            {
                Vector256<float> v3 = TLoad.Load(v + (24 * TLoad.Bytes));
                x3 = Fma.MultiplyAdd(w0, v3, x3);
                y3 = Fma.MultiplyAdd(w1, v3, y3);
            }

            if (TBlocks.Count > 4)
            {
                Vector256<float> v4 = TLoad.Load(v + (32 * TLoad.Bytes));
                x4 = Fma.MultiplyAdd(w0, v4, x4);
                y4 = Fma.MultiplyAdd(w1, v4, y4);
            }

            if (TBlocks.Count > 5)
            {
                Vector256<float> v5 = TLoad.Load(v + (40 * TLoad.Bytes));
                x5 = Fma.MultiplyAdd(w0, v5, x5);
                y5 = Fma.MultiplyAdd(w1, v5, y5);
            }
        }

        weights0 = lists->FirstWeights;
        list = lists->First;
        count = counts->First;
        for (int i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 8 * TLoad.Bytes);
            Vector256<float> w = Vector256.Create(weights0[i]);
            x0 = TBlocks.Count > 0 ? Fma.MultiplyAdd(w, TLoad.Load(v + (0 * TLoad.Bytes)), x0) : default;
            x1 = TBlocks.Count > 1 ? Fma.MultiplyAdd(w, TLoad.Load(v + (8 * TLoad.Bytes)), x1) : default;
            x2 = TBlocks.Count > 2 ? Fma.MultiplyAdd(w, TLoad.Load(v + (16 * TLoad.Bytes)), x2) : default;
            x3 = TBlocks.Count > 3 ? Fma.MultiplyAdd(w, TLoad.Load(v + (24 * TLoad.Bytes)), x3) : default;
            x4 = TBlocks.Count > 4 ? Fma.MultiplyAdd(w, TLoad.Load(v + (32 * TLoad.Bytes)), x4) : default;
            x5 = TBlocks.Count > 5 ? Fma.MultiplyAdd(w, TLoad.Load(v + (40 * TLoad.Bytes)), x5) : default;
        }

        weights1 = lists->SecondWeights;
        list = lists->Second;
        count = counts->Second;
        for (int i = 0; i < count; i++)
        {
            byte* v = values + (list[i] * stride);
            TFetch.Fetch(values + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 8 * TLoad.Bytes);
            Vector256<float> w = Vector256.Create(weights1[i]);
            y0 = TBlocks.Count > 0 ? Fma.MultiplyAdd(w, TLoad.Load(v + (0 * TLoad.Bytes)), y0) : default;
            y1 = TBlocks.Count > 1 ? Fma.MultiplyAdd(w, TLoad.Load(v + (8 * TLoad.Bytes)), y1) : default;
            y2 = TBlocks.Count > 2 ? Fma.MultiplyAdd(w, TLoad.Load(v + (16 * TLoad.Bytes)), y2) : default;
            y3 = TBlocks.Count > 3 ? Fma.MultiplyAdd(w, TLoad.Load(v + (24 * TLoad.Bytes)), y3) : default;
            y4 = TBlocks.Count > 4 ? Fma.MultiplyAdd(w, TLoad.Load(v + (32 * TLoad.Bytes)), y4) : default;
            y5 = TBlocks.Count > 5 ? Fma.MultiplyAdd(w, TLoad.Load(v + (40 * TLoad.Bytes)), y5) : default;
        }

        if (TBlocks.Count > 0)
        {
            x0.Store(sums0 + 0);
            y0.Store(sums1 + 0);
        }

        if (TBlocks.Count > 1)
        {
            x1.Store(sums0 + 8);
            y1.Store(sums1 + 8);
        }

        if (TBlocks.Count > 2)
        {
            x2.Store(sums0 + 16);
            y2.Store(sums1 + 16);
        }

        if (TBlocks.Count > 3)
        {
            x3.Store(sums0 + 24);
            y3.Store(sums1 + 24);
        }

        if (TBlocks.Count > 4)
        {
            x4.Store(sums0 + 32);
            y4.Store(sums1 + 32);
        }

        if (TBlocks.Count > 5)
        {
            x5.Store(sums0 + 40);
            y5.Store(sums1 + 40);
        }
    }

    /// <summary>The same for the last <paramref name="channels"/> channels, fewer than 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AccumulateRest<TLoad>(
        GatherState* lists, SplitCounts* counts, int channels, byte* values, nint stride, float* sums0, float* sums1)
        where TLoad : struct, IKvLoad256
    {
        Vector256<int> part = LaneMasks.First256(channels);
        Vector256<float> x = Vector256.Load(sums0);
        Vector256<float> y = Vector256.Load(sums1);
        int both = counts->Both;
        for (int i = 0; i < both; i++)
        {
            Vector256<float> v = TLoad.LoadPart(values + (lists->Both[i] * stride), part);
            x = Fma.MultiplyAdd(Vector256.Create(lists->Weights0[i]), v, x);
            y = Fma.MultiplyAdd(Vector256.Create(lists->Weights1[i]), v, y);
        }

        for (int i = 0; i < counts->First; i++)
        {
            Vector256<float> v = TLoad.LoadPart(values + (lists->First[i] * stride), part);
            x = Fma.MultiplyAdd(Vector256.Create(lists->FirstWeights[i]), v, x);
        }

        for (int i = 0; i < counts->Second; i++)
        {
            Vector256<float> v = TLoad.LoadPart(values + (lists->Second[i] * stride), part);
            y = Fma.MultiplyAdd(Vector256.Create(lists->SecondWeights[i]), v, y);
        }

        x.Store(sums0);
        y.Store(sums1);
    }
}
