using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// logit_ri = power·q_r·k_i of two rows against listed keys, four keys at a time: an accumulator per key and row over 4 channels (8 registers), 8
/// channels of both queries, 8 of one key; pairwise additions leave the sums of 4 keys in one register. Channels: steps of 64, of 16, of 4, single ones.
/// </summary>
internal static unsafe class GatherPairLogitsAdvSimd
{
    private interface IDims
    {
    }

    /// <summary>
    /// Exactly <paramref name="count"/> logits of each row, and the largest of each row, spread over 4 entries, in <paramref name="maxima"/> [2][4].
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        float* query0, float* query1, float* keys, nint stride, int dim, int* list, int count, float power, float* logits0, float* logits1,
        float* maxima)
    {
        if (dim == 64)
        {
            Run<Dim64>(query0, query1, keys, stride, dim, list, count, power, logits0, logits1, maxima);
        }
        else if (dim % 64 == 0)
        {
            Run<MultipleOf64>(query0, query1, keys, stride, dim, list, count, power, logits0, logits1, maxima);
        }
        else
        {
            Run<AnyDim>(query0, query1, keys, stride, dim, list, count, power, logits0, logits1, maxima);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TDims>(
        float* query0, float* query1, float* keys, nint stride, int dim, int* list, int count, float power, float* logits0, float* logits1,
        float* maxima)
        where TDims : struct, IDims
    {
        nint strideBytes = stride * sizeof(float);
        float* end = query0 + dim;
        float* end64 = query0 + (dim & ~63);
        Vector128<float> factor = Vector128.Create(power);
        // A rest of 3 keys is a group that overlaps the one before; 1 or 2 are cheaper one by one.
        int single = (count & 3) == 3 && count > 3 ? 0 : count & 3;
        int* next = list;
        int* groupsEnd = list + (count & ~3);
        int* stop = list + (count - single);
        Vector128<float> max0 = Vector128.Create(float.NegativeInfinity);
        Vector128<float> max1 = max0;
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
            float* k0 = (float*)((byte*)keys + (i0 * strideBytes));
            float* k1 = (float*)((byte*)keys + (i1 * strideBytes));
            float* k2 = (float*)((byte*)keys + (i2 * strideBytes));
            float* k3 = (float*)((byte*)keys + (i3 * strideBytes));
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
            while (typeof(TDims) == typeof(Dim64) || q0 < end64)
            {
                Vector128<float> p0 = Vector128.Load(q0);
                Vector128<float> u0 = Vector128.Load(q0 + 4);
                Vector128<float> r0 = Vector128.Load(q1);
                Vector128<float> w0 = Vector128.Load(q1 + 4);
                Vector128<float> x0_0 = Vector128.Load(k0);
                Vector128<float> y0_0 = Vector128.Load(k0 + 4);
                Vector128<float> x0_1 = Vector128.Load(k1);
                Vector128<float> y0_1 = Vector128.Load(k1 + 4);
                Vector128<float> x0_2 = Vector128.Load(k2);
                Vector128<float> y0_2 = Vector128.Load(k2 + 4);
                Vector128<float> x0_3 = Vector128.Load(k3);
                Vector128<float> y0_3 = Vector128.Load(k3 + 4);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x0_0, r0);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x0_1, r0);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x0_2, r0);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x0_3, r0);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y0_0, w0);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y0_1, w0);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y0_2, w0);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y0_3, w0);
                Vector128<float> p8 = Vector128.Load(q0 + 8);
                Vector128<float> u8 = Vector128.Load(q0 + 12);
                Vector128<float> r8 = Vector128.Load(q1 + 8);
                Vector128<float> w8 = Vector128.Load(q1 + 12);
                Vector128<float> x8_0 = Vector128.Load(k0 + 8);
                Vector128<float> y8_0 = Vector128.Load(k0 + 12);
                Vector128<float> x8_1 = Vector128.Load(k1 + 8);
                Vector128<float> y8_1 = Vector128.Load(k1 + 12);
                Vector128<float> x8_2 = Vector128.Load(k2 + 8);
                Vector128<float> y8_2 = Vector128.Load(k2 + 12);
                Vector128<float> x8_3 = Vector128.Load(k3 + 8);
                Vector128<float> y8_3 = Vector128.Load(k3 + 12);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x8_0, p8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x8_1, p8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x8_2, p8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x8_3, p8);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x8_0, r8);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x8_1, r8);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x8_2, r8);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x8_3, r8);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y8_0, w8);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y8_1, w8);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y8_2, w8);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y8_3, w8);
                Vector128<float> p16 = Vector128.Load(q0 + 16);
                Vector128<float> u16 = Vector128.Load(q0 + 20);
                Vector128<float> r16 = Vector128.Load(q1 + 16);
                Vector128<float> w16 = Vector128.Load(q1 + 20);
                Vector128<float> x16_0 = Vector128.Load(k0 + 16);
                Vector128<float> y16_0 = Vector128.Load(k0 + 20);
                Vector128<float> x16_1 = Vector128.Load(k1 + 16);
                Vector128<float> y16_1 = Vector128.Load(k1 + 20);
                Vector128<float> x16_2 = Vector128.Load(k2 + 16);
                Vector128<float> y16_2 = Vector128.Load(k2 + 20);
                Vector128<float> x16_3 = Vector128.Load(k3 + 16);
                Vector128<float> y16_3 = Vector128.Load(k3 + 20);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x16_0, p16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x16_1, p16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x16_2, p16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x16_3, p16);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x16_0, r16);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x16_1, r16);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x16_2, r16);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x16_3, r16);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y16_0, u16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y16_1, u16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y16_2, u16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y16_3, u16);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y16_0, w16);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y16_1, w16);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y16_2, w16);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y16_3, w16);
                Vector128<float> p24 = Vector128.Load(q0 + 24);
                Vector128<float> u24 = Vector128.Load(q0 + 28);
                Vector128<float> r24 = Vector128.Load(q1 + 24);
                Vector128<float> w24 = Vector128.Load(q1 + 28);
                Vector128<float> x24_0 = Vector128.Load(k0 + 24);
                Vector128<float> y24_0 = Vector128.Load(k0 + 28);
                Vector128<float> x24_1 = Vector128.Load(k1 + 24);
                Vector128<float> y24_1 = Vector128.Load(k1 + 28);
                Vector128<float> x24_2 = Vector128.Load(k2 + 24);
                Vector128<float> y24_2 = Vector128.Load(k2 + 28);
                Vector128<float> x24_3 = Vector128.Load(k3 + 24);
                Vector128<float> y24_3 = Vector128.Load(k3 + 28);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x24_0, p24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x24_1, p24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x24_2, p24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x24_3, p24);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x24_0, r24);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x24_1, r24);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x24_2, r24);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x24_3, r24);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y24_0, u24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y24_1, u24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y24_2, u24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y24_3, u24);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y24_0, w24);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y24_1, w24);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y24_2, w24);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y24_3, w24);
                Vector128<float> p32 = Vector128.Load(q0 + 32);
                Vector128<float> u32 = Vector128.Load(q0 + 36);
                Vector128<float> r32 = Vector128.Load(q1 + 32);
                Vector128<float> w32 = Vector128.Load(q1 + 36);
                Vector128<float> x32_0 = Vector128.Load(k0 + 32);
                Vector128<float> y32_0 = Vector128.Load(k0 + 36);
                Vector128<float> x32_1 = Vector128.Load(k1 + 32);
                Vector128<float> y32_1 = Vector128.Load(k1 + 36);
                Vector128<float> x32_2 = Vector128.Load(k2 + 32);
                Vector128<float> y32_2 = Vector128.Load(k2 + 36);
                Vector128<float> x32_3 = Vector128.Load(k3 + 32);
                Vector128<float> y32_3 = Vector128.Load(k3 + 36);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x32_0, p32);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x32_1, p32);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x32_2, p32);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x32_3, p32);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x32_0, r32);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x32_1, r32);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x32_2, r32);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x32_3, r32);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y32_0, u32);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y32_1, u32);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y32_2, u32);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y32_3, u32);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y32_0, w32);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y32_1, w32);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y32_2, w32);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y32_3, w32);
                Vector128<float> p40 = Vector128.Load(q0 + 40);
                Vector128<float> u40 = Vector128.Load(q0 + 44);
                Vector128<float> r40 = Vector128.Load(q1 + 40);
                Vector128<float> w40 = Vector128.Load(q1 + 44);
                Vector128<float> x40_0 = Vector128.Load(k0 + 40);
                Vector128<float> y40_0 = Vector128.Load(k0 + 44);
                Vector128<float> x40_1 = Vector128.Load(k1 + 40);
                Vector128<float> y40_1 = Vector128.Load(k1 + 44);
                Vector128<float> x40_2 = Vector128.Load(k2 + 40);
                Vector128<float> y40_2 = Vector128.Load(k2 + 44);
                Vector128<float> x40_3 = Vector128.Load(k3 + 40);
                Vector128<float> y40_3 = Vector128.Load(k3 + 44);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x40_0, p40);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x40_1, p40);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x40_2, p40);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x40_3, p40);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x40_0, r40);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x40_1, r40);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x40_2, r40);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x40_3, r40);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y40_0, u40);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y40_1, u40);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y40_2, u40);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y40_3, u40);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y40_0, w40);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y40_1, w40);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y40_2, w40);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y40_3, w40);
                Vector128<float> p48 = Vector128.Load(q0 + 48);
                Vector128<float> u48 = Vector128.Load(q0 + 52);
                Vector128<float> r48 = Vector128.Load(q1 + 48);
                Vector128<float> w48 = Vector128.Load(q1 + 52);
                Vector128<float> x48_0 = Vector128.Load(k0 + 48);
                Vector128<float> y48_0 = Vector128.Load(k0 + 52);
                Vector128<float> x48_1 = Vector128.Load(k1 + 48);
                Vector128<float> y48_1 = Vector128.Load(k1 + 52);
                Vector128<float> x48_2 = Vector128.Load(k2 + 48);
                Vector128<float> y48_2 = Vector128.Load(k2 + 52);
                Vector128<float> x48_3 = Vector128.Load(k3 + 48);
                Vector128<float> y48_3 = Vector128.Load(k3 + 52);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x48_0, p48);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x48_1, p48);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x48_2, p48);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x48_3, p48);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x48_0, r48);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x48_1, r48);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x48_2, r48);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x48_3, r48);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y48_0, u48);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y48_1, u48);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y48_2, u48);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y48_3, u48);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y48_0, w48);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y48_1, w48);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y48_2, w48);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y48_3, w48);
                Vector128<float> p56 = Vector128.Load(q0 + 56);
                Vector128<float> u56 = Vector128.Load(q0 + 60);
                Vector128<float> r56 = Vector128.Load(q1 + 56);
                Vector128<float> w56 = Vector128.Load(q1 + 60);
                Vector128<float> x56_0 = Vector128.Load(k0 + 56);
                Vector128<float> y56_0 = Vector128.Load(k0 + 60);
                Vector128<float> x56_1 = Vector128.Load(k1 + 56);
                Vector128<float> y56_1 = Vector128.Load(k1 + 60);
                Vector128<float> x56_2 = Vector128.Load(k2 + 56);
                Vector128<float> y56_2 = Vector128.Load(k2 + 60);
                Vector128<float> x56_3 = Vector128.Load(k3 + 56);
                Vector128<float> y56_3 = Vector128.Load(k3 + 60);
                a0 = AdvSimd.FusedMultiplyAdd(a0, x56_0, p56);
                a1 = AdvSimd.FusedMultiplyAdd(a1, x56_1, p56);
                a2 = AdvSimd.FusedMultiplyAdd(a2, x56_2, p56);
                a3 = AdvSimd.FusedMultiplyAdd(a3, x56_3, p56);
                b0 = AdvSimd.FusedMultiplyAdd(b0, x56_0, r56);
                b1 = AdvSimd.FusedMultiplyAdd(b1, x56_1, r56);
                b2 = AdvSimd.FusedMultiplyAdd(b2, x56_2, r56);
                b3 = AdvSimd.FusedMultiplyAdd(b3, x56_3, r56);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y56_0, u56);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y56_1, u56);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y56_2, u56);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y56_3, u56);
                b0 = AdvSimd.FusedMultiplyAdd(b0, y56_0, w56);
                b1 = AdvSimd.FusedMultiplyAdd(b1, y56_1, w56);
                b2 = AdvSimd.FusedMultiplyAdd(b2, y56_2, w56);
                b3 = AdvSimd.FusedMultiplyAdd(b3, y56_3, w56);
                if (typeof(TDims) == typeof(Dim64))
                {
                    break;
                }

                q0 += 64;
                q1 += 64;
                k0 += 64;
                k1 += 64;
                k2 += 64;
                k3 += 64;
            }

            if (typeof(TDims) == typeof(AnyDim))
            {
                float* end16 = query0 + (dim & ~15);
                float* end4 = query0 + (dim & ~3);
                while (q0 < end16)
                {
                    Vector128<float> p0 = Vector128.Load(q0);
                    Vector128<float> u0 = Vector128.Load(q0 + 4);
                    Vector128<float> r0 = Vector128.Load(q1);
                    Vector128<float> w0 = Vector128.Load(q1 + 4);
                    Vector128<float> x0_0 = Vector128.Load(k0);
                    Vector128<float> y0_0 = Vector128.Load(k0 + 4);
                    Vector128<float> x0_1 = Vector128.Load(k1);
                    Vector128<float> y0_1 = Vector128.Load(k1 + 4);
                    Vector128<float> x0_2 = Vector128.Load(k2);
                    Vector128<float> y0_2 = Vector128.Load(k2 + 4);
                    Vector128<float> x0_3 = Vector128.Load(k3);
                    Vector128<float> y0_3 = Vector128.Load(k3 + 4);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, x0_0, p0);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, x0_1, p0);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, x0_2, p0);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, x0_3, p0);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x0_0, r0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x0_1, r0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x0_2, r0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x0_3, r0);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, y0_0, w0);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, y0_1, w0);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, y0_2, w0);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, y0_3, w0);
                    Vector128<float> p8 = Vector128.Load(q0 + 8);
                    Vector128<float> u8 = Vector128.Load(q0 + 12);
                    Vector128<float> r8 = Vector128.Load(q1 + 8);
                    Vector128<float> w8 = Vector128.Load(q1 + 12);
                    Vector128<float> x8_0 = Vector128.Load(k0 + 8);
                    Vector128<float> y8_0 = Vector128.Load(k0 + 12);
                    Vector128<float> x8_1 = Vector128.Load(k1 + 8);
                    Vector128<float> y8_1 = Vector128.Load(k1 + 12);
                    Vector128<float> x8_2 = Vector128.Load(k2 + 8);
                    Vector128<float> y8_2 = Vector128.Load(k2 + 12);
                    Vector128<float> x8_3 = Vector128.Load(k3 + 8);
                    Vector128<float> y8_3 = Vector128.Load(k3 + 12);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, x8_0, p8);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, x8_1, p8);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, x8_2, p8);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, x8_3, p8);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, x8_0, r8);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, x8_1, r8);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, x8_2, r8);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, x8_3, r8);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                    b0 = AdvSimd.FusedMultiplyAdd(b0, y8_0, w8);
                    b1 = AdvSimd.FusedMultiplyAdd(b1, y8_1, w8);
                    b2 = AdvSimd.FusedMultiplyAdd(b2, y8_2, w8);
                    b3 = AdvSimd.FusedMultiplyAdd(b3, y8_3, w8);
                    q0 += 16;
                    q1 += 16;
                    k0 += 16;
                    k1 += 16;
                    k2 += 16;
                    k3 += 16;
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
            }

            Vector128<float> sums0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            Vector128<float> sums1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(b0, b1), AdvSimd.Arm64.AddPairwise(b2, b3));
            sums0 *= factor;
            sums1 *= factor;
            max0 = AdvSimd.Max(max0, sums0);
            max1 = AdvSimd.Max(max1, sums1);
            sums0.Store(out0);
            sums1.Store(out1);
            out0 += 4;
            out1 += 4;
        }

        for (int i = count - single; i < count; i++)
        {
            float* key = keys + (list[i] * stride);
            (float logit0, float logit1) = Single(query0, query1, key, dim, power);
            logits0[i] = logit0;
            logits1[i] = logit1;
            max0 = AdvSimd.Max(max0, Vector128.Create(logit0));
            max1 = AdvSimd.Max(max1, Vector128.Create(logit1));
        }

        max0.Store(maxima);
        max1.Store(maxima + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Logit0, float Logit1) Single(float* query0, float* query1, float* key, int dim, float power)
    {
        Vector128<float> a0 = Vector128<float>.Zero;
        Vector128<float> a1 = Vector128<float>.Zero;
        Vector128<float> b0 = Vector128<float>.Zero;
        Vector128<float> b1 = Vector128<float>.Zero;
        float* end = query0 + dim;
        for (float* end16 = query0 + (dim & ~15); query0 < end16; query0 += 16, query1 += 16, key += 16)
        {
            Vector128<float> x = Vector128.Load(key);
            Vector128<float> y = Vector128.Load(key + 4);
            Vector128<float> p = Vector128.Load(query0);
            Vector128<float> u = Vector128.Load(query0 + 4);
            Vector128<float> r = Vector128.Load(query1);
            Vector128<float> w = Vector128.Load(query1 + 4);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x, p);
            b0 = AdvSimd.FusedMultiplyAdd(b0, x, r);
            a1 = AdvSimd.FusedMultiplyAdd(a1, y, u);
            b1 = AdvSimd.FusedMultiplyAdd(b1, y, w);
            Vector128<float> x8 = Vector128.Load(key + 8);
            Vector128<float> y8 = Vector128.Load(key + 12);
            Vector128<float> p8 = Vector128.Load(query0 + 8);
            Vector128<float> u8 = Vector128.Load(query0 + 12);
            Vector128<float> r8 = Vector128.Load(query1 + 8);
            Vector128<float> w8 = Vector128.Load(query1 + 12);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x8, p8);
            b0 = AdvSimd.FusedMultiplyAdd(b0, x8, r8);
            a1 = AdvSimd.FusedMultiplyAdd(a1, y8, u8);
            b1 = AdvSimd.FusedMultiplyAdd(b1, y8, w8);
        }

        for (float* end4 = query0 + (dim & 12); query0 < end4; query0 += 4, query1 += 4, key += 4)
        {
            Vector128<float> x = Vector128.Load(key);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x, Vector128.Load(query0));
            b0 = AdvSimd.FusedMultiplyAdd(b0, x, Vector128.Load(query1));
        }

        for (; query0 < end; query0++, query1++, key++)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*key), Vector128.CreateScalar(*query0));
            b0 = AdvSimd.FusedMultiplyAdd(b0, Vector128.CreateScalar(*key), Vector128.CreateScalar(*query1));
        }

        Vector128<float> sums = AdvSimd.Arm64.AddPairwise(a0 + a1, b0 + b1);
        sums = AdvSimd.Arm64.AddPairwise(sums, sums);
        return (sums.ToScalar() * power, sums.GetElement(1) * power);
    }

    private readonly struct Dim64 : IDims;

    private readonly struct MultipleOf64 : IDims;

    private readonly struct AnyDim : IDims;
}
