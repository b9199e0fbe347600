using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// logit_i = power·q·k_i of one row against listed keys, eight and then four at a time: an accumulator per key over 4 channels, 8 channels of the
/// query, 8 of four keys; pairwise additions leave the sums of 4 keys in one register. Channels: steps of 32, of 8, single ones.
/// </summary>
internal static unsafe partial class GatherRowLogitsAdvSimd
{
    private interface IDims
    {
    }

    /// <summary>Exactly <paramref name="count"/> logits; they take part in <paramref name="maxima"/> [4].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits, float* maxima)
    {
        if (dim == 64)
        {
            Run<Dim64>(query, keys, stride, dim, list, count, power, logits, maxima);
        }
        else if (dim % 32 == 0)
        {
            Run<MultipleOf32>(query, keys, stride, dim, list, count, power, logits, maxima);
        }
        else
        {
            Run<AnyDim>(query, keys, stride, dim, list, count, power, logits, maxima);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TDims>(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits, float* maxima)
        where TDims : struct, IDims
    {
        nint strideBytes = stride * sizeof(float);
        float* end = query + dim;
        float* end8 = query + (dim & ~7);
        float* end32 = query + (dim & ~31);
        Vector128<float> factor = Vector128.Create(power);

        int* next = list;
        float* target = logits;
        Vector128<float> max = Vector128.Load(maxima);
        for (int* last = list + (count & ~7); next < last;)
        {
            nint i0 = (nint)(uint)next[0];
            nint i1 = (nint)(uint)next[1];
            nint i2 = (nint)(uint)next[2];
            nint i3 = (nint)(uint)next[3];
            nint i4 = (nint)(uint)next[4];
            nint i5 = (nint)(uint)next[5];
            nint i6 = (nint)(uint)next[6];
            nint i7 = (nint)(uint)next[7];
            next += 8;
            float* k0 = (float*)((byte*)keys + (i0 * strideBytes));
            float* k1 = (float*)((byte*)keys + (i1 * strideBytes));
            float* k2 = (float*)((byte*)keys + (i2 * strideBytes));
            float* k3 = (float*)((byte*)keys + (i3 * strideBytes));
            float* k4 = (float*)((byte*)keys + (i4 * strideBytes));
            float* k5 = (float*)((byte*)keys + (i5 * strideBytes));
            float* k6 = (float*)((byte*)keys + (i6 * strideBytes));
            float* k7 = (float*)((byte*)keys + (i7 * strideBytes));
            float* q = query;
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            Vector128<float> a4 = Vector128<float>.Zero;
            Vector128<float> a5 = Vector128<float>.Zero;
            Vector128<float> a6 = Vector128<float>.Zero;
            Vector128<float> a7 = Vector128<float>.Zero;
            while (typeof(TDims) == typeof(Dim64) || q < end32)
            {
                Vector128<float> p0 = Vector128.Load(q);
                Vector128<float> u0 = Vector128.Load(q + 4);
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
                Vector128<float> x0_4 = Vector128.Load(k4);
                Vector128<float> y0_4 = Vector128.Load(k4 + 4);
                Vector128<float> x0_5 = Vector128.Load(k5);
                Vector128<float> y0_5 = Vector128.Load(k5 + 4);
                Vector128<float> x0_6 = Vector128.Load(k6);
                Vector128<float> y0_6 = Vector128.Load(k6 + 4);
                Vector128<float> x0_7 = Vector128.Load(k7);
                Vector128<float> y0_7 = Vector128.Load(k7 + 4);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                a4 = AdvSimd.FusedMultiplyAdd(a4, x0_4, p0);
                a5 = AdvSimd.FusedMultiplyAdd(a5, x0_5, p0);
                a6 = AdvSimd.FusedMultiplyAdd(a6, x0_6, p0);
                a7 = AdvSimd.FusedMultiplyAdd(a7, x0_7, p0);
                a4 = AdvSimd.FusedMultiplyAdd(a4, y0_4, u0);
                a5 = AdvSimd.FusedMultiplyAdd(a5, y0_5, u0);
                a6 = AdvSimd.FusedMultiplyAdd(a6, y0_6, u0);
                a7 = AdvSimd.FusedMultiplyAdd(a7, y0_7, u0);
                Vector128<float> p8 = Vector128.Load(q + 8);
                Vector128<float> u8 = Vector128.Load(q + 12);
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
                Vector128<float> x8_4 = Vector128.Load(k4 + 8);
                Vector128<float> y8_4 = Vector128.Load(k4 + 12);
                Vector128<float> x8_5 = Vector128.Load(k5 + 8);
                Vector128<float> y8_5 = Vector128.Load(k5 + 12);
                Vector128<float> x8_6 = Vector128.Load(k6 + 8);
                Vector128<float> y8_6 = Vector128.Load(k6 + 12);
                Vector128<float> x8_7 = Vector128.Load(k7 + 8);
                Vector128<float> y8_7 = Vector128.Load(k7 + 12);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                a4 = AdvSimd.FusedMultiplyAdd(a4, x8_4, p8);
                a5 = AdvSimd.FusedMultiplyAdd(a5, x8_5, p8);
                a6 = AdvSimd.FusedMultiplyAdd(a6, x8_6, p8);
                a7 = AdvSimd.FusedMultiplyAdd(a7, x8_7, p8);
                a4 = AdvSimd.FusedMultiplyAdd(a4, y8_4, u8);
                a5 = AdvSimd.FusedMultiplyAdd(a5, y8_5, u8);
                a6 = AdvSimd.FusedMultiplyAdd(a6, y8_6, u8);
                a7 = AdvSimd.FusedMultiplyAdd(a7, y8_7, u8);
                Vector128<float> p16 = Vector128.Load(q + 16);
                Vector128<float> u16 = Vector128.Load(q + 20);
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
                Vector128<float> x16_4 = Vector128.Load(k4 + 16);
                Vector128<float> y16_4 = Vector128.Load(k4 + 20);
                Vector128<float> x16_5 = Vector128.Load(k5 + 16);
                Vector128<float> y16_5 = Vector128.Load(k5 + 20);
                Vector128<float> x16_6 = Vector128.Load(k6 + 16);
                Vector128<float> y16_6 = Vector128.Load(k6 + 20);
                Vector128<float> x16_7 = Vector128.Load(k7 + 16);
                Vector128<float> y16_7 = Vector128.Load(k7 + 20);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y16_0, u16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y16_1, u16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y16_2, u16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y16_3, u16);
                a4 = AdvSimd.FusedMultiplyAdd(a4, x16_4, p16);
                a5 = AdvSimd.FusedMultiplyAdd(a5, x16_5, p16);
                a6 = AdvSimd.FusedMultiplyAdd(a6, x16_6, p16);
                a7 = AdvSimd.FusedMultiplyAdd(a7, x16_7, p16);
                a4 = AdvSimd.FusedMultiplyAdd(a4, y16_4, u16);
                a5 = AdvSimd.FusedMultiplyAdd(a5, y16_5, u16);
                a6 = AdvSimd.FusedMultiplyAdd(a6, y16_6, u16);
                a7 = AdvSimd.FusedMultiplyAdd(a7, y16_7, u16);
                Vector128<float> p24 = Vector128.Load(q + 24);
                Vector128<float> u24 = Vector128.Load(q + 28);
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
                Vector128<float> x24_4 = Vector128.Load(k4 + 24);
                Vector128<float> y24_4 = Vector128.Load(k4 + 28);
                Vector128<float> x24_5 = Vector128.Load(k5 + 24);
                Vector128<float> y24_5 = Vector128.Load(k5 + 28);
                Vector128<float> x24_6 = Vector128.Load(k6 + 24);
                Vector128<float> y24_6 = Vector128.Load(k6 + 28);
                Vector128<float> x24_7 = Vector128.Load(k7 + 24);
                Vector128<float> y24_7 = Vector128.Load(k7 + 28);
                a0 = AdvSimd.FusedMultiplyAdd(a0, y24_0, u24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y24_1, u24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y24_2, u24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y24_3, u24);
                a4 = AdvSimd.FusedMultiplyAdd(a4, x24_4, p24);
                a5 = AdvSimd.FusedMultiplyAdd(a5, x24_5, p24);
                a6 = AdvSimd.FusedMultiplyAdd(a6, x24_6, p24);
                a7 = AdvSimd.FusedMultiplyAdd(a7, x24_7, p24);
                a4 = AdvSimd.FusedMultiplyAdd(a4, y24_4, u24);
                a5 = AdvSimd.FusedMultiplyAdd(a5, y24_5, u24);
                a6 = AdvSimd.FusedMultiplyAdd(a6, y24_6, u24);
                a7 = AdvSimd.FusedMultiplyAdd(a7, y24_7, u24);
                if (typeof(TDims) == typeof(Dim64))
                {
                    Vector128<float> p32 = Vector128.Load(q + 32);
                    Vector128<float> u32 = Vector128.Load(q + 36);
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
                    Vector128<float> x32_4 = Vector128.Load(k4 + 32);
                    Vector128<float> y32_4 = Vector128.Load(k4 + 36);
                    Vector128<float> x32_5 = Vector128.Load(k5 + 32);
                    Vector128<float> y32_5 = Vector128.Load(k5 + 36);
                    Vector128<float> x32_6 = Vector128.Load(k6 + 32);
                    Vector128<float> y32_6 = Vector128.Load(k6 + 36);
                    Vector128<float> x32_7 = Vector128.Load(k7 + 32);
                    Vector128<float> y32_7 = Vector128.Load(k7 + 36);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y32_0, u32);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y32_1, u32);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y32_2, u32);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y32_3, u32);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, x32_4, p32);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, x32_5, p32);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, x32_6, p32);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, x32_7, p32);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, y32_4, u32);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, y32_5, u32);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, y32_6, u32);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, y32_7, u32);
                    Vector128<float> p40 = Vector128.Load(q + 40);
                    Vector128<float> u40 = Vector128.Load(q + 44);
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
                    Vector128<float> x40_4 = Vector128.Load(k4 + 40);
                    Vector128<float> y40_4 = Vector128.Load(k4 + 44);
                    Vector128<float> x40_5 = Vector128.Load(k5 + 40);
                    Vector128<float> y40_5 = Vector128.Load(k5 + 44);
                    Vector128<float> x40_6 = Vector128.Load(k6 + 40);
                    Vector128<float> y40_6 = Vector128.Load(k6 + 44);
                    Vector128<float> x40_7 = Vector128.Load(k7 + 40);
                    Vector128<float> y40_7 = Vector128.Load(k7 + 44);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y40_0, u40);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y40_1, u40);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y40_2, u40);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y40_3, u40);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, x40_4, p40);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, x40_5, p40);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, x40_6, p40);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, x40_7, p40);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, y40_4, u40);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, y40_5, u40);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, y40_6, u40);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, y40_7, u40);
                    Vector128<float> p48 = Vector128.Load(q + 48);
                    Vector128<float> u48 = Vector128.Load(q + 52);
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
                    Vector128<float> x48_4 = Vector128.Load(k4 + 48);
                    Vector128<float> y48_4 = Vector128.Load(k4 + 52);
                    Vector128<float> x48_5 = Vector128.Load(k5 + 48);
                    Vector128<float> y48_5 = Vector128.Load(k5 + 52);
                    Vector128<float> x48_6 = Vector128.Load(k6 + 48);
                    Vector128<float> y48_6 = Vector128.Load(k6 + 52);
                    Vector128<float> x48_7 = Vector128.Load(k7 + 48);
                    Vector128<float> y48_7 = Vector128.Load(k7 + 52);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y48_0, u48);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y48_1, u48);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y48_2, u48);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y48_3, u48);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, x48_4, p48);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, x48_5, p48);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, x48_6, p48);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, x48_7, p48);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, y48_4, u48);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, y48_5, u48);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, y48_6, u48);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, y48_7, u48);
                    Vector128<float> p56 = Vector128.Load(q + 56);
                    Vector128<float> u56 = Vector128.Load(q + 60);
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
                    Vector128<float> x56_4 = Vector128.Load(k4 + 56);
                    Vector128<float> y56_4 = Vector128.Load(k4 + 60);
                    Vector128<float> x56_5 = Vector128.Load(k5 + 56);
                    Vector128<float> y56_5 = Vector128.Load(k5 + 60);
                    Vector128<float> x56_6 = Vector128.Load(k6 + 56);
                    Vector128<float> y56_6 = Vector128.Load(k6 + 60);
                    Vector128<float> x56_7 = Vector128.Load(k7 + 56);
                    Vector128<float> y56_7 = Vector128.Load(k7 + 60);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y56_0, u56);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y56_1, u56);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y56_2, u56);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y56_3, u56);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, x56_4, p56);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, x56_5, p56);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, x56_6, p56);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, x56_7, p56);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, y56_4, u56);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, y56_5, u56);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, y56_6, u56);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, y56_7, u56);
                    break;
                }

                q += 32;
                k0 += 32;
                k1 += 32;
                k2 += 32;
                k3 += 32;
                k4 += 32;
                k5 += 32;
                k6 += 32;
                k7 += 32;
            }

            if (typeof(TDims) == typeof(AnyDim))
            {
                while (q < end8)
                {
                    Vector128<float> p0 = Vector128.Load(q);
                    Vector128<float> u0 = Vector128.Load(q + 4);
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
                    Vector128<float> x0_4 = Vector128.Load(k4);
                    Vector128<float> y0_4 = Vector128.Load(k4 + 4);
                    Vector128<float> x0_5 = Vector128.Load(k5);
                    Vector128<float> y0_5 = Vector128.Load(k5 + 4);
                    Vector128<float> x0_6 = Vector128.Load(k6);
                    Vector128<float> y0_6 = Vector128.Load(k6 + 4);
                    Vector128<float> x0_7 = Vector128.Load(k7);
                    Vector128<float> y0_7 = Vector128.Load(k7 + 4);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, x0_4, p0);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, x0_5, p0);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, x0_6, p0);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, x0_7, p0);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, y0_4, u0);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, y0_5, u0);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, y0_6, u0);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, y0_7, u0);
                    q += 8;
                    k0 += 8;
                    k1 += 8;
                    k2 += 8;
                    k3 += 8;
                    k4 += 8;
                    k5 += 8;
                    k6 += 8;
                    k7 += 8;
                }

                for (; q < end; q++)
                {
                    Vector128<float> one = Vector128.CreateScalar(*q);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*k0++), one);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, Vector128.CreateScalar(*k1++), one);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, Vector128.CreateScalar(*k2++), one);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, Vector128.CreateScalar(*k3++), one);
                    a4 = AdvSimd.FusedMultiplyAdd(a4, Vector128.CreateScalar(*k4++), one);
                    a5 = AdvSimd.FusedMultiplyAdd(a5, Vector128.CreateScalar(*k5++), one);
                    a6 = AdvSimd.FusedMultiplyAdd(a6, Vector128.CreateScalar(*k6++), one);
                    a7 = AdvSimd.FusedMultiplyAdd(a7, Vector128.CreateScalar(*k7++), one);
                }
            }

            Vector128<float> sums0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            Vector128<float> sums1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a4, a5), AdvSimd.Arm64.AddPairwise(a6, a7));
            sums0 *= factor;
            sums1 *= factor;
            max = AdvSimd.Max(max, AdvSimd.Max(sums0, sums1));
            sums0.Store(target);
            sums1.Store(target + 4);
            target += 8;
        }

        max.Store(maxima);
        if ((count & 7) != 0)
        {
            RunFew<TDims>(query, keys, stride, dim, list, count, power, logits, maxima);
        }
    }

    private readonly struct Dim64 : IDims;

    private readonly struct MultipleOf32 : IDims;

    private readonly struct AnyDim : IDims;
}
