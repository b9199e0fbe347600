using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// logit_ri = factor·q_r·k_i of one or two rows against listed keys in a 16-bit format, which are widened in registers, once for both rows.
/// Four keys at a time: an accumulator per key and row over 4 channels, 16 channels of the four keys as loaded, 8 of the queries. Channels: steps of
/// 16, one of 8, single ones. q16's scales are part of the queries, what fp16 lacks is part of the factors.
/// </summary>
internal static unsafe class GatherShortLogitsAdvSimd
{
    /// <summary>
    /// Logits of the listed keys, and up to 3 numbers behind them; they take part in <paramref name="maxima"/> [rows][4].
    /// <paramref name="query1"/> and <paramref name="logits1"/> are used with <see cref="TwoRows"/> only.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TFormat, TRows>(
        float* query0, float* query1, ushort* keys, nint stride, int dim, int* list, int count, float power, float* logits0, float* logits1,
        float* maxima)
        where TFormat : struct, IShortFormatAdvSimd
        where TRows : struct, IRowsAdvSimd
    {
        nint strideBytes = stride * sizeof(ushort);
        Vector128<ushort> zero = IShortFormatAdvSimd.Zero(dim);
        float* end16 = query0 + (dim & ~15);
        Vector128<float> lacking = Vector128.Create(typeof(TFormat) == typeof(F16AdvSimd) ? F16AdvSimd.Lacking : 1);
        Vector128<float> factor = Vector128.Create(power);

        // Three keys left over are a group that overlaps the one before; one or two are cheaper one by one.
        int single = (count & 3) == 3 && count > 3 ? 0 : count & 3;
        int* next = list;
        int* groupsEnd = list + (count & ~3);
        int* stop = list + (count - single);
        Vector128<float> max0 = Vector128.Load(maxima);
        Vector128<float> max1 = Vector128.Load(maxima + (typeof(TRows) == typeof(TwoRows) ? 4 : 0));
        float* out0 = logits0;
        float* out1 = logits1;
        while (next < stop)
        {
            if (next == groupsEnd)
            {
                next = stop - 4;
                out0 = logits0 + (count - 4);
                out1 = logits1 + (count - 4);
            }

            nint i0 = (nint)(uint)next[0];
            nint i1 = (nint)(uint)next[1];
            nint i2 = (nint)(uint)next[2];
            nint i3 = (nint)(uint)next[3];
            next += 4;
            ushort* k0 = (ushort*)((byte*)keys + (i0 * strideBytes));
            ushort* k1 = (ushort*)((byte*)keys + (i1 * strideBytes));
            ushort* k2 = (ushort*)((byte*)keys + (i2 * strideBytes));
            ushort* k3 = (ushort*)((byte*)keys + (i3 * strideBytes));
            float* q0 = query0;
            float* q1 = query1;
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            Vector128<float> b0 = Vector128<float>.Zero;
            Vector128<float> b1 = Vector128<float>.Zero;
            Vector128<float> b2 = Vector128<float>.Zero;
            Vector128<float> b3 = Vector128<float>.Zero;
            for (; q0 < end16; q0 += 16, q1 += 16, k0 += 16, k1 += 16, k2 += 16, k3 += 16)
            {
                Vector128<ushort> h0 = Vector128.Load(k0);
                Vector128<ushort> g0 = Vector128.Load(k0 + 8);
                Vector128<ushort> h1 = Vector128.Load(k1);
                Vector128<ushort> g1 = Vector128.Load(k1 + 8);
                Vector128<ushort> h2 = Vector128.Load(k2);
                Vector128<ushort> g2 = Vector128.Load(k2 + 8);
                Vector128<ushort> h3 = Vector128.Load(k3);
                Vector128<ushort> g3 = Vector128.Load(k3 + 8);
                Vector128<float> p0 = Vector128.Load(q0);
                Vector128<float> u0 = Vector128.Load(q0 + 4);
                Vector128<float> y0_0 = TFormat.Upper(h0, zero);
                Vector128<float> y0_1 = TFormat.Upper(h1, zero);
                Vector128<float> y0_2 = TFormat.Upper(h2, zero);
                Vector128<float> y0_3 = TFormat.Upper(h3, zero);
                Vector128<float> x0_0 = TFormat.Lower(h0, zero);
                Vector128<float> x0_1 = TFormat.Lower(h1, zero);
                Vector128<float> x0_2 = TFormat.Lower(h2, zero);
                Vector128<float> x0_3 = TFormat.Lower(h3, zero);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);

                if (typeof(TRows) == typeof(TwoRows))
                {
                    Vector128<float> r0 = Vector128.Load(q1);
                    Vector128<float> w0 = Vector128.Load(q1 + 4);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x0_0, r0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x0_1, r0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x0_2, r0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x0_3, r0);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, y0_0, w0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, y0_1, w0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, y0_2, w0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, y0_3, w0);
                }

                Vector128<float> p8 = Vector128.Load(q0 + 8);
                Vector128<float> u8 = Vector128.Load(q0 + 12);
                Vector128<float> y8_0 = TFormat.Upper(g0, zero);
                Vector128<float> y8_1 = TFormat.Upper(g1, zero);
                Vector128<float> y8_2 = TFormat.Upper(g2, zero);
                Vector128<float> y8_3 = TFormat.Upper(g3, zero);
                Vector128<float> x8_0 = TFormat.Lower(g0, zero);
                Vector128<float> x8_1 = TFormat.Lower(g1, zero);
                Vector128<float> x8_2 = TFormat.Lower(g2, zero);
                Vector128<float> x8_3 = TFormat.Lower(g3, zero);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x8_0, p8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x8_1, p8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x8_2, p8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x8_3, p8);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);

                if (typeof(TRows) == typeof(TwoRows))
                {
                    Vector128<float> r8 = Vector128.Load(q1 + 8);
                    Vector128<float> w8 = Vector128.Load(q1 + 12);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x8_0, r8);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x8_1, r8);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x8_2, r8);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x8_3, r8);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, y8_0, w8);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, y8_1, w8);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, y8_2, w8);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, y8_3, w8);
                }
            }

            if ((dim & 8) != 0)
            {
                Vector128<ushort> h0 = Vector128.Load(k0);
                Vector128<ushort> h1 = Vector128.Load(k1);
                Vector128<ushort> h2 = Vector128.Load(k2);
                Vector128<ushort> h3 = Vector128.Load(k3);
                Vector128<float> p0 = Vector128.Load(q0);
                Vector128<float> u0 = Vector128.Load(q0 + 4);
                Vector128<float> y0_0 = TFormat.Upper(h0, zero);
                Vector128<float> y0_1 = TFormat.Upper(h1, zero);
                Vector128<float> y0_2 = TFormat.Upper(h2, zero);
                Vector128<float> y0_3 = TFormat.Upper(h3, zero);
                Vector128<float> x0_0 = TFormat.Lower(h0, zero);
                Vector128<float> x0_1 = TFormat.Lower(h1, zero);
                Vector128<float> x0_2 = TFormat.Lower(h2, zero);
                Vector128<float> x0_3 = TFormat.Lower(h3, zero);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);

                if (typeof(TRows) == typeof(TwoRows))
                {
                    Vector128<float> r0 = Vector128.Load(q1);
                    Vector128<float> w0 = Vector128.Load(q1 + 4);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x0_0, r0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x0_1, r0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x0_2, r0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x0_3, r0);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, y0_0, w0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, y0_1, w0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, y0_2, w0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, y0_3, w0);
                }
                q0 += 8;
                q1 += 8;
                k0 += 8;
                k1 += 8;
                k2 += 8;
                k3 += 8;
            }

            for (int d = dim & ~7; d < dim; d++)
            {
                Vector128<float> p = Vector128.CreateScalar(*q0++);
                Vector128<float> x0 = TFormat.Lower(Vector128.CreateScalar(*k0++), zero);
                Vector128<float> x1 = TFormat.Lower(Vector128.CreateScalar(*k1++), zero);
                Vector128<float> x2 = TFormat.Lower(Vector128.CreateScalar(*k2++), zero);
                Vector128<float> x3 = TFormat.Lower(Vector128.CreateScalar(*k3++), zero);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0, p);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x1, p);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x2, p);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x3, p);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    Vector128<float> r = Vector128.CreateScalar(*q1++);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x0, r);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x1, r);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x2, r);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x3, r);
                }
            }

            Vector128<float> sums0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            sums0 = sums0 * lacking * factor;
            max0 = AdvSimd.Max(max0, sums0);
            sums0.Store(out0);
            out0 += 4;
            if (typeof(TRows) == typeof(TwoRows))
            {
                Vector128<float> sums1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(b0, b1), AdvSimd.Arm64.AddPairwise(b2, b3));
                sums1 = sums1 * lacking * factor;
                max1 = AdvSimd.Max(max1, sums1);
                sums1.Store(out1);
                out1 += 4;
            }
        }

        for (int i = count - single; i < count; i++)
        {
            ushort* key = keys + (list[i] * stride);
            Vector128<float> logit0 = Vector128.Create(Single<TFormat>(query0, key, dim)) * lacking * factor;
            logits0[i] = logit0.ToScalar();
            max0 = AdvSimd.Max(max0, logit0);
            if (typeof(TRows) == typeof(TwoRows))
            {
                Vector128<float> logit1 = Vector128.Create(Single<TFormat>(query1, key, dim)) * lacking * factor;
                logits1[i] = logit1.ToScalar();
                max1 = AdvSimd.Max(max1, logit1);
            }
        }

        max0.Store(maxima);
        if (typeof(TRows) == typeof(TwoRows))
        {
            max1.Store(maxima + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Single<TFormat>(float* query, ushort* key, int dim)
        where TFormat : struct, IShortFormatAdvSimd
    {
        Vector128<float> a0 = Vector128<float>.Zero;
        Vector128<float> a1 = Vector128<float>.Zero;
        Vector128<ushort> zero = IShortFormatAdvSimd.Zero(dim);
        float* end = query + dim;
        for (float* end8 = query + (dim & ~7); query < end8; query += 8, key += 8)
        {
            Vector128<ushort> h = Vector128.Load(key);
            Vector128<float> p = Vector128.Load(query);
            Vector128<float> u = Vector128.Load(query + 4);
            a1 = AdvSimd.FusedMultiplyAdd(a1, TFormat.Upper(h, zero), u);
            a0 = AdvSimd.FusedMultiplyAdd(a0, TFormat.Lower(h, zero), p);
        }

        for (; query < end; query++, key++)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, TFormat.Lower(Vector128.CreateScalar(*key), zero), Vector128.CreateScalar(*query));
        }

        a0 += a1;
        a0 = AdvSimd.Arm64.AddPairwise(a0, a0);
        return AdvSimd.Arm64.AddPairwiseScalar(a0.GetLower()).ToScalar();
    }
}
