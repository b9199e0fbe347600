using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// logit_i = power·q·k_i of one row against listed keys, four keys at a time: an accumulator per key over 4 channels, 8 channels of the query, 8
/// of one key; pairwise additions leave the sums of 4 keys in one register. Channels: steps of 64, of 16, of 4, single ones.
/// </summary>
internal static unsafe class GatherRowLogitsAdvSimd
{
    private interface IDims
    {
    }

    /// <summary>Exactly <paramref name="count"/> logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits)
    {
        if (dim % 64 == 0)
        {
            Run<MultipleOf64>(query, keys, stride, dim, list, count, power, logits);
        }
        else
        {
            Run<AnyDim>(query, keys, stride, dim, list, count, power, logits);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TDims>(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits)
        where TDims : struct, IDims
    {
        nint strideBytes = stride * sizeof(float);
        float* end = query + dim;
        float* end64 = query + (dim & ~63);
        Vector128<float> factor = Vector128.Create(power);
        // A rest of 3 keys is a group that overlaps the one before; 1 or 2 are cheaper one by one.
        int single = (count & 3) == 3 && count > 3 ? 0 : count & 3;
        int* next = list;
        int* groupsEnd = list + (count & ~3);
        int* stop = list + (count - single);
        float* target = logits;
        while (next < stop)
        {
            if (next == groupsEnd)
            {
                next = stop - 4;
                target = logits + (count - 4);
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
            float* q = query;
            Vector128<float> a0 = Vector128<float>.Zero;
            Vector128<float> a1 = Vector128<float>.Zero;
            Vector128<float> a2 = Vector128<float>.Zero;
            Vector128<float> a3 = Vector128<float>.Zero;
            while (q < end64)
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y16_0, u16);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y16_1, u16);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y16_2, u16);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y16_3, u16);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y24_0, u24);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y24_1, u24);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y24_2, u24);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y24_3, u24);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y32_0, u32);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y32_1, u32);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y32_2, u32);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y32_3, u32);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y40_0, u40);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y40_1, u40);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y40_2, u40);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y40_3, u40);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y48_0, u48);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y48_1, u48);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y48_2, u48);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y48_3, u48);
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
                a0 = AdvSimd.FusedMultiplyAdd(a0, y56_0, u56);
                a1 = AdvSimd.FusedMultiplyAdd(a1, y56_1, u56);
                a2 = AdvSimd.FusedMultiplyAdd(a2, y56_2, u56);
                a3 = AdvSimd.FusedMultiplyAdd(a3, y56_3, u56);
                q += 64;
                k0 += 64;
                k1 += 64;
                k2 += 64;
                k3 += 64;
            }

            if (typeof(TDims) == typeof(AnyDim))
            {
                float* end16 = query + (dim & ~15);
                float* end4 = query + (dim & ~3);
                while (q < end16)
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
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
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
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y8_0, u8);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y8_1, u8);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y8_2, u8);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y8_3, u8);
                    q += 16;
                    k0 += 16;
                    k1 += 16;
                    k2 += 16;
                    k3 += 16;
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
            }

            Vector128<float> sums = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            (sums * factor).Store(target);
            target += 4;
        }

        for (int i = count - single; i < count; i++)
        {
            logits[i] = Single(query, keys + (list[i] * stride), dim) * power;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Single(float* query, float* key, int dim)
    {
        Vector128<float> a0 = Vector128<float>.Zero;
        Vector128<float> a1 = Vector128<float>.Zero;
        float* end = query + dim;
        for (float* end8 = query + (dim & ~7); query < end8; query += 8, key += 8)
        {
            Vector128<float> x = Vector128.Load(key);
            Vector128<float> y = Vector128.Load(key + 4);
            Vector128<float> p = Vector128.Load(query);
            Vector128<float> u = Vector128.Load(query + 4);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x, p);
            a1 = AdvSimd.FusedMultiplyAdd(a1, y, u);
        }

        for (; query < end; query++, key++)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*key), Vector128.CreateScalar(*query));
        }

        a0 += a1;
        a0 = AdvSimd.Arm64.AddPairwise(a0, a0);
        return AdvSimd.Arm64.AddPairwiseScalar(a0.GetLower()).ToScalar();
    }

    private readonly struct MultipleOf64 : IDims;

    private readonly struct AnyDim : IDims;
}
