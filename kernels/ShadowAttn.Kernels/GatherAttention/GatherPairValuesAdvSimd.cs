using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// sums_r = Σ_i w_ri·v_i over keys that two rows share. Blocks of 32, 16 and 8 channels: 16 accumulators (2 rows x 8 vectors), 2 vectors of a value
/// row in flight, 4 weights of each row taken by element. Single channels behind the last block.
/// </summary>
internal static unsafe class GatherPairValuesAdvSimd
{
    private interface IWidth
    {
        static abstract int Vectors { get; }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(
        float* values, nint stride, int dim, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int whole = dim & ~31;
        if (whole != 0)
        {
            Blocks<Width8>(values, stride, list, count, weights0, weights1, sums0, sums1, whole);
        }

        if (whole != dim)
        {
            Rest(values + whole, stride, dim - whole, list, count, weights0, weights1, sums0 + whole, sums1 + whole);
        }
    }

    private static void Rest(
        float* values, nint stride, int channels, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1)
    {
        int d = channels & 16;
        if (d != 0)
        {
            Blocks<Width4>(values, stride, list, count, weights0, weights1, sums0, sums1, 16);
        }

        if ((channels & 8) != 0)
        {
            Blocks<Width2>(values + d, stride, list, count, weights0, weights1, sums0 + d, sums1 + d, 8);
            d += 8;
        }

        for (; d < channels; d++)
        {
            float sum0 = 0;
            float sum1 = 0;
            for (int i = 0; i < count; i++)
            {
                float value = values[(list[i] * stride) + d];
                sum0 += weights0[i] * value;
                sum1 += weights1[i] * value;
            }

            sums0[d] = sum0;
            sums1[d] = sum1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Blocks<TWidth>(
        float* values, nint stride, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1, int channels)
        where TWidth : struct, IWidth
    {
        nint strideBytes = stride * sizeof(float);
        for (; channels > 0; channels -= 4 * TWidth.Vectors)
        {
            Vector128<float> s0 = Vector128<float>.Zero;
            Vector128<float> s1 = Vector128<float>.Zero;
            Vector128<float> s2 = Vector128<float>.Zero;
            Vector128<float> s3 = Vector128<float>.Zero;
            Vector128<float> s4 = Vector128<float>.Zero;
            Vector128<float> s5 = Vector128<float>.Zero;
            Vector128<float> s6 = Vector128<float>.Zero;
            Vector128<float> s7 = Vector128<float>.Zero;
            Vector128<float> t0 = Vector128<float>.Zero;
            Vector128<float> t1 = Vector128<float>.Zero;
            Vector128<float> t2 = Vector128<float>.Zero;
            Vector128<float> t3 = Vector128<float>.Zero;
            Vector128<float> t4 = Vector128<float>.Zero;
            Vector128<float> t5 = Vector128<float>.Zero;
            Vector128<float> t6 = Vector128<float>.Zero;
            Vector128<float> t7 = Vector128<float>.Zero;
            float* row0 = weights0;
            float* row1 = weights1;
            int* next = list;
            int* end = list + count;
            for (int* end4 = list + (count & ~3); next < end4;)
            {
                nint i0 = (nint)(uint)next[0];
                nint i1 = (nint)(uint)next[1];
                nint i2 = (nint)(uint)next[2];
                nint i3 = (nint)(uint)next[3];
                next += 4;
                Vector128<float> w = Vector128.Load(row0);
                row0 += 4;
                Vector128<float> u = Vector128.Load(row1);
                row1 += 4;
                float* v0 = (float*)((byte*)values + (i0 * strideBytes));
                Vector128<float> x00 = Vector128.Load(v0);
                Vector128<float> x01 = Vector128.Load(v0 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x00, u, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);
                t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x01, u, 0);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x02 = Vector128.Load(v0 + 8);
                    Vector128<float> x03 = Vector128.Load(v0 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x02, u, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                    t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x03, u, 0);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x04 = Vector128.Load(v0 + 16);
                    Vector128<float> x05 = Vector128.Load(v0 + 20);
                    Vector128<float> x06 = Vector128.Load(v0 + 24);
                    Vector128<float> x07 = Vector128.Load(v0 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x04, u, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x05, u, 0);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x06, u, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                    t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x07, u, 0);
                }

                float* v1 = (float*)((byte*)values + (i1 * strideBytes));
                Vector128<float> x10 = Vector128.Load(v1);
                Vector128<float> x11 = Vector128.Load(v1 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x10, w, 1);
                t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x10, u, 1);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x11, w, 1);
                t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x11, u, 1);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x12 = Vector128.Load(v1 + 8);
                    Vector128<float> x13 = Vector128.Load(v1 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x12, w, 1);
                    t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x12, u, 1);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x13, w, 1);
                    t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x13, u, 1);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x14 = Vector128.Load(v1 + 16);
                    Vector128<float> x15 = Vector128.Load(v1 + 20);
                    Vector128<float> x16 = Vector128.Load(v1 + 24);
                    Vector128<float> x17 = Vector128.Load(v1 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x14, w, 1);
                    t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x14, u, 1);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x15, w, 1);
                    t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x15, u, 1);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x16, w, 1);
                    t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x16, u, 1);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x17, w, 1);
                    t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x17, u, 1);
                }

                float* v2 = (float*)((byte*)values + (i2 * strideBytes));
                Vector128<float> x20 = Vector128.Load(v2);
                Vector128<float> x21 = Vector128.Load(v2 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x20, w, 2);
                t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x20, u, 2);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x21, w, 2);
                t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x21, u, 2);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x22 = Vector128.Load(v2 + 8);
                    Vector128<float> x23 = Vector128.Load(v2 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x22, w, 2);
                    t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x22, u, 2);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x23, w, 2);
                    t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x23, u, 2);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x24 = Vector128.Load(v2 + 16);
                    Vector128<float> x25 = Vector128.Load(v2 + 20);
                    Vector128<float> x26 = Vector128.Load(v2 + 24);
                    Vector128<float> x27 = Vector128.Load(v2 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x24, w, 2);
                    t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x24, u, 2);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x25, w, 2);
                    t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x25, u, 2);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x26, w, 2);
                    t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x26, u, 2);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x27, w, 2);
                    t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x27, u, 2);
                }

                float* v3 = (float*)((byte*)values + (i3 * strideBytes));
                Vector128<float> x30 = Vector128.Load(v3);
                Vector128<float> x31 = Vector128.Load(v3 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x30, w, 3);
                t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x30, u, 3);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x31, w, 3);
                t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x31, u, 3);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x32 = Vector128.Load(v3 + 8);
                    Vector128<float> x33 = Vector128.Load(v3 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x32, w, 3);
                    t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x32, u, 3);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x33, w, 3);
                    t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x33, u, 3);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x34 = Vector128.Load(v3 + 16);
                    Vector128<float> x35 = Vector128.Load(v3 + 20);
                    Vector128<float> x36 = Vector128.Load(v3 + 24);
                    Vector128<float> x37 = Vector128.Load(v3 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x34, w, 3);
                    t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x34, u, 3);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x35, w, 3);
                    t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x35, u, 3);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x36, w, 3);
                    t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x36, u, 3);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x37, w, 3);
                    t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x37, u, 3);
                }
            }

            for (; next < end; next++)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(*row0++);
                Vector128<float> u = Vector128.CreateScalarUnsafe(*row1++);
                float* v0 = (float*)((byte*)values + ((nint)(uint)*next * strideBytes));
                Vector128<float> x00 = Vector128.Load(v0);
                Vector128<float> x01 = Vector128.Load(v0 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x00, u, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);
                t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x01, u, 0);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x02 = Vector128.Load(v0 + 8);
                    Vector128<float> x03 = Vector128.Load(v0 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x02, u, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                    t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x03, u, 0);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x04 = Vector128.Load(v0 + 16);
                    Vector128<float> x05 = Vector128.Load(v0 + 20);
                    Vector128<float> x06 = Vector128.Load(v0 + 24);
                    Vector128<float> x07 = Vector128.Load(v0 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x04, u, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x05, u, 0);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x06, u, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                    t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x07, u, 0);
                }
            }

            s0.Store(sums0);
            t0.Store(sums1);
            s1.Store(sums0 + 4);
            t1.Store(sums1 + 4);

            if (TWidth.Vectors > 2)
            {
                s2.Store(sums0 + 8);
                s3.Store(sums0 + 12);
                t2.Store(sums1 + 8);
                t3.Store(sums1 + 12);
            }

            if (TWidth.Vectors > 4)
            {
                s4.Store(sums0 + 16);
                s5.Store(sums0 + 20);
                s6.Store(sums0 + 24);
                s7.Store(sums0 + 28);
                t4.Store(sums1 + 16);
                t5.Store(sums1 + 20);
                t6.Store(sums1 + 24);
                t7.Store(sums1 + 28);
            }

            values += 4 * TWidth.Vectors;
            sums0 += 4 * TWidth.Vectors;
            sums1 += 4 * TWidth.Vectors;
        }
    }

    private readonly struct Width8 : IWidth
    {
        public static int Vectors => 8;
    }

    private readonly struct Width4 : IWidth
    {
        public static int Vectors => 4;
    }

    private readonly struct Width2 : IWidth
    {
        public static int Vectors => 2;
    }
}
