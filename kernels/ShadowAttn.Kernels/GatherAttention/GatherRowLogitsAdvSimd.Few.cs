using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>
/// The keys behind the last group of eight: a group of four, which may overlap keys that are done when 3 are left, and single ones.
/// </content>
internal static unsafe partial class GatherRowLogitsAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunFew<TDims>(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits, float* maxima)
        where TDims : struct, IDims
    {
        nint strideBytes = stride * sizeof(float);
        float* end = query + dim;
        float* end8 = query + (dim & ~7);
        float* end32 = query + (dim & ~31);
        Vector128<float> factor = Vector128.Create(power);

        // A rest of 3 keys is a group that overlaps the one before; 1 or 2 are cheaper one by one.
        int single = (count & 3) == 3 && count > 3 ? 0 : count & 3;
        int* next = list + (count & ~7);
        int* groupsEnd = list + (count & ~3);
        int* stop = list + (count - single);
        float* target = logits + (count & ~7);
        Vector128<float> max = Vector128.Load(maxima);
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
            while (q < end32)
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
                q += 32;
                k0 += 32;
                k1 += 32;
                k2 += 32;
                k3 += 32;
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
                    a0 = AdvSimd.FusedMultiplyAdd(a0, y0_0, u0);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, y0_1, u0);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, y0_2, u0);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, y0_3, u0);
                    q += 8;
                    k0 += 8;
                    k1 += 8;
                    k2 += 8;
                    k3 += 8;
                }

                for (; q < end; q++)
                {
                    Vector128<float> one = Vector128.CreateScalar(*q);
                    a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*k0++), one);
                    a1 = AdvSimd.FusedMultiplyAdd(a1, Vector128.CreateScalar(*k1++), one);
                    a2 = AdvSimd.FusedMultiplyAdd(a2, Vector128.CreateScalar(*k2++), one);
                    a3 = AdvSimd.FusedMultiplyAdd(a3, Vector128.CreateScalar(*k3++), one);
                }
            }

            Vector128<float> sums0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a0, a1), AdvSimd.Arm64.AddPairwise(a2, a3));
            sums0 *= factor;
            max = AdvSimd.Max(max, sums0);
            sums0.Store(target);
            target += 4;
        }

        for (int i = count - single; i < count; i++)
        {
            float logit = Single(query, keys + (list[i] * stride), dim) * power;
            logits[i] = logit;
            max = AdvSimd.Max(max, Vector128.Create(logit));
        }

        max.Store(maxima);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Single(float* query, float* key, int dim)
    {
        Vector128<float> a0 = Vector128<float>.Zero;
        Vector128<float> a1 = Vector128<float>.Zero;
        float* end = query + dim;
        for (float* end16 = query + (dim & ~15); query < end16; query += 16, key += 16)
        {
            Vector128<float> x = Vector128.Load(key);
            Vector128<float> y = Vector128.Load(key + 4);
            Vector128<float> p = Vector128.Load(query);
            Vector128<float> u = Vector128.Load(query + 4);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x, p);
            a1 = AdvSimd.FusedMultiplyAdd(a1, y, u);
            Vector128<float> x8 = Vector128.Load(key + 8);
            Vector128<float> y8 = Vector128.Load(key + 12);
            Vector128<float> p8 = Vector128.Load(query + 8);
            Vector128<float> u8 = Vector128.Load(query + 12);
            a0 = AdvSimd.FusedMultiplyAdd(a0, x8, p8);
            a1 = AdvSimd.FusedMultiplyAdd(a1, y8, u8);
        }

        for (float* end4 = query + (dim & 12); query < end4; query += 4, key += 4)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.Load(key), Vector128.Load(query));
        }

        for (; query < end; query++, key++)
        {
            a0 = AdvSimd.FusedMultiplyAdd(a0, Vector128.CreateScalar(*key), Vector128.CreateScalar(*query));
        }

        a0 += a1;
        a0 = AdvSimd.Arm64.AddPairwise(a0, a0);
        return AdvSimd.Arm64.AddPairwiseScalar(a0.GetLower()).ToScalar();
    }
}
