using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of listed keys over a block of <c>TBlocks</c> x 16 channels, at most 10. Queries lie as chunks of 16 channels, [dim/16][2 rows][16], and
/// stay in registers: 20 for a pair of rows. A pair takes 4 keys at a time, one row after the other (whole rows in order use the caches
/// better than columns of several rows): 8 accumulators, and a tree of shuffles and additions that leaves the 8 sums in order. One row: 8 keys,
/// 8 accumulators. The first line of the key <see cref="Ahead"/> places later is fetched; its other lines follow by the hardware's prefetchers.
/// Lists are padded as <see cref="GatherLayout"/> says, at least Ahead + 7 entries.
/// </summary>
internal static unsafe class GatherLogitsAvx512
{
    private const int Ahead = 8;

    /// <summary>q0·k and q1·k of the listed keys, added to what is there when <paramref name="add"/>; writes up to 3 entries behind each result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair<TBlocks>(
        float* queries, float* keys, nint stride, int* list, int count, float* logits0, float* logits1, int rest, bool add)
        where TBlocks : struct, IBlockCount
    {
        Vector512<float> part = LaneMasks.First512(rest).AsSingle();

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
        for (int i = 0; i < count; i += 4)
        {
            float* k0 = keys + (list[i] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead] * stride));
            Vector512<float> x0 = First<TBlocks>(k0, part);
            Vector512<float> a0 = q0 * x0;
            Vector512<float> b0 = r0 * x0;
            if (TBlocks.Count > 1)
            {
                x0 = Vector512.Load(k0 + 16);
                a0 = Avx512F.FusedMultiplyAdd(q1, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r1, x0, b0);
            }

            if (TBlocks.Count > 2)
            {
                x0 = Vector512.Load(k0 + 32);
                a0 = Avx512F.FusedMultiplyAdd(q2, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r2, x0, b0);
            }

            if (TBlocks.Count > 3)
            {
                x0 = Vector512.Load(k0 + 48);
                a0 = Avx512F.FusedMultiplyAdd(q3, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r3, x0, b0);
            }

            if (TBlocks.Count > 4)
            {
                x0 = Vector512.Load(k0 + 64);
                a0 = Avx512F.FusedMultiplyAdd(q4, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r4, x0, b0);
            }

            if (TBlocks.Count > 5)
            {
                x0 = Vector512.Load(k0 + 80);
                a0 = Avx512F.FusedMultiplyAdd(q5, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r5, x0, b0);
            }

            if (TBlocks.Count > 6)
            {
                x0 = Vector512.Load(k0 + 96);
                a0 = Avx512F.FusedMultiplyAdd(q6, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r6, x0, b0);
            }

            if (TBlocks.Count > 7)
            {
                x0 = Vector512.Load(k0 + 112);
                a0 = Avx512F.FusedMultiplyAdd(q7, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r7, x0, b0);
            }

            if (TBlocks.Count > 8)
            {
                x0 = Vector512.Load(k0 + 128);
                a0 = Avx512F.FusedMultiplyAdd(q8, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r8, x0, b0);
            }

            if (TBlocks.Count > 9)
            {
                x0 = Vector512.Load(k0 + 144);
                a0 = Avx512F.FusedMultiplyAdd(q9, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r9, x0, b0);
            }

            float* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            Vector512<float> x1 = First<TBlocks>(k1, part);
            Vector512<float> a1 = q0 * x1;
            Vector512<float> b1 = r0 * x1;
            if (TBlocks.Count > 1)
            {
                x1 = Vector512.Load(k1 + 16);
                a1 = Avx512F.FusedMultiplyAdd(q1, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r1, x1, b1);
            }

            if (TBlocks.Count > 2)
            {
                x1 = Vector512.Load(k1 + 32);
                a1 = Avx512F.FusedMultiplyAdd(q2, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r2, x1, b1);
            }

            if (TBlocks.Count > 3)
            {
                x1 = Vector512.Load(k1 + 48);
                a1 = Avx512F.FusedMultiplyAdd(q3, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r3, x1, b1);
            }

            if (TBlocks.Count > 4)
            {
                x1 = Vector512.Load(k1 + 64);
                a1 = Avx512F.FusedMultiplyAdd(q4, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r4, x1, b1);
            }

            if (TBlocks.Count > 5)
            {
                x1 = Vector512.Load(k1 + 80);
                a1 = Avx512F.FusedMultiplyAdd(q5, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r5, x1, b1);
            }

            if (TBlocks.Count > 6)
            {
                x1 = Vector512.Load(k1 + 96);
                a1 = Avx512F.FusedMultiplyAdd(q6, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r6, x1, b1);
            }

            if (TBlocks.Count > 7)
            {
                x1 = Vector512.Load(k1 + 112);
                a1 = Avx512F.FusedMultiplyAdd(q7, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r7, x1, b1);
            }

            if (TBlocks.Count > 8)
            {
                x1 = Vector512.Load(k1 + 128);
                a1 = Avx512F.FusedMultiplyAdd(q8, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r8, x1, b1);
            }

            if (TBlocks.Count > 9)
            {
                x1 = Vector512.Load(k1 + 144);
                a1 = Avx512F.FusedMultiplyAdd(q9, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r9, x1, b1);
            }

            float* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            Vector512<float> x2 = First<TBlocks>(k2, part);
            Vector512<float> a2 = q0 * x2;
            Vector512<float> b2 = r0 * x2;
            if (TBlocks.Count > 1)
            {
                x2 = Vector512.Load(k2 + 16);
                a2 = Avx512F.FusedMultiplyAdd(q1, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r1, x2, b2);
            }

            if (TBlocks.Count > 2)
            {
                x2 = Vector512.Load(k2 + 32);
                a2 = Avx512F.FusedMultiplyAdd(q2, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r2, x2, b2);
            }

            if (TBlocks.Count > 3)
            {
                x2 = Vector512.Load(k2 + 48);
                a2 = Avx512F.FusedMultiplyAdd(q3, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r3, x2, b2);
            }

            if (TBlocks.Count > 4)
            {
                x2 = Vector512.Load(k2 + 64);
                a2 = Avx512F.FusedMultiplyAdd(q4, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r4, x2, b2);
            }

            if (TBlocks.Count > 5)
            {
                x2 = Vector512.Load(k2 + 80);
                a2 = Avx512F.FusedMultiplyAdd(q5, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r5, x2, b2);
            }

            if (TBlocks.Count > 6)
            {
                x2 = Vector512.Load(k2 + 96);
                a2 = Avx512F.FusedMultiplyAdd(q6, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r6, x2, b2);
            }

            if (TBlocks.Count > 7)
            {
                x2 = Vector512.Load(k2 + 112);
                a2 = Avx512F.FusedMultiplyAdd(q7, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r7, x2, b2);
            }

            if (TBlocks.Count > 8)
            {
                x2 = Vector512.Load(k2 + 128);
                a2 = Avx512F.FusedMultiplyAdd(q8, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r8, x2, b2);
            }

            if (TBlocks.Count > 9)
            {
                x2 = Vector512.Load(k2 + 144);
                a2 = Avx512F.FusedMultiplyAdd(q9, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r9, x2, b2);
            }

            float* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector512<float> x3 = First<TBlocks>(k3, part);
            Vector512<float> a3 = q0 * x3;
            Vector512<float> b3 = r0 * x3;
            if (TBlocks.Count > 1)
            {
                x3 = Vector512.Load(k3 + 16);
                a3 = Avx512F.FusedMultiplyAdd(q1, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r1, x3, b3);
            }

            if (TBlocks.Count > 2)
            {
                x3 = Vector512.Load(k3 + 32);
                a3 = Avx512F.FusedMultiplyAdd(q2, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r2, x3, b3);
            }

            if (TBlocks.Count > 3)
            {
                x3 = Vector512.Load(k3 + 48);
                a3 = Avx512F.FusedMultiplyAdd(q3, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r3, x3, b3);
            }

            if (TBlocks.Count > 4)
            {
                x3 = Vector512.Load(k3 + 64);
                a3 = Avx512F.FusedMultiplyAdd(q4, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r4, x3, b3);
            }

            if (TBlocks.Count > 5)
            {
                x3 = Vector512.Load(k3 + 80);
                a3 = Avx512F.FusedMultiplyAdd(q5, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r5, x3, b3);
            }

            if (TBlocks.Count > 6)
            {
                x3 = Vector512.Load(k3 + 96);
                a3 = Avx512F.FusedMultiplyAdd(q6, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r6, x3, b3);
            }

            if (TBlocks.Count > 7)
            {
                x3 = Vector512.Load(k3 + 112);
                a3 = Avx512F.FusedMultiplyAdd(q7, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r7, x3, b3);
            }

            if (TBlocks.Count > 8)
            {
                x3 = Vector512.Load(k3 + 128);
                a3 = Avx512F.FusedMultiplyAdd(q8, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r8, x3, b3);
            }

            if (TBlocks.Count > 9)
            {
                x3 = Vector512.Load(k3 + 144);
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
    }

    /// <summary>q·k of the listed keys, added to what is there when <paramref name="add"/>; writes up to 7 entries behind the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One<TBlocks>(float* query, float* keys, nint stride, int* list, int count, float* logits, int rest, bool add)
        where TBlocks : struct, IBlockCount
    {
        Vector512<float> part = LaneMasks.First512(rest).AsSingle();

        Vector512<float> q0 = TBlocks.Count > 0 ? Vector512.Load(query + 0) : default;
        Vector512<float> q1 = TBlocks.Count > 1 ? Vector512.Load(query + 32) : default;
        Vector512<float> q2 = TBlocks.Count > 2 ? Vector512.Load(query + 64) : default;
        Vector512<float> q3 = TBlocks.Count > 3 ? Vector512.Load(query + 96) : default;
        Vector512<float> q4 = TBlocks.Count > 4 ? Vector512.Load(query + 128) : default;
        Vector512<float> q5 = TBlocks.Count > 5 ? Vector512.Load(query + 160) : default;
        Vector512<float> q6 = TBlocks.Count > 6 ? Vector512.Load(query + 192) : default;
        Vector512<float> q7 = TBlocks.Count > 7 ? Vector512.Load(query + 224) : default;
        Vector512<float> q8 = TBlocks.Count > 8 ? Vector512.Load(query + 256) : default;
        Vector512<float> q9 = TBlocks.Count > 9 ? Vector512.Load(query + 288) : default;
        for (int i = 0; i < count; i += 8)
        {
            float* k0 = keys + (list[i] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead] * stride));
            Vector512<float> a0 = q0 * First<TBlocks>(k0, part);
            a0 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k0 + 16), a0) : a0;
            a0 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k0 + 32), a0) : a0;
            a0 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k0 + 48), a0) : a0;
            a0 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k0 + 64), a0) : a0;
            a0 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k0 + 80), a0) : a0;
            a0 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k0 + 96), a0) : a0;
            a0 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k0 + 112), a0) : a0;
            a0 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k0 + 128), a0) : a0;
            a0 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k0 + 144), a0) : a0;

            float* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            Vector512<float> a1 = q0 * First<TBlocks>(k1, part);
            a1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k1 + 16), a1) : a1;
            a1 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k1 + 32), a1) : a1;
            a1 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k1 + 48), a1) : a1;
            a1 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k1 + 64), a1) : a1;
            a1 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k1 + 80), a1) : a1;
            a1 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k1 + 96), a1) : a1;
            a1 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k1 + 112), a1) : a1;
            a1 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k1 + 128), a1) : a1;
            a1 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k1 + 144), a1) : a1;

            float* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            Vector512<float> a2 = q0 * First<TBlocks>(k2, part);
            a2 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k2 + 16), a2) : a2;
            a2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k2 + 32), a2) : a2;
            a2 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k2 + 48), a2) : a2;
            a2 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k2 + 64), a2) : a2;
            a2 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k2 + 80), a2) : a2;
            a2 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k2 + 96), a2) : a2;
            a2 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k2 + 112), a2) : a2;
            a2 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k2 + 128), a2) : a2;
            a2 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k2 + 144), a2) : a2;

            float* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector512<float> a3 = q0 * First<TBlocks>(k3, part);
            a3 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k3 + 16), a3) : a3;
            a3 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k3 + 32), a3) : a3;
            a3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k3 + 48), a3) : a3;
            a3 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k3 + 64), a3) : a3;
            a3 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k3 + 80), a3) : a3;
            a3 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k3 + 96), a3) : a3;
            a3 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k3 + 112), a3) : a3;
            a3 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k3 + 128), a3) : a3;
            a3 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k3 + 144), a3) : a3;

            float* k4 = keys + (list[i + 4] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 4] * stride));
            Vector512<float> a4 = q0 * First<TBlocks>(k4, part);
            a4 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k4 + 16), a4) : a4;
            a4 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k4 + 32), a4) : a4;
            a4 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k4 + 48), a4) : a4;
            a4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k4 + 64), a4) : a4;
            a4 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k4 + 80), a4) : a4;
            a4 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k4 + 96), a4) : a4;
            a4 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k4 + 112), a4) : a4;
            a4 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k4 + 128), a4) : a4;
            a4 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k4 + 144), a4) : a4;

            float* k5 = keys + (list[i + 5] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 5] * stride));
            Vector512<float> a5 = q0 * First<TBlocks>(k5, part);
            a5 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k5 + 16), a5) : a5;
            a5 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k5 + 32), a5) : a5;
            a5 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k5 + 48), a5) : a5;
            a5 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k5 + 64), a5) : a5;
            a5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k5 + 80), a5) : a5;
            a5 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k5 + 96), a5) : a5;
            a5 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k5 + 112), a5) : a5;
            a5 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k5 + 128), a5) : a5;
            a5 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k5 + 144), a5) : a5;

            float* k6 = keys + (list[i + 6] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 6] * stride));
            Vector512<float> a6 = q0 * First<TBlocks>(k6, part);
            a6 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k6 + 16), a6) : a6;
            a6 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k6 + 32), a6) : a6;
            a6 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k6 + 48), a6) : a6;
            a6 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k6 + 64), a6) : a6;
            a6 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k6 + 80), a6) : a6;
            a6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k6 + 96), a6) : a6;
            a6 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k6 + 112), a6) : a6;
            a6 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k6 + 128), a6) : a6;
            a6 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k6 + 144), a6) : a6;

            float* k7 = keys + (list[i + 7] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 7] * stride));
            Vector512<float> a7 = q0 * First<TBlocks>(k7, part);
            a7 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, Vector512.Load(k7 + 16), a7) : a7;
            a7 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, Vector512.Load(k7 + 32), a7) : a7;
            a7 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, Vector512.Load(k7 + 48), a7) : a7;
            a7 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, Vector512.Load(k7 + 64), a7) : a7;
            a7 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, Vector512.Load(k7 + 80), a7) : a7;
            a7 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, Vector512.Load(k7 + 96), a7) : a7;
            a7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, Vector512.Load(k7 + 112), a7) : a7;
            a7 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, Vector512.Load(k7 + 128), a7) : a7;
            a7 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, Vector512.Load(k7 + 144), a7) : a7;

            Vector256<float> sums = Sum8(a0, a1, a2, a3, a4, a5, a6, a7);
            if (add)
            {
                sums += Vector256.Load(logits + i);
            }

            sums.Store(logits + i);
        }
    }

    /// <summary>The first chunk of a key; only <paramref name="part"/> of it in the block behind the last whole chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> First<TBlocks>(float* key, Vector512<float> part)
        where TBlocks : struct, IBlockCount =>
        TBlocks.Masked ? Avx512F.MaskLoad(key, part, Vector512<float>.Zero) : Vector512.Load(key);

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
