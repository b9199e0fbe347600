using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of the listed keys of a pair over a block of <c>TBlocks</c> x 16 channels, at most 10. Queries lie as chunks of 16 channels,
/// [dim/16][2 rows][16], and stay in registers, 20 of them. Shared keys go 4 at a time, one after the other (whole rows in order use the caches better
/// than columns of several rows), 8 sums; the others 8 at a time; a tree of shuffles and additions leaves the 8 sums in order. 16-bit keys are widened in
/// registers (<see cref="IKvLoad"/>). The first line of the key <see cref="Ahead"/> places later is fetched; its other lines follow by the
/// hardware's prefetchers. Lists are padded as <see cref="GatherState"/> says, at least Ahead + 7 entries.
/// </summary>
internal static unsafe class GatherLogitsAvx512
{
    private const int Ahead = 8;

    /// <summary>
    /// The logits of the next <paramref name="counts"/> entries of each list, added to what is there when <paramref name="add"/>; writes up to 3 (shared)
    /// or 7 entries behind each result.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TBlocks, TLoad>(GatherState* s, float* queries, byte* keys, nint stride, SplitCounts* counts, int rest, bool add)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad
    {
        Vector512<int> part = LaneMasks.First512(rest);
        Vector512<float> q0 = TBlocks.Count > 0 ? Vector512.Load(queries + 0) : default;
        Vector512<float> r0 = TBlocks.Count > 0 ? Vector512.Load(queries + 16) : default;
        Vector512<float> q1 = TBlocks.Count > 1 ? Vector512.Load(queries + 32) : default;
        Vector512<float> r1 = TBlocks.Count > 1 ? Vector512.Load(queries + 48) : default;
        Vector512<float> q2 = TBlocks.Count > 2 ? Vector512.Load(queries + 64) : default;
        Vector512<float> r2 = TBlocks.Count > 2 ? Vector512.Load(queries + 80) : default;
        Vector512<float> q3 = TBlocks.Count > 3 ? Vector512.Load(queries + 96) : default;
        Vector512<float> r3 = TBlocks.Count > 3 ? Vector512.Load(queries + 112) : default;
        Vector512<float> q4 = TBlocks.Count > 4 ? Vector512.Load(queries + 128) : default;
        Vector512<float> r4 = TBlocks.Count > 4 ? Vector512.Load(queries + 144) : default;
        Vector512<float> q5 = TBlocks.Count > 5 ? Vector512.Load(queries + 160) : default;
        Vector512<float> r5 = TBlocks.Count > 5 ? Vector512.Load(queries + 176) : default;
        Vector512<float> q6 = TBlocks.Count > 6 ? Vector512.Load(queries + 192) : default;
        Vector512<float> r6 = TBlocks.Count > 6 ? Vector512.Load(queries + 208) : default;
        Vector512<float> q7 = TBlocks.Count > 7 ? Vector512.Load(queries + 224) : default;
        Vector512<float> r7 = TBlocks.Count > 7 ? Vector512.Load(queries + 240) : default;
        Vector512<float> q8 = TBlocks.Count > 8 ? Vector512.Load(queries + 256) : default;
        Vector512<float> r8 = TBlocks.Count > 8 ? Vector512.Load(queries + 272) : default;
        Vector512<float> q9 = TBlocks.Count > 9 ? Vector512.Load(queries + 288) : default;
        Vector512<float> r9 = TBlocks.Count > 9 ? Vector512.Load(queries + 304) : default;

        int* list = s->Both;
        float* logits0 = s->Weights0;
        float* logits1 = s->Weights1;
        for (nint i = 0; i < counts->Both; i += 4)
        {
            byte* k0 = keys + (list[i + 0] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 0] * stride));
            Vector512<float> x0 = Load<TBlocks, TLoad>(k0, part);
            Vector512<float> a0 = q0 * x0;
            Vector512<float> b0 = r0 * x0;
            if (TBlocks.Count > 1)
            {
                x0 = TLoad.Load(k0 + (16 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q1, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r1, x0, b0);
            }

            if (TBlocks.Count > 2)
            {
                x0 = TLoad.Load(k0 + (32 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q2, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r2, x0, b0);
            }

            if (TBlocks.Count > 3)
            {
                x0 = TLoad.Load(k0 + (48 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q3, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r3, x0, b0);
            }

            if (TBlocks.Count > 4)
            {
                x0 = TLoad.Load(k0 + (64 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q4, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r4, x0, b0);
            }

            if (TBlocks.Count > 5)
            {
                x0 = TLoad.Load(k0 + (80 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q5, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r5, x0, b0);
            }

            if (TBlocks.Count > 6)
            {
                x0 = TLoad.Load(k0 + (96 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q6, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r6, x0, b0);
            }

            if (TBlocks.Count > 7)
            {
                x0 = TLoad.Load(k0 + (112 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q7, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r7, x0, b0);
            }

            if (TBlocks.Count > 8)
            {
                x0 = TLoad.Load(k0 + (128 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q8, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r8, x0, b0);
            }

            if (TBlocks.Count > 9)
            {
                x0 = TLoad.Load(k0 + (144 * TLoad.Bytes));
                a0 = Avx512F.FusedMultiplyAdd(q9, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r9, x0, b0);
            }

            byte* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            Vector512<float> x1 = Load<TBlocks, TLoad>(k1, part);
            Vector512<float> a1 = q0 * x1;
            Vector512<float> b1 = r0 * x1;
            if (TBlocks.Count > 1)
            {
                x1 = TLoad.Load(k1 + (16 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q1, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r1, x1, b1);
            }

            if (TBlocks.Count > 2)
            {
                x1 = TLoad.Load(k1 + (32 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q2, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r2, x1, b1);
            }

            if (TBlocks.Count > 3)
            {
                x1 = TLoad.Load(k1 + (48 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q3, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r3, x1, b1);
            }

            if (TBlocks.Count > 4)
            {
                x1 = TLoad.Load(k1 + (64 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q4, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r4, x1, b1);
            }

            if (TBlocks.Count > 5)
            {
                x1 = TLoad.Load(k1 + (80 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q5, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r5, x1, b1);
            }

            if (TBlocks.Count > 6)
            {
                x1 = TLoad.Load(k1 + (96 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q6, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r6, x1, b1);
            }

            if (TBlocks.Count > 7)
            {
                x1 = TLoad.Load(k1 + (112 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q7, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r7, x1, b1);
            }

            if (TBlocks.Count > 8)
            {
                x1 = TLoad.Load(k1 + (128 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q8, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r8, x1, b1);
            }

            if (TBlocks.Count > 9)
            {
                x1 = TLoad.Load(k1 + (144 * TLoad.Bytes));
                a1 = Avx512F.FusedMultiplyAdd(q9, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r9, x1, b1);
            }

            byte* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            Vector512<float> x2 = Load<TBlocks, TLoad>(k2, part);
            Vector512<float> a2 = q0 * x2;
            Vector512<float> b2 = r0 * x2;
            if (TBlocks.Count > 1)
            {
                x2 = TLoad.Load(k2 + (16 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q1, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r1, x2, b2);
            }

            if (TBlocks.Count > 2)
            {
                x2 = TLoad.Load(k2 + (32 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q2, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r2, x2, b2);
            }

            if (TBlocks.Count > 3)
            {
                x2 = TLoad.Load(k2 + (48 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q3, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r3, x2, b2);
            }

            if (TBlocks.Count > 4)
            {
                x2 = TLoad.Load(k2 + (64 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q4, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r4, x2, b2);
            }

            if (TBlocks.Count > 5)
            {
                x2 = TLoad.Load(k2 + (80 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q5, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r5, x2, b2);
            }

            if (TBlocks.Count > 6)
            {
                x2 = TLoad.Load(k2 + (96 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q6, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r6, x2, b2);
            }

            if (TBlocks.Count > 7)
            {
                x2 = TLoad.Load(k2 + (112 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q7, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r7, x2, b2);
            }

            if (TBlocks.Count > 8)
            {
                x2 = TLoad.Load(k2 + (128 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q8, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r8, x2, b2);
            }

            if (TBlocks.Count > 9)
            {
                x2 = TLoad.Load(k2 + (144 * TLoad.Bytes));
                a2 = Avx512F.FusedMultiplyAdd(q9, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r9, x2, b2);
            }

            byte* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector512<float> x3 = Load<TBlocks, TLoad>(k3, part);
            Vector512<float> a3 = q0 * x3;
            Vector512<float> b3 = r0 * x3;
            if (TBlocks.Count > 1)
            {
                x3 = TLoad.Load(k3 + (16 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q1, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r1, x3, b3);
            }

            if (TBlocks.Count > 2)
            {
                x3 = TLoad.Load(k3 + (32 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q2, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r2, x3, b3);
            }

            if (TBlocks.Count > 3)
            {
                x3 = TLoad.Load(k3 + (48 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q3, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r3, x3, b3);
            }

            if (TBlocks.Count > 4)
            {
                x3 = TLoad.Load(k3 + (64 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q4, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r4, x3, b3);
            }

            if (TBlocks.Count > 5)
            {
                x3 = TLoad.Load(k3 + (80 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q5, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r5, x3, b3);
            }

            if (TBlocks.Count > 6)
            {
                x3 = TLoad.Load(k3 + (96 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q6, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r6, x3, b3);
            }

            if (TBlocks.Count > 7)
            {
                x3 = TLoad.Load(k3 + (112 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q7, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r7, x3, b3);
            }

            if (TBlocks.Count > 8)
            {
                x3 = TLoad.Load(k3 + (128 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q8, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r8, x3, b3);
            }

            if (TBlocks.Count > 9)
            {
                x3 = TLoad.Load(k3 + (144 * TLoad.Bytes));
                a3 = Avx512F.FusedMultiplyAdd(q9, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r9, x3, b3);
            }

            Vector256<float> sums = Sum8(a0, a1, a2, a3, b0, b1, b2, b3);
            Vector128<float> sums0 = sums.GetLower();
            Vector128<float> sums1 = sums.GetUpper();
            if (add)
            {
                sums0 += Vector128.Load(logits0 + i);
                sums1 += Vector128.Load(logits1 + i);
            }

            sums0.Store(logits0 + i);
            sums1.Store(logits1 + i);
        }

        list = s->First;
        logits0 = s->FirstWeights;
        for (nint i = 0; i < counts->First; i += 8)
        {
            byte* k0 = keys + (list[i + 0] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 0] * stride));
            Vector512<float> a0 = q0 * Load<TBlocks, TLoad>(k0, part);
            a0 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k0 + (16 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k0 + (32 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k0 + (48 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k0 + (64 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k0 + (80 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k0 + (96 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k0 + (112 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k0 + (128 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k0 + (144 * TLoad.Bytes)), a0) : a0;

            byte* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            Vector512<float> a1 = q0 * Load<TBlocks, TLoad>(k1, part);
            a1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k1 + (16 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k1 + (32 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k1 + (48 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k1 + (64 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k1 + (80 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k1 + (96 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k1 + (112 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k1 + (128 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k1 + (144 * TLoad.Bytes)), a1) : a1;

            byte* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            Vector512<float> a2 = q0 * Load<TBlocks, TLoad>(k2, part);
            a2 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k2 + (16 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k2 + (32 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k2 + (48 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k2 + (64 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k2 + (80 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k2 + (96 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k2 + (112 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k2 + (128 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k2 + (144 * TLoad.Bytes)), a2) : a2;

            byte* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector512<float> a3 = q0 * Load<TBlocks, TLoad>(k3, part);
            a3 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k3 + (16 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k3 + (32 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k3 + (48 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k3 + (64 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k3 + (80 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k3 + (96 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k3 + (112 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k3 + (128 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k3 + (144 * TLoad.Bytes)), a3) : a3;

            byte* k4 = keys + (list[i + 4] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 4] * stride));
            Vector512<float> a4 = q0 * Load<TBlocks, TLoad>(k4, part);
            a4 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k4 + (16 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k4 + (32 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k4 + (48 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k4 + (64 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k4 + (80 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k4 + (96 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k4 + (112 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k4 + (128 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k4 + (144 * TLoad.Bytes)), a4) : a4;

            byte* k5 = keys + (list[i + 5] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 5] * stride));
            Vector512<float> a5 = q0 * Load<TBlocks, TLoad>(k5, part);
            a5 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k5 + (16 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k5 + (32 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k5 + (48 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k5 + (64 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k5 + (80 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k5 + (96 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k5 + (112 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k5 + (128 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k5 + (144 * TLoad.Bytes)), a5) : a5;

            byte* k6 = keys + (list[i + 6] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 6] * stride));
            Vector512<float> a6 = q0 * Load<TBlocks, TLoad>(k6, part);
            a6 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k6 + (16 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k6 + (32 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k6 + (48 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k6 + (64 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k6 + (80 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k6 + (96 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k6 + (112 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k6 + (128 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k6 + (144 * TLoad.Bytes)), a6) : a6;

            byte* k7 = keys + (list[i + 7] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 7] * stride));
            Vector512<float> a7 = q0 * Load<TBlocks, TLoad>(k7, part);
            a7 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Load(k7 + (16 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Load(k7 + (32 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Load(k7 + (48 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Load(k7 + (64 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Load(k7 + (80 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Load(k7 + (96 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Load(k7 + (112 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Load(k7 + (128 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Load(k7 + (144 * TLoad.Bytes)), a7) : a7;

            Vector256<float> sums = Sum8(a0, a1, a2, a3, a4, a5, a6, a7);
            if (add)
            {
                sums += Vector256.Load(logits0 + i);
            }

            sums.Store(logits0 + i);
        }

        list = s->Second;
        logits0 = s->SecondWeights;
        for (nint i = 0; i < counts->Second; i += 8)
        {
            byte* k0 = keys + (list[i + 0] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 0] * stride));
            Vector512<float> a0 = r0 * Load<TBlocks, TLoad>(k0, part);
            a0 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k0 + (16 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k0 + (32 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k0 + (48 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k0 + (64 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k0 + (80 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k0 + (96 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k0 + (112 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k0 + (128 * TLoad.Bytes)), a0) : a0;
            a0 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k0 + (144 * TLoad.Bytes)), a0) : a0;

            byte* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            Vector512<float> a1 = r0 * Load<TBlocks, TLoad>(k1, part);
            a1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k1 + (16 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k1 + (32 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k1 + (48 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k1 + (64 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k1 + (80 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k1 + (96 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k1 + (112 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k1 + (128 * TLoad.Bytes)), a1) : a1;
            a1 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k1 + (144 * TLoad.Bytes)), a1) : a1;

            byte* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            Vector512<float> a2 = r0 * Load<TBlocks, TLoad>(k2, part);
            a2 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k2 + (16 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k2 + (32 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k2 + (48 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k2 + (64 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k2 + (80 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k2 + (96 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k2 + (112 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k2 + (128 * TLoad.Bytes)), a2) : a2;
            a2 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k2 + (144 * TLoad.Bytes)), a2) : a2;

            byte* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector512<float> a3 = r0 * Load<TBlocks, TLoad>(k3, part);
            a3 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k3 + (16 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k3 + (32 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k3 + (48 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k3 + (64 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k3 + (80 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k3 + (96 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k3 + (112 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k3 + (128 * TLoad.Bytes)), a3) : a3;
            a3 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k3 + (144 * TLoad.Bytes)), a3) : a3;

            byte* k4 = keys + (list[i + 4] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 4] * stride));
            Vector512<float> a4 = r0 * Load<TBlocks, TLoad>(k4, part);
            a4 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k4 + (16 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k4 + (32 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k4 + (48 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k4 + (64 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k4 + (80 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k4 + (96 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k4 + (112 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k4 + (128 * TLoad.Bytes)), a4) : a4;
            a4 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k4 + (144 * TLoad.Bytes)), a4) : a4;

            byte* k5 = keys + (list[i + 5] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 5] * stride));
            Vector512<float> a5 = r0 * Load<TBlocks, TLoad>(k5, part);
            a5 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k5 + (16 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k5 + (32 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k5 + (48 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k5 + (64 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k5 + (80 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k5 + (96 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k5 + (112 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k5 + (128 * TLoad.Bytes)), a5) : a5;
            a5 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k5 + (144 * TLoad.Bytes)), a5) : a5;

            byte* k6 = keys + (list[i + 6] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 6] * stride));
            Vector512<float> a6 = r0 * Load<TBlocks, TLoad>(k6, part);
            a6 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k6 + (16 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k6 + (32 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k6 + (48 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k6 + (64 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k6 + (80 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k6 + (96 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k6 + (112 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k6 + (128 * TLoad.Bytes)), a6) : a6;
            a6 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k6 + (144 * TLoad.Bytes)), a6) : a6;

            byte* k7 = keys + (list[i + 7] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 7] * stride));
            Vector512<float> a7 = r0 * Load<TBlocks, TLoad>(k7, part);
            a7 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(r1, TLoad.Load(k7 + (16 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(r2, TLoad.Load(k7 + (32 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(r3, TLoad.Load(k7 + (48 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(r4, TLoad.Load(k7 + (64 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(r5, TLoad.Load(k7 + (80 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(r6, TLoad.Load(k7 + (96 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(r7, TLoad.Load(k7 + (112 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(r8, TLoad.Load(k7 + (128 * TLoad.Bytes)), a7) : a7;
            a7 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(r9, TLoad.Load(k7 + (144 * TLoad.Bytes)), a7) : a7;

            Vector256<float> sums = Sum8(a0, a1, a2, a3, a4, a5, a6, a7);
            if (add)
            {
                sums += Vector256.Load(logits0 + i);
            }

            sums.Store(logits0 + i);
        }
    }

    /// <summary>The first chunk of a key; only <paramref name="part"/> of it in the block behind the last whole chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load<TBlocks, TLoad>(byte* key, Vector512<int> part)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad => TBlocks.Masked ? TLoad.LoadPart(key, part) : TLoad.Load(key);

    /// <summary>The sums of 8 registers, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sum8(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3,
        Vector512<float> b0, Vector512<float> b1, Vector512<float> b2, Vector512<float> b3)
    {
        Vector512<float> lanes = Across(Sum4(a0, a1, a2, a3), Sum4(b0, b1, b2, b3));
        return Across(lanes, lanes).GetLower();
    }

    /// <summary>In each 128-bit lane the sums of that lane of four registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sum4(Vector512<float> x, Vector512<float> y, Vector512<float> z, Vector512<float> w)
    {
        Vector512<double> xy = (Avx512F.UnpackLow(x, y) + Avx512F.UnpackHigh(x, y)).AsDouble();
        Vector512<double> zw = (Avx512F.UnpackLow(z, w) + Avx512F.UnpackHigh(z, w)).AsDouble();
        return Avx512F.UnpackLow(xy, zw).AsSingle() + Avx512F.UnpackHigh(xy, zw).AsSingle();
    }

    /// <summary>Sums of neighbouring 128-bit lanes: two of <paramref name="x"/>, then two of <paramref name="y"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Across(Vector512<float> x, Vector512<float> y) =>
        Avx512F.Shuffle4x128(x, y, 0x88) + Avx512F.Shuffle4x128(x, y, 0xDD);
}
