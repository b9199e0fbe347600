using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// One row of <see cref="DenseAttentionAdvSimd"/>, for calls whose last tile would be mostly empty, decoding above all. Every sum runs in
/// the order of the tiles, so the result has the same bits.
/// Logits: 4 panels of 8 keys at a time, 8 accumulators over keys, the query by element. Values: 64 channels, 16 accumulators, the weights by
/// element; then 8 channels, then single ones.
/// </summary>
internal static unsafe class DenseRowAdvSimd
{
    private const int Panel = DenseAttentionAdvSimd.Tile;
    private const int KeyBlock = DenseAttentionAdvSimd.KeyBlock;

    /// <summary>
    /// <paramref name="query"/> [dim] is scaled; <paramref name="weights"/> has room for a block of keys, <paramref name="widened"/> for its values.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(
        float* query, float* packed, KvRows values, int dim, int visible, float* weights, float* widened, float* output)
    {
        float max = float.NegativeInfinity;
        float sum = 0;
        for (int key = 0; key < visible; key += KeyBlock)
        {
            int keys = Math.Min(KeyBlock, visible - key);
            float top = MathF.Max(max, Logits(query, packed + ((nint)key * dim), keys, dim, weights));
            float factor = key == 0 ? 0 : ExpAdvSimd.Weight(Vector128.CreateScalar(max - top)).ToScalar();
            sum = MathF.FusedMultiplyAdd(sum, factor, Weigh(weights, keys, top));
            max = top;
            float scale = key + keys == visible ? 1 / sum : 1;
            KvRows block = values.From(key);
            if (block.Format != KvFormat.F32)
            {
                block.Widen(keys, dim, widened, dim);
                block = new KvRows(widened, dim);
            }

            Values(weights, block.Floats, block.Stride, dim, keys, factor, scale, output);
        }
    }

    /// <summary>Base-2 logits of the keys, in whole panels; those behind the last key become -∞. Returns the largest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Logits(float* query, float* packed, int keys, int dim, float* logits)
    {
        nint panelFloats = (nint)Panel * dim;
        float* end = query + dim;
        float* end4 = query + (dim & ~3);
        int panels = (keys + Panel - 1) / Panel;
        int panel = 0;
        float* target = logits;
        for (; panel + 4 <= panels; panel += 4)
        {
            float* k0 = packed + (panel * panelFloats);
            float* k1 = k0 + panelFloats;
            float* k2 = k1 + panelFloats;
            float* k3 = k2 + panelFloats;
            float* q = query;
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> b0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> b1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> b2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            Vector128<float> b3 = Vector128<float>.Zero;
            for (; q < end4; q += 4)
            {
                Vector128<float> w = Vector128.Load(q);
                Vector128<float> x00 = Vector128.Load(k0);
                Vector128<float> y00 = Vector128.Load(k0 + 4);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x00, w, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y00, w, 0);
                Vector128<float> x01 = Vector128.Load(k1);
                Vector128<float> y01 = Vector128.Load(k1 + 4);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x01, w, 0);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y01, w, 0);
                Vector128<float> x02 = Vector128.Load(k2);
                Vector128<float> y02 = Vector128.Load(k2 + 4);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x02, w, 0);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y02, w, 0);
                Vector128<float> x03 = Vector128.Load(k3);
                Vector128<float> y03 = Vector128.Load(k3 + 4);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x03, w, 0);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y03, w, 0);
                Vector128<float> x10 = Vector128.Load(k0 + 8);
                Vector128<float> y10 = Vector128.Load(k0 + 12);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x10, w, 1);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y10, w, 1);
                Vector128<float> x11 = Vector128.Load(k1 + 8);
                Vector128<float> y11 = Vector128.Load(k1 + 12);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x11, w, 1);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y11, w, 1);
                Vector128<float> x12 = Vector128.Load(k2 + 8);
                Vector128<float> y12 = Vector128.Load(k2 + 12);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x12, w, 1);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y12, w, 1);
                Vector128<float> x13 = Vector128.Load(k3 + 8);
                Vector128<float> y13 = Vector128.Load(k3 + 12);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x13, w, 1);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y13, w, 1);
                Vector128<float> x20 = Vector128.Load(k0 + 16);
                Vector128<float> y20 = Vector128.Load(k0 + 20);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x20, w, 2);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y20, w, 2);
                Vector128<float> x21 = Vector128.Load(k1 + 16);
                Vector128<float> y21 = Vector128.Load(k1 + 20);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x21, w, 2);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y21, w, 2);
                Vector128<float> x22 = Vector128.Load(k2 + 16);
                Vector128<float> y22 = Vector128.Load(k2 + 20);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x22, w, 2);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y22, w, 2);
                Vector128<float> x23 = Vector128.Load(k3 + 16);
                Vector128<float> y23 = Vector128.Load(k3 + 20);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x23, w, 2);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y23, w, 2);
                Vector128<float> x30 = Vector128.Load(k0 + 24);
                Vector128<float> y30 = Vector128.Load(k0 + 28);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, x30, w, 3);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, y30, w, 3);
                Vector128<float> x31 = Vector128.Load(k1 + 24);
                Vector128<float> y31 = Vector128.Load(k1 + 28);
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, x31, w, 3);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, y31, w, 3);
                Vector128<float> x32 = Vector128.Load(k2 + 24);
                Vector128<float> y32 = Vector128.Load(k2 + 28);
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, x32, w, 3);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, y32, w, 3);
                Vector128<float> x33 = Vector128.Load(k3 + 24);
                Vector128<float> y33 = Vector128.Load(k3 + 28);
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, x33, w, 3);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, y33, w, 3);
                k0 += 4 * Panel;
                k1 += 4 * Panel;
                k2 += 4 * Panel;
                k3 += 4 * Panel;
            }

            for (; q < end; q++)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(*q);
                a0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, Vector128.Load(k0), w, 0);
                b0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, Vector128.Load(k0 + 4), w, 0);
                k0 += Panel;
                a1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, Vector128.Load(k1), w, 0);
                b1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, Vector128.Load(k1 + 4), w, 0);
                k1 += Panel;
                a2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, Vector128.Load(k2), w, 0);
                b2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, Vector128.Load(k2 + 4), w, 0);
                k2 += Panel;
                a3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, Vector128.Load(k3), w, 0);
                b3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, Vector128.Load(k3 + 4), w, 0);
                k3 += Panel;
            }

            a0.Store(target);
            b0.Store(target + 4);
            a1.Store(target + 8);
            b1.Store(target + 12);
            a2.Store(target + 16);
            b2.Store(target + 20);
            a3.Store(target + 24);
            b3.Store(target + 28);
            target += 4 * Panel;
        }

        for (; panel < panels; panel++)
        {
            float* k = packed + (panel * panelFloats);
            Vector128<float> a = Vector128<float>.Zero;
            Vector128<float> b = Vector128<float>.Zero;
            for (float* q = query; q < end; q++)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(*q);
                a = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a, Vector128.Load(k), w, 0);
                b = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b, Vector128.Load(k + 4), w, 0);
                k += Panel;
            }

            a.Store(target);
            b.Store(target + 4);
            target += Panel;
        }

        for (int i = keys; i < panels * Panel; i++)
        {
            logits[i] = float.NegativeInfinity;
        }

        Vector128<float> top0 = Vector128.Load(logits);
        Vector128<float> top1 = Vector128.Load(logits + 4);
        for (float* p = logits + Panel; p < target; p += Panel)
        {
            Vector128<float> a = Vector128.Load(p);
            Vector128<float> b = Vector128.Load(p + 4);
            top0 = AdvSimd.Max(top0, a);
            top1 = AdvSimd.Max(top1, b);
        }

        return AdvSimd.Arm64.MaxAcross(AdvSimd.Max(top0, top1)).ToScalar();
    }

    /// <summary>Logits to weights in place, in whole panels, 0 behind the last key; returns their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Weigh(float* weights, int keys, float top)
    {
        Vector128<float> tops = Vector128.Create(top);
        Vector128<float> sum = Vector128<float>.Zero;
        float* end = weights + (keys & ~(Panel - 1));
        for (float* p = weights; p < end; p += Panel)
        {
            Vector128<float> a = Vector128.Load(p);
            Vector128<float> b = Vector128.Load(p + 4);
            Vector128<float> w0 = ExpAdvSimd.Weight(a - tops);
            Vector128<float> w1 = ExpAdvSimd.Weight(b - tops);
            w0.Store(p);
            w1.Store(p + 4);
            sum += w0;
            sum += w1;
        }

        if ((keys & (Panel - 1)) != 0)
        {
            Vector128<float> lowest = Vector128.Create(float.NegativeInfinity);
            Vector128<float> a = Vector128.Load(end);
            Vector128<float> b = Vector128.Load(end + 4);
            Vector128<float> w0 = AdvSimd.BitwiseClear(ExpAdvSimd.Weight(a - tops), AdvSimd.CompareEqual(a, lowest));
            Vector128<float> w1 = AdvSimd.BitwiseClear(ExpAdvSimd.Weight(b - tops), AdvSimd.CompareEqual(b, lowest));
            w0.Store(end);
            w1.Store(end + 4);
            sum += w0;
            sum += w1;
        }

        sum = AdvSimd.Arm64.AddPairwise(sum, sum);
        return AdvSimd.Arm64.AddPairwiseScalar(sum.GetLower()).ToScalar();
    }

    /// <summary>output = (output·factor + Σ_i w_i·v_i)·scale; output is not read when the factor is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Values(
        float* weights, float* values, nint stride, int dim, int keys, float factor, float scale, float* output)
    {
        Vector128<float> s = Vector128.Create(scale);
        float* end = weights + keys;
        float* end4 = weights + (keys & ~3);
        int d = 0;
        for (; d + 64 <= dim; d += 64)
        {
            float* v = values + d;
            float* w = weights;
            float* o = output + d;
            Vector128<float> s0 = Vector128<float>.Zero;
            Vector128<float> s1 = Vector128<float>.Zero;
            Vector128<float> s2 = Vector128<float>.Zero;
            Vector128<float> s3 = Vector128<float>.Zero;
            Vector128<float> s4 = Vector128<float>.Zero;
            Vector128<float> s5 = Vector128<float>.Zero;
            Vector128<float> s6 = Vector128<float>.Zero;
            Vector128<float> s7 = Vector128<float>.Zero;
            Vector128<float> s8 = Vector128<float>.Zero;
            Vector128<float> s9 = Vector128<float>.Zero;
            Vector128<float> sA = Vector128<float>.Zero;
            Vector128<float> sB = Vector128<float>.Zero;
            Vector128<float> sC = Vector128<float>.Zero;
            Vector128<float> sD = Vector128<float>.Zero;
            Vector128<float> sE = Vector128<float>.Zero;
            Vector128<float> sF = Vector128<float>.Zero;
            while (w < end4)
            {
                Vector128<float> p = Vector128.Load(w);
                w += 4;
                Vector128<float> x00 = Vector128.Load(v);
                Vector128<float> x01 = Vector128.Load(v + 4);
                Vector128<float> x02 = Vector128.Load(v + 8);
                Vector128<float> x03 = Vector128.Load(v + 12);
                Vector128<float> x04 = Vector128.Load(v + 16);
                Vector128<float> x05 = Vector128.Load(v + 20);
                Vector128<float> x06 = Vector128.Load(v + 24);
                Vector128<float> x07 = Vector128.Load(v + 28);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, p, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, p, 0);
                s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, p, 0);
                s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, p, 0);
                s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, p, 0);
                s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, p, 0);
                s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, p, 0);
                s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, p, 0);
                Vector128<float> x08 = Vector128.Load(v + 32);
                Vector128<float> x09 = Vector128.Load(v + 36);
                Vector128<float> x0A = Vector128.Load(v + 40);
                Vector128<float> x0B = Vector128.Load(v + 44);
                Vector128<float> x0C = Vector128.Load(v + 48);
                Vector128<float> x0D = Vector128.Load(v + 52);
                Vector128<float> x0E = Vector128.Load(v + 56);
                Vector128<float> x0F = Vector128.Load(v + 60);
                s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x08, p, 0);
                s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x09, p, 0);
                sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x0A, p, 0);
                sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x0B, p, 0);
                sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x0C, p, 0);
                sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x0D, p, 0);
                sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x0E, p, 0);
                sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x0F, p, 0);
                v += stride;
                Vector128<float> x10 = Vector128.Load(v);
                Vector128<float> x11 = Vector128.Load(v + 4);
                Vector128<float> x12 = Vector128.Load(v + 8);
                Vector128<float> x13 = Vector128.Load(v + 12);
                Vector128<float> x14 = Vector128.Load(v + 16);
                Vector128<float> x15 = Vector128.Load(v + 20);
                Vector128<float> x16 = Vector128.Load(v + 24);
                Vector128<float> x17 = Vector128.Load(v + 28);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x10, p, 1);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x11, p, 1);
                s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x12, p, 1);
                s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x13, p, 1);
                s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x14, p, 1);
                s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x15, p, 1);
                s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x16, p, 1);
                s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x17, p, 1);
                Vector128<float> x18 = Vector128.Load(v + 32);
                Vector128<float> x19 = Vector128.Load(v + 36);
                Vector128<float> x1A = Vector128.Load(v + 40);
                Vector128<float> x1B = Vector128.Load(v + 44);
                Vector128<float> x1C = Vector128.Load(v + 48);
                Vector128<float> x1D = Vector128.Load(v + 52);
                Vector128<float> x1E = Vector128.Load(v + 56);
                Vector128<float> x1F = Vector128.Load(v + 60);
                s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x18, p, 1);
                s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x19, p, 1);
                sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x1A, p, 1);
                sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x1B, p, 1);
                sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x1C, p, 1);
                sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x1D, p, 1);
                sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x1E, p, 1);
                sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x1F, p, 1);
                v += stride;
                Vector128<float> x20 = Vector128.Load(v);
                Vector128<float> x21 = Vector128.Load(v + 4);
                Vector128<float> x22 = Vector128.Load(v + 8);
                Vector128<float> x23 = Vector128.Load(v + 12);
                Vector128<float> x24 = Vector128.Load(v + 16);
                Vector128<float> x25 = Vector128.Load(v + 20);
                Vector128<float> x26 = Vector128.Load(v + 24);
                Vector128<float> x27 = Vector128.Load(v + 28);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x20, p, 2);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x21, p, 2);
                s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x22, p, 2);
                s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x23, p, 2);
                s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x24, p, 2);
                s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x25, p, 2);
                s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x26, p, 2);
                s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x27, p, 2);
                Vector128<float> x28 = Vector128.Load(v + 32);
                Vector128<float> x29 = Vector128.Load(v + 36);
                Vector128<float> x2A = Vector128.Load(v + 40);
                Vector128<float> x2B = Vector128.Load(v + 44);
                Vector128<float> x2C = Vector128.Load(v + 48);
                Vector128<float> x2D = Vector128.Load(v + 52);
                Vector128<float> x2E = Vector128.Load(v + 56);
                Vector128<float> x2F = Vector128.Load(v + 60);
                s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x28, p, 2);
                s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x29, p, 2);
                sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x2A, p, 2);
                sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x2B, p, 2);
                sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x2C, p, 2);
                sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x2D, p, 2);
                sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x2E, p, 2);
                sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x2F, p, 2);
                v += stride;
                Vector128<float> x30 = Vector128.Load(v);
                Vector128<float> x31 = Vector128.Load(v + 4);
                Vector128<float> x32 = Vector128.Load(v + 8);
                Vector128<float> x33 = Vector128.Load(v + 12);
                Vector128<float> x34 = Vector128.Load(v + 16);
                Vector128<float> x35 = Vector128.Load(v + 20);
                Vector128<float> x36 = Vector128.Load(v + 24);
                Vector128<float> x37 = Vector128.Load(v + 28);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x30, p, 3);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x31, p, 3);
                s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x32, p, 3);
                s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x33, p, 3);
                s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x34, p, 3);
                s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x35, p, 3);
                s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x36, p, 3);
                s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x37, p, 3);
                Vector128<float> x38 = Vector128.Load(v + 32);
                Vector128<float> x39 = Vector128.Load(v + 36);
                Vector128<float> x3A = Vector128.Load(v + 40);
                Vector128<float> x3B = Vector128.Load(v + 44);
                Vector128<float> x3C = Vector128.Load(v + 48);
                Vector128<float> x3D = Vector128.Load(v + 52);
                Vector128<float> x3E = Vector128.Load(v + 56);
                Vector128<float> x3F = Vector128.Load(v + 60);
                s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x38, p, 3);
                s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x39, p, 3);
                sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x3A, p, 3);
                sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x3B, p, 3);
                sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x3C, p, 3);
                sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x3D, p, 3);
                sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x3E, p, 3);
                sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x3F, p, 3);
                v += stride;
            }

            for (; w < end; w++)
            {
                Vector128<float> p = Vector128.CreateScalarUnsafe(*w);
                Vector128<float> x00 = Vector128.Load(v);
                Vector128<float> x01 = Vector128.Load(v + 4);
                Vector128<float> x02 = Vector128.Load(v + 8);
                Vector128<float> x03 = Vector128.Load(v + 12);
                Vector128<float> x04 = Vector128.Load(v + 16);
                Vector128<float> x05 = Vector128.Load(v + 20);
                Vector128<float> x06 = Vector128.Load(v + 24);
                Vector128<float> x07 = Vector128.Load(v + 28);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, p, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, p, 0);
                s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, p, 0);
                s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, p, 0);
                s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, p, 0);
                s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, p, 0);
                s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, p, 0);
                s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, p, 0);
                Vector128<float> x08 = Vector128.Load(v + 32);
                Vector128<float> x09 = Vector128.Load(v + 36);
                Vector128<float> x0A = Vector128.Load(v + 40);
                Vector128<float> x0B = Vector128.Load(v + 44);
                Vector128<float> x0C = Vector128.Load(v + 48);
                Vector128<float> x0D = Vector128.Load(v + 52);
                Vector128<float> x0E = Vector128.Load(v + 56);
                Vector128<float> x0F = Vector128.Load(v + 60);
                s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x08, p, 0);
                s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x09, p, 0);
                sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x0A, p, 0);
                sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x0B, p, 0);
                sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x0C, p, 0);
                sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x0D, p, 0);
                sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x0E, p, 0);
                sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x0F, p, 0);
                v += stride;
            }

            if (factor != 0)
            {
                Vector128<float> f = Vector128.Create(factor);
                s0 = AdvSimd.FusedMultiplyAdd(s0, Vector128.Load(o), f);
                s1 = AdvSimd.FusedMultiplyAdd(s1, Vector128.Load(o + 4), f);
                s2 = AdvSimd.FusedMultiplyAdd(s2, Vector128.Load(o + 8), f);
                s3 = AdvSimd.FusedMultiplyAdd(s3, Vector128.Load(o + 12), f);
                s4 = AdvSimd.FusedMultiplyAdd(s4, Vector128.Load(o + 16), f);
                s5 = AdvSimd.FusedMultiplyAdd(s5, Vector128.Load(o + 20), f);
                s6 = AdvSimd.FusedMultiplyAdd(s6, Vector128.Load(o + 24), f);
                s7 = AdvSimd.FusedMultiplyAdd(s7, Vector128.Load(o + 28), f);
                s8 = AdvSimd.FusedMultiplyAdd(s8, Vector128.Load(o + 32), f);
                s9 = AdvSimd.FusedMultiplyAdd(s9, Vector128.Load(o + 36), f);
                sA = AdvSimd.FusedMultiplyAdd(sA, Vector128.Load(o + 40), f);
                sB = AdvSimd.FusedMultiplyAdd(sB, Vector128.Load(o + 44), f);
                sC = AdvSimd.FusedMultiplyAdd(sC, Vector128.Load(o + 48), f);
                sD = AdvSimd.FusedMultiplyAdd(sD, Vector128.Load(o + 52), f);
                sE = AdvSimd.FusedMultiplyAdd(sE, Vector128.Load(o + 56), f);
                sF = AdvSimd.FusedMultiplyAdd(sF, Vector128.Load(o + 60), f);
            }

            (s0 * s).Store(o);
            (s1 * s).Store(o + 4);
            (s2 * s).Store(o + 8);
            (s3 * s).Store(o + 12);
            (s4 * s).Store(o + 16);
            (s5 * s).Store(o + 20);
            (s6 * s).Store(o + 24);
            (s7 * s).Store(o + 28);
            (s8 * s).Store(o + 32);
            (s9 * s).Store(o + 36);
            (sA * s).Store(o + 40);
            (sB * s).Store(o + 44);
            (sC * s).Store(o + 48);
            (sD * s).Store(o + 52);
            (sE * s).Store(o + 56);
            (sF * s).Store(o + 60);
        }

        for (; d + 8 <= dim; d += 8)
        {
            float* v = values + d;
            Vector128<float> a = Vector128<float>.Zero;
            Vector128<float> b = Vector128<float>.Zero;
            for (float* w = weights; w < end; w++)
            {
                Vector128<float> p = Vector128.CreateScalarUnsafe(*w);
                Vector128<float> x = Vector128.Load(v);
                Vector128<float> y = Vector128.Load(v + 4);
                v += stride;
                a = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a, x, p, 0);
                b = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b, y, p, 0);
            }

            if (factor != 0)
            {
                Vector128<float> f = Vector128.Create(factor);
                a = AdvSimd.FusedMultiplyAdd(a, Vector128.Load(output + d), f);
                b = AdvSimd.FusedMultiplyAdd(b, Vector128.Load(output + d + 4), f);
            }

            (a * s).Store(output + d);
            (b * s).Store(output + d + 4);
        }

        for (; d < dim; d++)
        {
            float sum = 0;
            for (int i = 0; i < keys; i++)
            {
                sum = MathF.FusedMultiplyAdd(values[(i * stride) + d], weights[i], sum);
            }

            output[d] = (factor == 0 ? sum : MathF.FusedMultiplyAdd(output[d], factor, sum)) * scale;
        }
    }
}
