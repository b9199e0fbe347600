using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Logits of listed keys. Queries lie as chunks of 16 channels, [dim/16][2 rows][16], zero behind dim. Registers of the pair: 8 keys x 2 rows = 16 accumulators, 2 query chunks, 1 key chunk, and a tree of
/// 30 shuffles and 15 additions that leaves the 16 sums in order. One row: 8 accumulators, key chunks as memory operands.
/// While a tile is computed the rows of the next one are fetched, one key per chunk.
/// </summary>
internal static unsafe class GatherLogitsAvx512
{
    /// <summary>q0·k and q1·k of the listed keys; writes up to 7 entries behind each of the two results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair(float* queries, float* keys, nint stride, int dim, int* list, int count, float* logits0, float* logits1)
    {
        nint whole = dim & ~15;
        Vector512<float> tail = LaneMasks.First512(dim & 15).AsSingle();
        for (int i = 0; i < count; i += 8)
        {
            int last = count - 1;
            float* k0 = keys + (list[Math.Min(i + 0, last)] * stride);
            float* k1 = keys + (list[Math.Min(i + 1, last)] * stride);
            float* k2 = keys + (list[Math.Min(i + 2, last)] * stride);
            float* k3 = keys + (list[Math.Min(i + 3, last)] * stride);
            float* k4 = keys + (list[Math.Min(i + 4, last)] * stride);
            float* k5 = keys + (list[Math.Min(i + 5, last)] * stride);
            float* k6 = keys + (list[Math.Min(i + 6, last)] * stride);
            float* k7 = keys + (list[Math.Min(i + 7, last)] * stride);
            Vector512<float> a0 = Vector512<float>.Zero;
            Vector512<float> a1 = Vector512<float>.Zero;
            Vector512<float> a2 = Vector512<float>.Zero;
            Vector512<float> a3 = Vector512<float>.Zero;
            Vector512<float> a4 = Vector512<float>.Zero;
            Vector512<float> a5 = Vector512<float>.Zero;
            Vector512<float> a6 = Vector512<float>.Zero;
            Vector512<float> a7 = Vector512<float>.Zero;
            Vector512<float> b0 = Vector512<float>.Zero;
            Vector512<float> b1 = Vector512<float>.Zero;
            Vector512<float> b2 = Vector512<float>.Zero;
            Vector512<float> b3 = Vector512<float>.Zero;
            Vector512<float> b4 = Vector512<float>.Zero;
            Vector512<float> b5 = Vector512<float>.Zero;
            Vector512<float> b6 = Vector512<float>.Zero;
            Vector512<float> b7 = Vector512<float>.Zero;
            float* q = queries;
            for (nint d = 0; d < whole; d += 16, q += 32)
            {
                Vector512<float> q0 = Vector512.Load(q);
                Vector512<float> q1 = Vector512.Load(q + 16);
                Vector512<float> x0 = Vector512.Load(k0 + d);
                a0 = Avx512F.FusedMultiplyAdd(q0, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(q1, x0, b0);
                Vector512<float> x1 = Vector512.Load(k1 + d);
                a1 = Avx512F.FusedMultiplyAdd(q0, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(q1, x1, b1);
                Vector512<float> x2 = Vector512.Load(k2 + d);
                a2 = Avx512F.FusedMultiplyAdd(q0, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(q1, x2, b2);
                Vector512<float> x3 = Vector512.Load(k3 + d);
                a3 = Avx512F.FusedMultiplyAdd(q0, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(q1, x3, b3);
                Vector512<float> x4 = Vector512.Load(k4 + d);
                a4 = Avx512F.FusedMultiplyAdd(q0, x4, a4);
                b4 = Avx512F.FusedMultiplyAdd(q1, x4, b4);
                Vector512<float> x5 = Vector512.Load(k5 + d);
                a5 = Avx512F.FusedMultiplyAdd(q0, x5, a5);
                b5 = Avx512F.FusedMultiplyAdd(q1, x5, b5);
                Vector512<float> x6 = Vector512.Load(k6 + d);
                a6 = Avx512F.FusedMultiplyAdd(q0, x6, a6);
                b6 = Avx512F.FusedMultiplyAdd(q1, x6, b6);
                Vector512<float> x7 = Vector512.Load(k7 + d);
                a7 = Avx512F.FusedMultiplyAdd(q0, x7, a7);
                b7 = Avx512F.FusedMultiplyAdd(q1, x7, b7);
            }

            if (whole != dim)
            {
                Vector512<float> q0 = Vector512.Load(q);
                Vector512<float> q1 = Vector512.Load(q + 16);
                Vector512<float> x0 = Avx512F.MaskLoad(k0 + whole, tail, Vector512<float>.Zero);
                a0 = Avx512F.FusedMultiplyAdd(q0, x0, a0);
                b0 = Avx512F.FusedMultiplyAdd(q1, x0, b0);
                Vector512<float> x1 = Avx512F.MaskLoad(k1 + whole, tail, Vector512<float>.Zero);
                a1 = Avx512F.FusedMultiplyAdd(q0, x1, a1);
                b1 = Avx512F.FusedMultiplyAdd(q1, x1, b1);
                Vector512<float> x2 = Avx512F.MaskLoad(k2 + whole, tail, Vector512<float>.Zero);
                a2 = Avx512F.FusedMultiplyAdd(q0, x2, a2);
                b2 = Avx512F.FusedMultiplyAdd(q1, x2, b2);
                Vector512<float> x3 = Avx512F.MaskLoad(k3 + whole, tail, Vector512<float>.Zero);
                a3 = Avx512F.FusedMultiplyAdd(q0, x3, a3);
                b3 = Avx512F.FusedMultiplyAdd(q1, x3, b3);
                Vector512<float> x4 = Avx512F.MaskLoad(k4 + whole, tail, Vector512<float>.Zero);
                a4 = Avx512F.FusedMultiplyAdd(q0, x4, a4);
                b4 = Avx512F.FusedMultiplyAdd(q1, x4, b4);
                Vector512<float> x5 = Avx512F.MaskLoad(k5 + whole, tail, Vector512<float>.Zero);
                a5 = Avx512F.FusedMultiplyAdd(q0, x5, a5);
                b5 = Avx512F.FusedMultiplyAdd(q1, x5, b5);
                Vector512<float> x6 = Avx512F.MaskLoad(k6 + whole, tail, Vector512<float>.Zero);
                a6 = Avx512F.FusedMultiplyAdd(q0, x6, a6);
                b6 = Avx512F.FusedMultiplyAdd(q1, x6, b6);
                Vector512<float> x7 = Avx512F.MaskLoad(k7 + whole, tail, Vector512<float>.Zero);
                a7 = Avx512F.FusedMultiplyAdd(q0, x7, a7);
                b7 = Avx512F.FusedMultiplyAdd(q1, x7, b7);
            }

            Vector512<float> sums = Sum16(a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7);
            sums.GetLower().Store(logits0 + i);
            sums.GetUpper().Store(logits1 + i);
        }
    }

    /// <summary>q·k of the listed keys, chunks of the query 32 elements apart; writes up to 7 entries behind the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(float* query, float* keys, nint stride, int dim, int* list, int count, float* logits)
    {
        nint whole = dim & ~15;
        Vector512<float> tail = LaneMasks.First512(dim & 15).AsSingle();
        for (int i = 0; i < count; i += 8)
        {
            int last = count - 1;
            float* k0 = keys + (list[Math.Min(i + 0, last)] * stride);
            float* k1 = keys + (list[Math.Min(i + 1, last)] * stride);
            float* k2 = keys + (list[Math.Min(i + 2, last)] * stride);
            float* k3 = keys + (list[Math.Min(i + 3, last)] * stride);
            float* k4 = keys + (list[Math.Min(i + 4, last)] * stride);
            float* k5 = keys + (list[Math.Min(i + 5, last)] * stride);
            float* k6 = keys + (list[Math.Min(i + 6, last)] * stride);
            float* k7 = keys + (list[Math.Min(i + 7, last)] * stride);
            Vector512<float> a0 = Vector512<float>.Zero;
            Vector512<float> a1 = Vector512<float>.Zero;
            Vector512<float> a2 = Vector512<float>.Zero;
            Vector512<float> a3 = Vector512<float>.Zero;
            Vector512<float> a4 = Vector512<float>.Zero;
            Vector512<float> a5 = Vector512<float>.Zero;
            Vector512<float> a6 = Vector512<float>.Zero;
            Vector512<float> a7 = Vector512<float>.Zero;
            for (nint d = 0; d < whole; d += 16)
            {
                Vector512<float> q = Vector512.Load(query + (2 * d));
                a0 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k0 + d), a0);
                a1 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k1 + d), a1);
                a2 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k2 + d), a2);
                a3 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k3 + d), a3);
                a4 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k4 + d), a4);
                a5 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k5 + d), a5);
                a6 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k6 + d), a6);
                a7 = Avx512F.FusedMultiplyAdd(q, Vector512.Load(k7 + d), a7);
            }

            if (whole != dim)
            {
                Vector512<float> q = Vector512.Load(query + (2 * whole));
                a0 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k0 + whole, tail, Vector512<float>.Zero), a0);
                a1 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k1 + whole, tail, Vector512<float>.Zero), a1);
                a2 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k2 + whole, tail, Vector512<float>.Zero), a2);
                a3 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k3 + whole, tail, Vector512<float>.Zero), a3);
                a4 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k4 + whole, tail, Vector512<float>.Zero), a4);
                a5 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k5 + whole, tail, Vector512<float>.Zero), a5);
                a6 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k6 + whole, tail, Vector512<float>.Zero), a6);
                a7 = Avx512F.FusedMultiplyAdd(q, Avx512F.MaskLoad(k7 + whole, tail, Vector512<float>.Zero), a7);
            }

            Sum8(a0, a1, a2, a3, a4, a5, a6, a7).Store(logits + i);
        }
    }

    /// <summary>The sums of 16 registers, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sum16(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3,
        Vector512<float> a4, Vector512<float> a5, Vector512<float> a6, Vector512<float> a7,
        Vector512<float> b0, Vector512<float> b1, Vector512<float> b2, Vector512<float> b3,
        Vector512<float> b4, Vector512<float> b5, Vector512<float> b6, Vector512<float> b7)
    {
        Vector512<float> a = Across(Sum4(a0, a1, a2, a3), Sum4(a4, a5, a6, a7));
        Vector512<float> b = Across(Sum4(b0, b1, b2, b3), Sum4(b4, b5, b6, b7));
        return Across(a, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sum8(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3,
        Vector512<float> a4, Vector512<float> a5, Vector512<float> a6, Vector512<float> a7)
    {
        Vector512<float> a = Across(Sum4(a0, a1, a2, a3), Sum4(a4, a5, a6, a7));
        return Across(a, a).GetLower();
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
