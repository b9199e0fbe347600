using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of the listed keys of a pair over a block of <c>TBlocks</c> x 16 channels, at most 10. Queries lie as chunks of 16 channels,
/// [dim/16][2 rows][16], and stay in registers, 20 of them. Shared keys go 4 at a time, chunk by chunk, so that there
/// are 8 independent sums; the others 8 at a time, one after the other (whole rows in order use the caches better than columns of eight); a tree of shuffles and
/// additions leaves the 8 sums in order. 16-bit keys are widened in registers (<see cref="IKvLoad"/>). Keys are fetched ahead (<see cref="IRowFetch"/>).
/// </summary>
internal static unsafe class GatherLogitsAvx512
{
    /// <summary>q0·k and q1·k of the listed keys, added to what is there when <paramref name="add"/>; writes up to 3 entries behind each result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair<TBlocks, TLoad, TFetch>(
        float* queries, byte* keys, nint stride, int* list, int count, float* logits0, float* logits1, int rest, bool add)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        Vector512<int> part = TLoad.Mask(rest);
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
        for (nint i = 0; i < count; i += 4)
        {
            byte* k0 = keys + (list[i] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            byte* k1 = keys + (list[i + 1] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 1] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            byte* k2 = keys + (list[i + 2] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 2] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            byte* k3 = keys + (list[i + 3] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 3] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> x0 = TLoad.Chunk(k0, 0, TBlocks.PartFrom <= 0, part);
            Vector512<float> a0 = q0 * x0;
            Vector512<float> b0 = r0 * x0;
            Vector512<float> x1 = TLoad.Chunk(k1, 0, TBlocks.PartFrom <= 0, part);
            Vector512<float> a1 = q0 * x1;
            Vector512<float> b1 = r0 * x1;
            Vector512<float> x2 = TLoad.Chunk(k2, 0, TBlocks.PartFrom <= 0, part);
            Vector512<float> a2 = q0 * x2;
            Vector512<float> b2 = r0 * x2;
            Vector512<float> x3 = TLoad.Chunk(k3, 0, TBlocks.PartFrom <= 0, part);
            Vector512<float> a3 = q0 * x3;
            Vector512<float> b3 = r0 * x3;
            if (TBlocks.Count > 1)
            {
                x0 = TLoad.Chunk(k0, 1, TBlocks.PartFrom <= 1, part);
                a0 = Avx512F.FusedMultiplyAdd(q1, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r1, x0, b0);
                x1 = TLoad.Chunk(k1, 1, TBlocks.PartFrom <= 1, part);
                a1 = Avx512F.FusedMultiplyAdd(q1, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r1, x1, b1);
                x2 = TLoad.Chunk(k2, 1, TBlocks.PartFrom <= 1, part);
                a2 = Avx512F.FusedMultiplyAdd(q1, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r1, x2, b2);
                x3 = TLoad.Chunk(k3, 1, TBlocks.PartFrom <= 1, part);
                a3 = Avx512F.FusedMultiplyAdd(q1, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r1, x3, b3);
            }

            if (TBlocks.Count > 2)
            {
                x0 = TLoad.Chunk(k0, 2, TBlocks.PartFrom <= 2, part);
                a0 = Avx512F.FusedMultiplyAdd(q2, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r2, x0, b0);
                x1 = TLoad.Chunk(k1, 2, TBlocks.PartFrom <= 2, part);
                a1 = Avx512F.FusedMultiplyAdd(q2, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r2, x1, b1);
                x2 = TLoad.Chunk(k2, 2, TBlocks.PartFrom <= 2, part);
                a2 = Avx512F.FusedMultiplyAdd(q2, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r2, x2, b2);
                x3 = TLoad.Chunk(k3, 2, TBlocks.PartFrom <= 2, part);
                a3 = Avx512F.FusedMultiplyAdd(q2, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r2, x3, b3);
            }

            if (TBlocks.Count > 3)
            {
                x0 = TLoad.Chunk(k0, 3, TBlocks.PartFrom <= 3, part);
                a0 = Avx512F.FusedMultiplyAdd(q3, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r3, x0, b0);
                x1 = TLoad.Chunk(k1, 3, TBlocks.PartFrom <= 3, part);
                a1 = Avx512F.FusedMultiplyAdd(q3, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r3, x1, b1);
                x2 = TLoad.Chunk(k2, 3, TBlocks.PartFrom <= 3, part);
                a2 = Avx512F.FusedMultiplyAdd(q3, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r3, x2, b2);
                x3 = TLoad.Chunk(k3, 3, TBlocks.PartFrom <= 3, part);
                a3 = Avx512F.FusedMultiplyAdd(q3, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r3, x3, b3);
            }

            if (TBlocks.Count > 4)
            {
                x0 = TLoad.Chunk(k0, 4, TBlocks.PartFrom <= 4, part);
                a0 = Avx512F.FusedMultiplyAdd(q4, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r4, x0, b0);
                x1 = TLoad.Chunk(k1, 4, TBlocks.PartFrom <= 4, part);
                a1 = Avx512F.FusedMultiplyAdd(q4, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r4, x1, b1);
                x2 = TLoad.Chunk(k2, 4, TBlocks.PartFrom <= 4, part);
                a2 = Avx512F.FusedMultiplyAdd(q4, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r4, x2, b2);
                x3 = TLoad.Chunk(k3, 4, TBlocks.PartFrom <= 4, part);
                a3 = Avx512F.FusedMultiplyAdd(q4, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r4, x3, b3);
            }

            if (TBlocks.Count > 5)
            {
                x0 = TLoad.Chunk(k0, 5, TBlocks.PartFrom <= 5, part);
                a0 = Avx512F.FusedMultiplyAdd(q5, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r5, x0, b0);
                x1 = TLoad.Chunk(k1, 5, TBlocks.PartFrom <= 5, part);
                a1 = Avx512F.FusedMultiplyAdd(q5, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r5, x1, b1);
                x2 = TLoad.Chunk(k2, 5, TBlocks.PartFrom <= 5, part);
                a2 = Avx512F.FusedMultiplyAdd(q5, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r5, x2, b2);
                x3 = TLoad.Chunk(k3, 5, TBlocks.PartFrom <= 5, part);
                a3 = Avx512F.FusedMultiplyAdd(q5, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r5, x3, b3);
            }

            if (TBlocks.Count > 6)
            {
                x0 = TLoad.Chunk(k0, 6, TBlocks.PartFrom <= 6, part);
                a0 = Avx512F.FusedMultiplyAdd(q6, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r6, x0, b0);
                x1 = TLoad.Chunk(k1, 6, TBlocks.PartFrom <= 6, part);
                a1 = Avx512F.FusedMultiplyAdd(q6, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r6, x1, b1);
                x2 = TLoad.Chunk(k2, 6, TBlocks.PartFrom <= 6, part);
                a2 = Avx512F.FusedMultiplyAdd(q6, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r6, x2, b2);
                x3 = TLoad.Chunk(k3, 6, TBlocks.PartFrom <= 6, part);
                a3 = Avx512F.FusedMultiplyAdd(q6, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r6, x3, b3);
            }

            if (TBlocks.Count > 7)
            {
                x0 = TLoad.Chunk(k0, 7, TBlocks.PartFrom <= 7, part);
                a0 = Avx512F.FusedMultiplyAdd(q7, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r7, x0, b0);
                x1 = TLoad.Chunk(k1, 7, TBlocks.PartFrom <= 7, part);
                a1 = Avx512F.FusedMultiplyAdd(q7, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r7, x1, b1);
                x2 = TLoad.Chunk(k2, 7, TBlocks.PartFrom <= 7, part);
                a2 = Avx512F.FusedMultiplyAdd(q7, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r7, x2, b2);
                x3 = TLoad.Chunk(k3, 7, TBlocks.PartFrom <= 7, part);
                a3 = Avx512F.FusedMultiplyAdd(q7, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r7, x3, b3);
            }

            if (TBlocks.Count > 8)
            {
                x0 = TLoad.Chunk(k0, 8, TBlocks.PartFrom <= 8, part);
                a0 = Avx512F.FusedMultiplyAdd(q8, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r8, x0, b0);
                x1 = TLoad.Chunk(k1, 8, TBlocks.PartFrom <= 8, part);
                a1 = Avx512F.FusedMultiplyAdd(q8, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r8, x1, b1);
                x2 = TLoad.Chunk(k2, 8, TBlocks.PartFrom <= 8, part);
                a2 = Avx512F.FusedMultiplyAdd(q8, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r8, x2, b2);
                x3 = TLoad.Chunk(k3, 8, TBlocks.PartFrom <= 8, part);
                a3 = Avx512F.FusedMultiplyAdd(q8, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(r8, x3, b3);
            }

            if (TBlocks.Count > 9)
            {
                x0 = TLoad.Chunk(k0, 9, TBlocks.PartFrom <= 9, part);
                a0 = Avx512F.FusedMultiplyAdd(q9, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(r9, x0, b0);
                x1 = TLoad.Chunk(k1, 9, TBlocks.PartFrom <= 9, part);
                a1 = Avx512F.FusedMultiplyAdd(q9, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(r9, x1, b1);
                x2 = TLoad.Chunk(k2, 9, TBlocks.PartFrom <= 9, part);
                a2 = Avx512F.FusedMultiplyAdd(q9, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(r9, x2, b2);
                x3 = TLoad.Chunk(k3, 9, TBlocks.PartFrom <= 9, part);
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
    public static void One<TBlocks, TLoad, TFetch>(float* query, byte* keys, nint stride, int* list, int count, float* logits, int rest, bool add)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        Vector512<int> part = TLoad.Mask(rest);
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
        for (nint i = 0; i < count; i += 8)
        {
            byte* k0 = keys + (list[i] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a0 = q0 * TLoad.Chunk(k0, 0, TBlocks.PartFrom <= 0, part);
            a0 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k0, 1, TBlocks.PartFrom <= 1, part), a0) : a0;
            a0 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k0, 2, TBlocks.PartFrom <= 2, part), a0) : a0;
            a0 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k0, 3, TBlocks.PartFrom <= 3, part), a0) : a0;
            a0 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k0, 4, TBlocks.PartFrom <= 4, part), a0) : a0;
            a0 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k0, 5, TBlocks.PartFrom <= 5, part), a0) : a0;
            a0 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k0, 6, TBlocks.PartFrom <= 6, part), a0) : a0;
            a0 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k0, 7, TBlocks.PartFrom <= 7, part), a0) : a0;
            a0 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k0, 8, TBlocks.PartFrom <= 8, part), a0) : a0;
            a0 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k0, 9, TBlocks.PartFrom <= 9, part), a0) : a0;

            byte* k1 = keys + (list[i + 1] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 1] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a1 = q0 * TLoad.Chunk(k1, 0, TBlocks.PartFrom <= 0, part);
            a1 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k1, 1, TBlocks.PartFrom <= 1, part), a1) : a1;
            a1 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k1, 2, TBlocks.PartFrom <= 2, part), a1) : a1;
            a1 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k1, 3, TBlocks.PartFrom <= 3, part), a1) : a1;
            a1 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k1, 4, TBlocks.PartFrom <= 4, part), a1) : a1;
            a1 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k1, 5, TBlocks.PartFrom <= 5, part), a1) : a1;
            a1 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k1, 6, TBlocks.PartFrom <= 6, part), a1) : a1;
            a1 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k1, 7, TBlocks.PartFrom <= 7, part), a1) : a1;
            a1 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k1, 8, TBlocks.PartFrom <= 8, part), a1) : a1;
            a1 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k1, 9, TBlocks.PartFrom <= 9, part), a1) : a1;

            byte* k2 = keys + (list[i + 2] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 2] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a2 = q0 * TLoad.Chunk(k2, 0, TBlocks.PartFrom <= 0, part);
            a2 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k2, 1, TBlocks.PartFrom <= 1, part), a2) : a2;
            a2 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k2, 2, TBlocks.PartFrom <= 2, part), a2) : a2;
            a2 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k2, 3, TBlocks.PartFrom <= 3, part), a2) : a2;
            a2 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k2, 4, TBlocks.PartFrom <= 4, part), a2) : a2;
            a2 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k2, 5, TBlocks.PartFrom <= 5, part), a2) : a2;
            a2 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k2, 6, TBlocks.PartFrom <= 6, part), a2) : a2;
            a2 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k2, 7, TBlocks.PartFrom <= 7, part), a2) : a2;
            a2 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k2, 8, TBlocks.PartFrom <= 8, part), a2) : a2;
            a2 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k2, 9, TBlocks.PartFrom <= 9, part), a2) : a2;

            byte* k3 = keys + (list[i + 3] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 3] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a3 = q0 * TLoad.Chunk(k3, 0, TBlocks.PartFrom <= 0, part);
            a3 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k3, 1, TBlocks.PartFrom <= 1, part), a3) : a3;
            a3 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k3, 2, TBlocks.PartFrom <= 2, part), a3) : a3;
            a3 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k3, 3, TBlocks.PartFrom <= 3, part), a3) : a3;
            a3 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k3, 4, TBlocks.PartFrom <= 4, part), a3) : a3;
            a3 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k3, 5, TBlocks.PartFrom <= 5, part), a3) : a3;
            a3 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k3, 6, TBlocks.PartFrom <= 6, part), a3) : a3;
            a3 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k3, 7, TBlocks.PartFrom <= 7, part), a3) : a3;
            a3 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k3, 8, TBlocks.PartFrom <= 8, part), a3) : a3;
            a3 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k3, 9, TBlocks.PartFrom <= 9, part), a3) : a3;

            byte* k4 = keys + (list[i + 4] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 4] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a4 = q0 * TLoad.Chunk(k4, 0, TBlocks.PartFrom <= 0, part);
            a4 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k4, 1, TBlocks.PartFrom <= 1, part), a4) : a4;
            a4 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k4, 2, TBlocks.PartFrom <= 2, part), a4) : a4;
            a4 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k4, 3, TBlocks.PartFrom <= 3, part), a4) : a4;
            a4 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k4, 4, TBlocks.PartFrom <= 4, part), a4) : a4;
            a4 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k4, 5, TBlocks.PartFrom <= 5, part), a4) : a4;
            a4 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k4, 6, TBlocks.PartFrom <= 6, part), a4) : a4;
            a4 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k4, 7, TBlocks.PartFrom <= 7, part), a4) : a4;
            a4 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k4, 8, TBlocks.PartFrom <= 8, part), a4) : a4;
            a4 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k4, 9, TBlocks.PartFrom <= 9, part), a4) : a4;

            byte* k5 = keys + (list[i + 5] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 5] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a5 = q0 * TLoad.Chunk(k5, 0, TBlocks.PartFrom <= 0, part);
            a5 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k5, 1, TBlocks.PartFrom <= 1, part), a5) : a5;
            a5 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k5, 2, TBlocks.PartFrom <= 2, part), a5) : a5;
            a5 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k5, 3, TBlocks.PartFrom <= 3, part), a5) : a5;
            a5 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k5, 4, TBlocks.PartFrom <= 4, part), a5) : a5;
            a5 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k5, 5, TBlocks.PartFrom <= 5, part), a5) : a5;
            a5 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k5, 6, TBlocks.PartFrom <= 6, part), a5) : a5;
            a5 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k5, 7, TBlocks.PartFrom <= 7, part), a5) : a5;
            a5 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k5, 8, TBlocks.PartFrom <= 8, part), a5) : a5;
            a5 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k5, 9, TBlocks.PartFrom <= 9, part), a5) : a5;

            byte* k6 = keys + (list[i + 6] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 6] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a6 = q0 * TLoad.Chunk(k6, 0, TBlocks.PartFrom <= 0, part);
            a6 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k6, 1, TBlocks.PartFrom <= 1, part), a6) : a6;
            a6 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k6, 2, TBlocks.PartFrom <= 2, part), a6) : a6;
            a6 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k6, 3, TBlocks.PartFrom <= 3, part), a6) : a6;
            a6 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k6, 4, TBlocks.PartFrom <= 4, part), a6) : a6;
            a6 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k6, 5, TBlocks.PartFrom <= 5, part), a6) : a6;
            a6 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k6, 6, TBlocks.PartFrom <= 6, part), a6) : a6;
            a6 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k6, 7, TBlocks.PartFrom <= 7, part), a6) : a6;
            a6 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k6, 8, TBlocks.PartFrom <= 8, part), a6) : a6;
            a6 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k6, 9, TBlocks.PartFrom <= 9, part), a6) : a6;

            byte* k7 = keys + (list[i + 7] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 7] * stride), TBlocks.Count * 16 * TLoad.Bytes);
            Vector512<float> a7 = q0 * TLoad.Chunk(k7, 0, TBlocks.PartFrom <= 0, part);
            a7 = TBlocks.Count > 1 ? Avx512F.FusedMultiplyAdd(q1, TLoad.Chunk(k7, 1, TBlocks.PartFrom <= 1, part), a7) : a7;
            a7 = TBlocks.Count > 2 ? Avx512F.FusedMultiplyAdd(q2, TLoad.Chunk(k7, 2, TBlocks.PartFrom <= 2, part), a7) : a7;
            a7 = TBlocks.Count > 3 ? Avx512F.FusedMultiplyAdd(q3, TLoad.Chunk(k7, 3, TBlocks.PartFrom <= 3, part), a7) : a7;
            a7 = TBlocks.Count > 4 ? Avx512F.FusedMultiplyAdd(q4, TLoad.Chunk(k7, 4, TBlocks.PartFrom <= 4, part), a7) : a7;
            a7 = TBlocks.Count > 5 ? Avx512F.FusedMultiplyAdd(q5, TLoad.Chunk(k7, 5, TBlocks.PartFrom <= 5, part), a7) : a7;
            a7 = TBlocks.Count > 6 ? Avx512F.FusedMultiplyAdd(q6, TLoad.Chunk(k7, 6, TBlocks.PartFrom <= 6, part), a7) : a7;
            a7 = TBlocks.Count > 7 ? Avx512F.FusedMultiplyAdd(q7, TLoad.Chunk(k7, 7, TBlocks.PartFrom <= 7, part), a7) : a7;
            a7 = TBlocks.Count > 8 ? Avx512F.FusedMultiplyAdd(q8, TLoad.Chunk(k7, 8, TBlocks.PartFrom <= 8, part), a7) : a7;
            a7 = TBlocks.Count > 9 ? Avx512F.FusedMultiplyAdd(q9, TLoad.Chunk(k7, 9, TBlocks.PartFrom <= 9, part), a7) : a7;

            Vector256<float> sums = Sum8(a0, a1, a2, a3, a4, a5, a6, a7);
            if (add)
            {
                sums += Vector256.Load(logits + i);
            }

            sums.Store(logits + i);
        }
    }

    /// <summary>All three lists of a pair: the next <paramref name="counts"/> entries of each.</summary>
    public static void Run<TBlocks, TLoad, TFetch>(GatherState* s, float* queries, byte* keys, nint stride, SplitCounts* counts, int rest, bool add)
        where TBlocks : struct, IBlockCount
        where TLoad : struct, IKvLoad
        where TFetch : struct, IRowFetch
    {
        if (counts->Both != 0)
        {
            Pair<TBlocks, TLoad, TFetch>(queries, keys, stride, s->Both, counts->Both, s->Weights0, s->Weights1, rest, add);
        }

        if (counts->First != 0)
        {
            One<TBlocks, TLoad, TFetch>(queries, keys, stride, s->First, counts->First, s->FirstWeights, rest, add);
        }

        if (counts->Second != 0)
        {
            One<TBlocks, TLoad, TFetch>(queries + 16, keys, stride, s->Second, counts->Second, s->SecondWeights, rest, add);
        }
    }

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
