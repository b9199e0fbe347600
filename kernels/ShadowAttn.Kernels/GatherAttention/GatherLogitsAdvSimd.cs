using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// logit_i = power·q·k_i of listed keys. Four keys at a time, for one row or two: an accumulator per key and row over 4 channels (8 registers for a
/// pair), 8 channels of the queries, 8 of one key; pairwise additions leave the sums of 4 keys in one register. The last group overlaps the one before;
/// fewer than 4 keys go one by one. Channels: steps of 32, then of 4, then single ones.
/// </summary>
internal static unsafe class GatherLogitsAdvSimd
{
    /// <summary>Both rows against the listed keys; exactly <paramref name="count"/> logits each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair(
        float* query0, float* query1, float* keys, nint stride, int dim, int* list, int count, float power, float* logits0, float* logits1)
    {
        if (count < 4)
        {
            Few(query0, keys, stride, dim, list, count, power, logits0);
            Few(query1, keys, stride, dim, list, count, power, logits1);
            return;
        }

        nint strideBytes = stride * sizeof(float);
        float* end = query0 + dim;
        float* end4 = query0 + (dim & ~3);
        float* end32 = query0 + (dim & ~31);
        Vector128<float> factor = Vector128.Create(power);
        nint last = ((nint)count - 4) * sizeof(int);
        nint at = 0;
        while (true)
        {
            int* four = (int*)((byte*)list + at);
            float* k0 = (float*)((byte*)keys + ((nint)(uint)four[0] * strideBytes));
            float* k1 = (float*)((byte*)keys + ((nint)(uint)four[1] * strideBytes));
            float* k2 = (float*)((byte*)keys + ((nint)(uint)four[2] * strideBytes));
            float* k3 = (float*)((byte*)keys + ((nint)(uint)four[3] * strideBytes));
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
            while (q0 < end32)
            {
                Vector128<float> p0 = Vector128.Load(q0);
                Vector128<float> u0 = Vector128.Load(q0 + 4);
                Vector128<float> r0 = Vector128.Load(q1);
                Vector128<float> w0 = Vector128.Load(q1 + 4);
                Vector128<float> x0_0 = Vector128.Load(k0);
                Vector128<float> y0_0 = Vector128.Load(k0 + 4);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x0_0, r0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y0_0, w0);
                Vector128<float> x0_1 = Vector128.Load(k1);
                Vector128<float> y0_1 = Vector128.Load(k1 + 4);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x0_1, r0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y0_1, w0);
                Vector128<float> x0_2 = Vector128.Load(k2);
                Vector128<float> y0_2 = Vector128.Load(k2 + 4);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x0_2, r0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y0_2, w0);
                Vector128<float> x0_3 = Vector128.Load(k3);
                Vector128<float> y0_3 = Vector128.Load(k3 + 4);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x0_3, r0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y0_3, w0);
                Vector128<float> p8 = Vector128.Load(q0 + 8);
                Vector128<float> u8 = Vector128.Load(q0 + 12);
                Vector128<float> r8 = Vector128.Load(q1 + 8);
                Vector128<float> w8 = Vector128.Load(q1 + 12);
                Vector128<float> x8_0 = Vector128.Load(k0 + 8);
                Vector128<float> y8_0 = Vector128.Load(k0 + 12);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x8_0, p8);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x8_0, r8);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y8_0, w8);
                Vector128<float> x8_1 = Vector128.Load(k1 + 8);
                Vector128<float> y8_1 = Vector128.Load(k1 + 12);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x8_1, p8);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x8_1, r8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y8_1, w8);
                Vector128<float> x8_2 = Vector128.Load(k2 + 8);
                Vector128<float> y8_2 = Vector128.Load(k2 + 12);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x8_2, p8);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x8_2, r8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y8_2, w8);
                Vector128<float> x8_3 = Vector128.Load(k3 + 8);
                Vector128<float> y8_3 = Vector128.Load(k3 + 12);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x8_3, p8);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x8_3, r8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y8_3, w8);
                Vector128<float> p16 = Vector128.Load(q0 + 16);
                Vector128<float> u16 = Vector128.Load(q0 + 20);
                Vector128<float> r16 = Vector128.Load(q1 + 16);
                Vector128<float> w16 = Vector128.Load(q1 + 20);
                Vector128<float> x16_0 = Vector128.Load(k0 + 16);
                Vector128<float> y16_0 = Vector128.Load(k0 + 20);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x16_0, p16);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x16_0, r16);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y16_0, u16);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y16_0, w16);
                Vector128<float> x16_1 = Vector128.Load(k1 + 16);
                Vector128<float> y16_1 = Vector128.Load(k1 + 20);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x16_1, p16);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x16_1, r16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y16_1, u16);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y16_1, w16);
                Vector128<float> x16_2 = Vector128.Load(k2 + 16);
                Vector128<float> y16_2 = Vector128.Load(k2 + 20);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x16_2, p16);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x16_2, r16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y16_2, u16);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y16_2, w16);
                Vector128<float> x16_3 = Vector128.Load(k3 + 16);
                Vector128<float> y16_3 = Vector128.Load(k3 + 20);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x16_3, p16);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x16_3, r16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y16_3, u16);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y16_3, w16);
                Vector128<float> p24 = Vector128.Load(q0 + 24);
                Vector128<float> u24 = Vector128.Load(q0 + 28);
                Vector128<float> r24 = Vector128.Load(q1 + 24);
                Vector128<float> w24 = Vector128.Load(q1 + 28);
                Vector128<float> x24_0 = Vector128.Load(k0 + 24);
                Vector128<float> y24_0 = Vector128.Load(k0 + 28);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x24_0, p24);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x24_0, r24);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y24_0, u24);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y24_0, w24);
                Vector128<float> x24_1 = Vector128.Load(k1 + 24);
                Vector128<float> y24_1 = Vector128.Load(k1 + 28);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x24_1, p24);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x24_1, r24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y24_1, u24);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y24_1, w24);
                Vector128<float> x24_2 = Vector128.Load(k2 + 24);
                Vector128<float> y24_2 = Vector128.Load(k2 + 28);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x24_2, p24);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x24_2, r24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y24_2, u24);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y24_2, w24);
                Vector128<float> x24_3 = Vector128.Load(k3 + 24);
                Vector128<float> y24_3 = Vector128.Load(k3 + 28);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x24_3, p24);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x24_3, r24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y24_3, u24);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y24_3, w24);
                q0 += 32;
                q1 += 32;
                k0 += 32;
                k1 += 32;
                k2 += 32;
                k3 += 32;
            }

            while (q0 < end4)
            {
                Vector128<float> p = Vector128.Load(q0);
                Vector128<float> r = Vector128.Load(q1);
                Vector128<float> x0 = Vector128.Load(k0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0, p);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x0, r);
                Vector128<float> x1 = Vector128.Load(k1);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x1, p);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x1, r);
                Vector128<float> x2 = Vector128.Load(k2);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x2, p);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x2, r);
                Vector128<float> x3 = Vector128.Load(k3);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x3, p);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x3, r);
                q0 += 4;
                q1 += 4;
                k0 += 4;
                k1 += 4;
                k2 += 4;
                k3 += 4;
            }

            while (q0 < end)
            {
                a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*k0), Vector128.CreateScalar(*q0));
                b0 = AdvSimd.FusedMultiplyAdd(b0, Vector128.CreateScalar(*k0), Vector128.CreateScalar(*q1));
                a1 = AdvSimd.FusedMultiplyAdd(a1, Vector128.CreateScalar(*k1), Vector128.CreateScalar(*q0));
                b1 = AdvSimd.FusedMultiplyAdd(b1, Vector128.CreateScalar(*k1), Vector128.CreateScalar(*q1));
                a2 = AdvSimd.FusedMultiplyAdd(a2, Vector128.CreateScalar(*k2), Vector128.CreateScalar(*q0));
                b2 = AdvSimd.FusedMultiplyAdd(b2, Vector128.CreateScalar(*k2), Vector128.CreateScalar(*q1));
                a3 = AdvSimd.FusedMultiplyAdd(a3, Vector128.CreateScalar(*k3), Vector128.CreateScalar(*q0));
                b3 = AdvSimd.FusedMultiplyAdd(b3, Vector128.CreateScalar(*k3), Vector128.CreateScalar(*q1));
                q0++;
                q1++;
                k0++;
                k1++;
                k2++;
                k3++;
            }

            Vector128<float> sums0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            Vector128<float> sums1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(b0, b1), AdvSimd.Arm64.AddPairwise(b2, b3));
            (sums0 * factor).Store((float*)((byte*)logits0 + at));
            (sums1 * factor).Store((float*)((byte*)logits1 + at));
            if (at == last)
            {
                return;
            }

            at = Math.Min(at + (4 * sizeof(int)), last);
        }
    }

    /// <summary>One row against the listed keys; exactly <paramref name="count"/> logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits)
    {
        if (count < 4)
        {
            Few(query, keys, stride, dim, list, count, power, logits);
            return;
        }

        nint strideBytes = stride * sizeof(float);
        float* end = query + dim;
        float* end4 = query + (dim & ~3);
        float* end32 = query + (dim & ~31);
        Vector128<float> factor = Vector128.Create(power);
        nint last = ((nint)count - 4) * sizeof(int);
        nint at = 0;
        while (true)
        {
            int* four = (int*)((byte*)list + at);
            float* k0 = (float*)((byte*)keys + ((nint)(uint)four[0] * strideBytes));
            float* k1 = (float*)((byte*)keys + ((nint)(uint)four[1] * strideBytes));
            float* k2 = (float*)((byte*)keys + ((nint)(uint)four[2] * strideBytes));
            float* k3 = (float*)((byte*)keys + ((nint)(uint)four[3] * strideBytes));
            float* q = query;
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            while (q < end32)
            {
                Vector128<float> p0 = Vector128.Load(q);
                Vector128<float> u0 = Vector128.Load(q + 4);
                Vector128<float> x0_0 = Vector128.Load(k0);
                Vector128<float> y0_0 = Vector128.Load(k0 + 4);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                Vector128<float> x0_1 = Vector128.Load(k1);
                Vector128<float> y0_1 = Vector128.Load(k1 + 4);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                Vector128<float> x0_2 = Vector128.Load(k2);
                Vector128<float> y0_2 = Vector128.Load(k2 + 4);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                Vector128<float> x0_3 = Vector128.Load(k3);
                Vector128<float> y0_3 = Vector128.Load(k3 + 4);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                Vector128<float> p8 = Vector128.Load(q + 8);
                Vector128<float> u8 = Vector128.Load(q + 12);
                Vector128<float> x8_0 = Vector128.Load(k0 + 8);
                Vector128<float> y8_0 = Vector128.Load(k0 + 12);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x8_0, p8);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                Vector128<float> x8_1 = Vector128.Load(k1 + 8);
                Vector128<float> y8_1 = Vector128.Load(k1 + 12);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x8_1, p8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                Vector128<float> x8_2 = Vector128.Load(k2 + 8);
                Vector128<float> y8_2 = Vector128.Load(k2 + 12);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x8_2, p8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                Vector128<float> x8_3 = Vector128.Load(k3 + 8);
                Vector128<float> y8_3 = Vector128.Load(k3 + 12);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x8_3, p8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                Vector128<float> p16 = Vector128.Load(q + 16);
                Vector128<float> u16 = Vector128.Load(q + 20);
                Vector128<float> x16_0 = Vector128.Load(k0 + 16);
                Vector128<float> y16_0 = Vector128.Load(k0 + 20);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x16_0, p16);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y16_0, u16);
                Vector128<float> x16_1 = Vector128.Load(k1 + 16);
                Vector128<float> y16_1 = Vector128.Load(k1 + 20);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x16_1, p16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y16_1, u16);
                Vector128<float> x16_2 = Vector128.Load(k2 + 16);
                Vector128<float> y16_2 = Vector128.Load(k2 + 20);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x16_2, p16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y16_2, u16);
                Vector128<float> x16_3 = Vector128.Load(k3 + 16);
                Vector128<float> y16_3 = Vector128.Load(k3 + 20);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x16_3, p16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y16_3, u16);
                Vector128<float> p24 = Vector128.Load(q + 24);
                Vector128<float> u24 = Vector128.Load(q + 28);
                Vector128<float> x24_0 = Vector128.Load(k0 + 24);
                Vector128<float> y24_0 = Vector128.Load(k0 + 28);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x24_0, p24);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y24_0, u24);
                Vector128<float> x24_1 = Vector128.Load(k1 + 24);
                Vector128<float> y24_1 = Vector128.Load(k1 + 28);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x24_1, p24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y24_1, u24);
                Vector128<float> x24_2 = Vector128.Load(k2 + 24);
                Vector128<float> y24_2 = Vector128.Load(k2 + 28);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x24_2, p24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y24_2, u24);
                Vector128<float> x24_3 = Vector128.Load(k3 + 24);
                Vector128<float> y24_3 = Vector128.Load(k3 + 28);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x24_3, p24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y24_3, u24);
                q += 32;
                k0 += 32;
                k1 += 32;
                k2 += 32;
                k3 += 32;
            }

            while (q < end4)
            {
                Vector128<float> p = Vector128.Load(q);
                Vector128<float> x0 = Vector128.Load(k0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0, p);
                Vector128<float> x1 = Vector128.Load(k1);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x1, p);
                Vector128<float> x2 = Vector128.Load(k2);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x2, p);
                Vector128<float> x3 = Vector128.Load(k3);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x3, p);
                q += 4;
                k0 += 4;
                k1 += 4;
                k2 += 4;
                k3 += 4;
            }

            while (q < end)
            {
                a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*k0), Vector128.CreateScalar(*q));
                a1 = AdvSimd.FusedMultiplyAdd(a1, Vector128.CreateScalar(*k1), Vector128.CreateScalar(*q));
                a2 = AdvSimd.FusedMultiplyAdd(a2, Vector128.CreateScalar(*k2), Vector128.CreateScalar(*q));
                a3 = AdvSimd.FusedMultiplyAdd(a3, Vector128.CreateScalar(*k3), Vector128.CreateScalar(*q));
                q++;
                k0++;
                k1++;
                k2++;
                k3++;
            }

            Vector128<float> sums = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            (sums * factor).Store((float*)((byte*)logits + at));
            if (at == last)
            {
                return;
            }

            at = Math.Min(at + (4 * sizeof(int)), last);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Few(float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits)
    {
        for (int i = 0; i < count; i++)
        {
            float* key = keys + (list[i] * stride);
            Vector128<float> sum0 = Vector128<float>.Zero;
            Vector128<float> sum1 = Vector128<float>.Zero;
            int d = 0;
            for (; d + 8 <= dim; d += 8)
            {
                Vector128<float> p = Vector128.Load(query + d);
                Vector128<float> r = Vector128.Load(query + d + 4);
                Vector128<float> x = Vector128.Load(key + d);
                Vector128<float> y = Vector128.Load(key + d + 4);
                sum0 = AdvSimd.FusedMultiplyAdd(sum0, x, p);
                sum1 = AdvSimd.FusedMultiplyAdd(sum1, y, r);
            }

            sum0 += sum1;
            sum0 = AdvSimd.Arm64.AddPairwise(sum0, sum0);
            float sum = AdvSimd.Arm64.AddPairwiseScalar(sum0.GetLower()).ToScalar();
            for (; d < dim; d++)
            {
                sum += query[d] * key[d];
            }

            logits[i] = power * sum;
        }
    }
}
