using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of listed keys. Queries lie as chunks of 16 channels, [dim/16][2 rows][16], zero behind dim. 16-bit keys are widened in registers
/// (<see cref="IKvLoad256"/>). Registers of the pair: 4 keys x 2 rows = 8
/// accumulators, 2 query chunks, 1 key chunk, and a tree of horizontal additions that leaves the 8 sums in order. One row: 8 keys, 8
/// accumulators, key chunks as memory operands. Keys are fetched ahead (<see cref="IRowFetch"/>).
/// </summary>
internal static unsafe class GatherLogitsAvx2
{
    /// <summary>q0·k and q1·k of the listed keys; writes up to 3 entries behind each of the two results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair<TLoad, TFetch>(float* queries, byte* keys, nint stride, int dim, int* list, int count, float* logits0, float* logits1)
        where TLoad : struct, IKvLoad256
        where TFetch : struct, IRowFetch
    {
        nint whole = dim & ~7;
        nint bytes = dim * TLoad.Bytes;
        Vector256<int> tail = LaneMasks.First256(dim & 7);
        for (int i = 0; i < count; i += 4)
        {
            byte* k0 = keys + (list[i] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead] * stride), bytes);
            byte* k1 = keys + (list[i + 1] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 1] * stride), bytes);
            byte* k2 = keys + (list[i + 2] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 2] * stride), bytes);
            byte* k3 = keys + (list[i + 3] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 3] * stride), bytes);
            Vector256<float> a0 = Vector256<float>.Zero;
            Vector256<float> a1 = Vector256<float>.Zero;
            Vector256<float> a2 = Vector256<float>.Zero;
            Vector256<float> a3 = Vector256<float>.Zero;
            Vector256<float> b0 = Vector256<float>.Zero;
            Vector256<float> b1 = Vector256<float>.Zero;
            Vector256<float> b2 = Vector256<float>.Zero;
            Vector256<float> b3 = Vector256<float>.Zero;
            for (nint d = 0; d < whole; d += 8)
            {
                float* q = queries + d + (d & ~15);
                Vector256<float> q0 = Vector256.Load(q);
                Vector256<float> q1 = Vector256.Load(q + 16);
                Vector256<float> x0 = TLoad.Load(k0 + (d * TLoad.Bytes));
                a0 = Fma.MultiplyAdd(q0, x0, a0);
                b0 = Fma.MultiplyAdd(q1, x0, b0);
                Vector256<float> x1 = TLoad.Load(k1 + (d * TLoad.Bytes));
                a1 = Fma.MultiplyAdd(q0, x1, a1);
                b1 = Fma.MultiplyAdd(q1, x1, b1);
                Vector256<float> x2 = TLoad.Load(k2 + (d * TLoad.Bytes));
                a2 = Fma.MultiplyAdd(q0, x2, a2);
                b2 = Fma.MultiplyAdd(q1, x2, b2);
                Vector256<float> x3 = TLoad.Load(k3 + (d * TLoad.Bytes));
                a3 = Fma.MultiplyAdd(q0, x3, a3);
                b3 = Fma.MultiplyAdd(q1, x3, b3);
            }

            if (whole != dim)
            {
                float* q = queries + whole + (whole & ~15);
                Vector256<float> q0 = Vector256.Load(q);
                Vector256<float> q1 = Vector256.Load(q + 16);
                Vector256<float> x0 = TLoad.LoadPart(k0 + (whole * TLoad.Bytes), tail);
                a0 = Fma.MultiplyAdd(q0, x0, a0);
                b0 = Fma.MultiplyAdd(q1, x0, b0);
                Vector256<float> x1 = TLoad.LoadPart(k1 + (whole * TLoad.Bytes), tail);
                a1 = Fma.MultiplyAdd(q0, x1, a1);
                b1 = Fma.MultiplyAdd(q1, x1, b1);
                Vector256<float> x2 = TLoad.LoadPart(k2 + (whole * TLoad.Bytes), tail);
                a2 = Fma.MultiplyAdd(q0, x2, a2);
                b2 = Fma.MultiplyAdd(q1, x2, b2);
                Vector256<float> x3 = TLoad.LoadPart(k3 + (whole * TLoad.Bytes), tail);
                a3 = Fma.MultiplyAdd(q0, x3, a3);
                b3 = Fma.MultiplyAdd(q1, x3, b3);
            }

            Vector256<float> sums = Sum8(a0, a1, a2, a3, b0, b1, b2, b3);
            sums.GetLower().Store(logits0 + i);
            sums.GetUpper().Store(logits1 + i);
        }
    }

    /// <summary>q·k of the listed keys, chunks of the query 32 elements apart; writes up to 7 entries behind the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One<TLoad, TFetch>(float* query, byte* keys, nint stride, int dim, int* list, int count, float* logits)
        where TLoad : struct, IKvLoad256
        where TFetch : struct, IRowFetch
    {
        nint whole = dim & ~7;
        nint bytes = dim * TLoad.Bytes;
        Vector256<int> tail = LaneMasks.First256(dim & 7);
        for (int i = 0; i < count; i += 8)
        {
            byte* k0 = keys + (list[i] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead] * stride), bytes);
            byte* k1 = keys + (list[i + 1] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 1] * stride), bytes);
            byte* k2 = keys + (list[i + 2] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 2] * stride), bytes);
            byte* k3 = keys + (list[i + 3] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 3] * stride), bytes);
            byte* k4 = keys + (list[i + 4] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 4] * stride), bytes);
            byte* k5 = keys + (list[i + 5] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 5] * stride), bytes);
            byte* k6 = keys + (list[i + 6] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 6] * stride), bytes);
            byte* k7 = keys + (list[i + 7] * stride);
            TFetch.Fetch(keys + (list[i + TFetch.Ahead + 7] * stride), bytes);
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
                Vector256<float> q = Vector256.Load(query + d + (d & ~15));
                a0 = Fma.MultiplyAdd(q, TLoad.Load(k0 + (d * TLoad.Bytes)), a0);
                a1 = Fma.MultiplyAdd(q, TLoad.Load(k1 + (d * TLoad.Bytes)), a1);
                a2 = Fma.MultiplyAdd(q, TLoad.Load(k2 + (d * TLoad.Bytes)), a2);
                a3 = Fma.MultiplyAdd(q, TLoad.Load(k3 + (d * TLoad.Bytes)), a3);
                a4 = Fma.MultiplyAdd(q, TLoad.Load(k4 + (d * TLoad.Bytes)), a4);
                a5 = Fma.MultiplyAdd(q, TLoad.Load(k5 + (d * TLoad.Bytes)), a5);
                a6 = Fma.MultiplyAdd(q, TLoad.Load(k6 + (d * TLoad.Bytes)), a6);
                a7 = Fma.MultiplyAdd(q, TLoad.Load(k7 + (d * TLoad.Bytes)), a7);
            }

            if (whole != dim)
            {
                Vector256<float> q = Vector256.Load(query + whole + (whole & ~15));
                a0 = Fma.MultiplyAdd(q, TLoad.LoadPart(k0 + (whole * TLoad.Bytes), tail), a0);
                a1 = Fma.MultiplyAdd(q, TLoad.LoadPart(k1 + (whole * TLoad.Bytes), tail), a1);
                a2 = Fma.MultiplyAdd(q, TLoad.LoadPart(k2 + (whole * TLoad.Bytes), tail), a2);
                a3 = Fma.MultiplyAdd(q, TLoad.LoadPart(k3 + (whole * TLoad.Bytes), tail), a3);
                a4 = Fma.MultiplyAdd(q, TLoad.LoadPart(k4 + (whole * TLoad.Bytes), tail), a4);
                a5 = Fma.MultiplyAdd(q, TLoad.LoadPart(k5 + (whole * TLoad.Bytes), tail), a5);
                a6 = Fma.MultiplyAdd(q, TLoad.LoadPart(k6 + (whole * TLoad.Bytes), tail), a6);
                a7 = Fma.MultiplyAdd(q, TLoad.LoadPart(k7 + (whole * TLoad.Bytes), tail), a7);
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
