using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of listed keys. Queries lie as chunks of 8 channels, [dim/8][2 rows][8], zero behind dim. Registers of the pair: 4 keys x 2 rows = 8
/// accumulators, 2 query chunks, 1 key chunk, and a tree of horizontal additions that leaves the 8 sums in order. One row: 8 keys, 8
/// accumulators, key chunks as memory operands. The first line of the key <see cref="Ahead"/> places later is fetched. Lists
/// are padded as <see cref="GatherLayout"/> says, at least Ahead + 7 entries.
/// </summary>
internal static unsafe class GatherLogitsAvx2
{
    private const int Ahead = 8;

    /// <summary>q0·k and q1·k of the listed keys; writes up to 3 entries behind each of the two results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair(float* queries, float* keys, nint stride, int dim, int* list, int count, float* logits0, float* logits1)
    {
        nint whole = dim & ~7;
        Vector256<float> tail = LaneMasks.First256(dim & 7).AsSingle();
        for (int i = 0; i < count; i += 4)
        {
            float* k0 = keys + (list[i] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead] * stride));
            float* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            float* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            float* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            Vector256<float> a0 = Vector256<float>.Zero;
            Vector256<float> a1 = Vector256<float>.Zero;
            Vector256<float> a2 = Vector256<float>.Zero;
            Vector256<float> a3 = Vector256<float>.Zero;
            Vector256<float> b0 = Vector256<float>.Zero;
            Vector256<float> b1 = Vector256<float>.Zero;
            Vector256<float> b2 = Vector256<float>.Zero;
            Vector256<float> b3 = Vector256<float>.Zero;
            float* q = queries;
            for (nint d = 0; d < whole; d += 8, q += 16)
            {
                Vector256<float> q0 = Vector256.Load(q);
                Vector256<float> q1 = Vector256.Load(q + 8);
                Vector256<float> x0 = Vector256.Load(k0 + d);
                a0 = Fma.MultiplyAdd(q0, x0, a0);
                b0 = Fma.MultiplyAdd(q1, x0, b0);
                Vector256<float> x1 = Vector256.Load(k1 + d);
                a1 = Fma.MultiplyAdd(q0, x1, a1);
                b1 = Fma.MultiplyAdd(q1, x1, b1);
                Vector256<float> x2 = Vector256.Load(k2 + d);
                a2 = Fma.MultiplyAdd(q0, x2, a2);
                b2 = Fma.MultiplyAdd(q1, x2, b2);
                Vector256<float> x3 = Vector256.Load(k3 + d);
                a3 = Fma.MultiplyAdd(q0, x3, a3);
                b3 = Fma.MultiplyAdd(q1, x3, b3);
            }

            if (whole != dim)
            {
                Vector256<float> q0 = Vector256.Load(q);
                Vector256<float> q1 = Vector256.Load(q + 8);
                Vector256<float> x0 = Avx.MaskLoad(k0 + whole, tail);
                a0 = Fma.MultiplyAdd(q0, x0, a0);
                b0 = Fma.MultiplyAdd(q1, x0, b0);
                Vector256<float> x1 = Avx.MaskLoad(k1 + whole, tail);
                a1 = Fma.MultiplyAdd(q0, x1, a1);
                b1 = Fma.MultiplyAdd(q1, x1, b1);
                Vector256<float> x2 = Avx.MaskLoad(k2 + whole, tail);
                a2 = Fma.MultiplyAdd(q0, x2, a2);
                b2 = Fma.MultiplyAdd(q1, x2, b2);
                Vector256<float> x3 = Avx.MaskLoad(k3 + whole, tail);
                a3 = Fma.MultiplyAdd(q0, x3, a3);
                b3 = Fma.MultiplyAdd(q1, x3, b3);
            }

            Vector256<float> sums = Sum8(a0, a1, a2, a3, b0, b1, b2, b3);
            sums.GetLower().Store(logits0 + i);
            sums.GetUpper().Store(logits1 + i);
        }
    }

    /// <summary>q·k of the listed keys, chunks of the query 16 elements apart; writes up to 7 entries behind the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(float* query, float* keys, nint stride, int dim, int* list, int count, float* logits)
    {
        nint whole = dim & ~7;
        Vector256<float> tail = LaneMasks.First256(dim & 7).AsSingle();
        for (int i = 0; i < count; i += 8)
        {
            float* k0 = keys + (list[i] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead] * stride));
            float* k1 = keys + (list[i + 1] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 1] * stride));
            float* k2 = keys + (list[i + 2] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 2] * stride));
            float* k3 = keys + (list[i + 3] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 3] * stride));
            float* k4 = keys + (list[i + 4] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 4] * stride));
            float* k5 = keys + (list[i + 5] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 5] * stride));
            float* k6 = keys + (list[i + 6] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 6] * stride));
            float* k7 = keys + (list[i + 7] * stride);
            Sse.Prefetch0(keys + (list[i + Ahead + 7] * stride));
            Vector256<float> a0 = Vector256<float>.Zero;
            Vector256<float> a1 = Vector256<float>.Zero;
            Vector256<float> a2 = Vector256<float>.Zero;
            Vector256<float> a3 = Vector256<float>.Zero;
            Vector256<float> a4 = Vector256<float>.Zero;
            Vector256<float> a5 = Vector256<float>.Zero;
            Vector256<float> a6 = Vector256<float>.Zero;
            Vector256<float> a7 = Vector256<float>.Zero;
            for (nint d = 0; d < whole; d += 8)
            {
                Vector256<float> q = Vector256.Load(query + (2 * d));
                a0 = Fma.MultiplyAdd(q, Vector256.Load(k0 + d), a0);
                a1 = Fma.MultiplyAdd(q, Vector256.Load(k1 + d), a1);
                a2 = Fma.MultiplyAdd(q, Vector256.Load(k2 + d), a2);
                a3 = Fma.MultiplyAdd(q, Vector256.Load(k3 + d), a3);
                a4 = Fma.MultiplyAdd(q, Vector256.Load(k4 + d), a4);
                a5 = Fma.MultiplyAdd(q, Vector256.Load(k5 + d), a5);
                a6 = Fma.MultiplyAdd(q, Vector256.Load(k6 + d), a6);
                a7 = Fma.MultiplyAdd(q, Vector256.Load(k7 + d), a7);
            }

            if (whole != dim)
            {
                Vector256<float> q = Vector256.Load(query + (2 * whole));
                a0 = Fma.MultiplyAdd(q, Avx.MaskLoad(k0 + whole, tail), a0);
                a1 = Fma.MultiplyAdd(q, Avx.MaskLoad(k1 + whole, tail), a1);
                a2 = Fma.MultiplyAdd(q, Avx.MaskLoad(k2 + whole, tail), a2);
                a3 = Fma.MultiplyAdd(q, Avx.MaskLoad(k3 + whole, tail), a3);
                a4 = Fma.MultiplyAdd(q, Avx.MaskLoad(k4 + whole, tail), a4);
                a5 = Fma.MultiplyAdd(q, Avx.MaskLoad(k5 + whole, tail), a5);
                a6 = Fma.MultiplyAdd(q, Avx.MaskLoad(k6 + whole, tail), a6);
                a7 = Fma.MultiplyAdd(q, Avx.MaskLoad(k7 + whole, tail), a7);
            }

            Sum8(a0, a1, a2, a3, a4, a5, a6, a7).Store(logits + i);
        }
    }

    /// <summary>The sums of 8 registers, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sum8(
        Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3,
        Vector256<float> a4, Vector256<float> a5, Vector256<float> a6, Vector256<float> a7)
    {
        Vector256<float> low = Avx.HorizontalAdd(Avx.HorizontalAdd(a0, a1), Avx.HorizontalAdd(a2, a3));
        Vector256<float> high = Avx.HorizontalAdd(Avx.HorizontalAdd(a4, a5), Avx.HorizontalAdd(a6, a7));
        return Avx.Permute2x128(low, high, 0x20) + Avx.Permute2x128(low, high, 0x31);
    }
}
