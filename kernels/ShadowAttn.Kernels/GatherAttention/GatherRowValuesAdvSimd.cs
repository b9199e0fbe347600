using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (start + Σ_i w_i·v_i + tail·v_tail)·factor over the keys of one row. Blocks of 64, 32, 16 and 8 channels: 16 accumulators, 2 vectors of a
/// value row in flight, 4 weights taken by element. Single channels behind the last block.
/// </summary>
internal static unsafe class GatherRowValuesAdvSimd
{
    private interface IWidth
    {
        static abstract int Vectors { get; }
    }

    /// <summary><paramref name="start"/> may be <paramref name="output"/>; <paramref name="tailValue"/> is not read when the tail is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(
        float* values, nint stride, int dim, int* list, int count, float* weights, float* start, float tail, float* tailValue, float factor,
        float* output)
    {
        int whole = dim & ~63;
        if (whole != 0)
        {
            Blocks<Width16>(values, stride, list, count, weights, start, tail, tailValue, factor, output, whole);
        }

        if (whole != dim)
        {
            Rest(
                values + whole, stride, dim - whole, list, count, weights, start + whole, tail, tailValue + whole, factor, output + whole);
        }
    }

    private static void Rest(
        float* values, nint stride, int channels, int* list, int count, float* weights, float* start, float tail, float* tailValue, float factor,
        float* output)
    {
        int d = channels & 32;
        if (d != 0)
        {
            Blocks<Width8>(values, stride, list, count, weights, start, tail, tailValue, factor, output, 32);
        }

        if ((channels & 16) != 0)
        {
            Blocks<Width4>(values + d, stride, list, count, weights, start + d, tail, tailValue + d, factor, output + d, 16);
            d += 16;
        }

        if ((channels & 8) != 0)
        {
            Blocks<Width2>(values + d, stride, list, count, weights, start + d, tail, tailValue + d, factor, output + d, 8);
            d += 8;
        }

        for (; d < channels; d++)
        {
            float sum = start[d];
            for (int i = 0; i < count; i++)
            {
                sum += weights[i] * values[(list[i] * stride) + d];
            }

            output[d] = (sum + (tail == 0 ? 0 : tail * tailValue[d])) * factor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Blocks<TWidth>(
        float* values, nint stride, int* list, int count, float* weights, float* start, float tail, float* tailValue, float factor,
        float* output, int channels)
        where TWidth : struct, IWidth
    {
        nint strideBytes = stride * sizeof(float);
        for (; channels > 0; channels -= 4 * TWidth.Vectors)
        {
            Vector128<float> s0 = Vector128.Load(start);
            Vector128<float> s1 = Vector128.Load(start + 4);
            Vector128<float> s2 = TWidth.Vectors > 2 ? Vector128.Load(start + 8) : default;
            Vector128<float> s3 = TWidth.Vectors > 2 ? Vector128.Load(start + 12) : default;
            Vector128<float> s4 = TWidth.Vectors > 4 ? Vector128.Load(start + 16) : default;
            Vector128<float> s5 = TWidth.Vectors > 4 ? Vector128.Load(start + 20) : default;
            Vector128<float> s6 = TWidth.Vectors > 4 ? Vector128.Load(start + 24) : default;
            Vector128<float> s7 = TWidth.Vectors > 4 ? Vector128.Load(start + 28) : default;
            Vector128<float> s8 = TWidth.Vectors > 8 ? Vector128.Load(start + 32) : default;
            Vector128<float> s9 = TWidth.Vectors > 8 ? Vector128.Load(start + 36) : default;
            Vector128<float> sA = TWidth.Vectors > 8 ? Vector128.Load(start + 40) : default;
            Vector128<float> sB = TWidth.Vectors > 8 ? Vector128.Load(start + 44) : default;
            Vector128<float> sC = TWidth.Vectors > 8 ? Vector128.Load(start + 48) : default;
            Vector128<float> sD = TWidth.Vectors > 8 ? Vector128.Load(start + 52) : default;
            Vector128<float> sE = TWidth.Vectors > 8 ? Vector128.Load(start + 56) : default;
            Vector128<float> sF = TWidth.Vectors > 8 ? Vector128.Load(start + 60) : default;
            float* row = weights;
            int* next = list;
            int* end = list + count;
            for (int* end4 = list + (count & ~3); next < end4;)
            {
                nint i0 = (nint)(uint)next[0];
                nint i1 = (nint)(uint)next[1];
                nint i2 = (nint)(uint)next[2];
                nint i3 = (nint)(uint)next[3];
                next += 4;
                Vector128<float> w = Vector128.Load(row);
                row += 4;
                float* v0 = (float*)((byte*)values + (i0 * strideBytes));
                Vector128<float> x00 = Vector128.Load(v0);
                Vector128<float> x01 = Vector128.Load(v0 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x02 = Vector128.Load(v0 + 8);
                    Vector128<float> x03 = Vector128.Load(v0 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x04 = Vector128.Load(v0 + 16);
                    Vector128<float> x05 = Vector128.Load(v0 + 20);
                    Vector128<float> x06 = Vector128.Load(v0 + 24);
                    Vector128<float> x07 = Vector128.Load(v0 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x08 = Vector128.Load(v0 + 32);
                    Vector128<float> x09 = Vector128.Load(v0 + 36);
                    Vector128<float> x0A = Vector128.Load(v0 + 40);
                    Vector128<float> x0B = Vector128.Load(v0 + 44);
                    Vector128<float> x0C = Vector128.Load(v0 + 48);
                    Vector128<float> x0D = Vector128.Load(v0 + 52);
                    Vector128<float> x0E = Vector128.Load(v0 + 56);
                    Vector128<float> x0F = Vector128.Load(v0 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x08, w, 0);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x09, w, 0);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x0A, w, 0);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x0B, w, 0);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x0C, w, 0);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x0D, w, 0);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x0E, w, 0);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x0F, w, 0);
                }

                float* v1 = (float*)((byte*)values + (i1 * strideBytes));
                Vector128<float> x10 = Vector128.Load(v1);
                Vector128<float> x11 = Vector128.Load(v1 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x10, w, 1);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x11, w, 1);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x12 = Vector128.Load(v1 + 8);
                    Vector128<float> x13 = Vector128.Load(v1 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x12, w, 1);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x13, w, 1);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x14 = Vector128.Load(v1 + 16);
                    Vector128<float> x15 = Vector128.Load(v1 + 20);
                    Vector128<float> x16 = Vector128.Load(v1 + 24);
                    Vector128<float> x17 = Vector128.Load(v1 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x14, w, 1);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x15, w, 1);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x16, w, 1);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x17, w, 1);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x18 = Vector128.Load(v1 + 32);
                    Vector128<float> x19 = Vector128.Load(v1 + 36);
                    Vector128<float> x1A = Vector128.Load(v1 + 40);
                    Vector128<float> x1B = Vector128.Load(v1 + 44);
                    Vector128<float> x1C = Vector128.Load(v1 + 48);
                    Vector128<float> x1D = Vector128.Load(v1 + 52);
                    Vector128<float> x1E = Vector128.Load(v1 + 56);
                    Vector128<float> x1F = Vector128.Load(v1 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x18, w, 1);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x19, w, 1);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x1A, w, 1);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x1B, w, 1);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x1C, w, 1);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x1D, w, 1);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x1E, w, 1);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x1F, w, 1);
                }

                float* v2 = (float*)((byte*)values + (i2 * strideBytes));
                Vector128<float> x20 = Vector128.Load(v2);
                Vector128<float> x21 = Vector128.Load(v2 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x20, w, 2);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x21, w, 2);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x22 = Vector128.Load(v2 + 8);
                    Vector128<float> x23 = Vector128.Load(v2 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x22, w, 2);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x23, w, 2);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x24 = Vector128.Load(v2 + 16);
                    Vector128<float> x25 = Vector128.Load(v2 + 20);
                    Vector128<float> x26 = Vector128.Load(v2 + 24);
                    Vector128<float> x27 = Vector128.Load(v2 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x24, w, 2);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x25, w, 2);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x26, w, 2);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x27, w, 2);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x28 = Vector128.Load(v2 + 32);
                    Vector128<float> x29 = Vector128.Load(v2 + 36);
                    Vector128<float> x2A = Vector128.Load(v2 + 40);
                    Vector128<float> x2B = Vector128.Load(v2 + 44);
                    Vector128<float> x2C = Vector128.Load(v2 + 48);
                    Vector128<float> x2D = Vector128.Load(v2 + 52);
                    Vector128<float> x2E = Vector128.Load(v2 + 56);
                    Vector128<float> x2F = Vector128.Load(v2 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x28, w, 2);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x29, w, 2);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x2A, w, 2);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x2B, w, 2);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x2C, w, 2);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x2D, w, 2);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x2E, w, 2);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x2F, w, 2);
                }

                float* v3 = (float*)((byte*)values + (i3 * strideBytes));
                Vector128<float> x30 = Vector128.Load(v3);
                Vector128<float> x31 = Vector128.Load(v3 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x30, w, 3);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x31, w, 3);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x32 = Vector128.Load(v3 + 8);
                    Vector128<float> x33 = Vector128.Load(v3 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x32, w, 3);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x33, w, 3);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x34 = Vector128.Load(v3 + 16);
                    Vector128<float> x35 = Vector128.Load(v3 + 20);
                    Vector128<float> x36 = Vector128.Load(v3 + 24);
                    Vector128<float> x37 = Vector128.Load(v3 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x34, w, 3);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x35, w, 3);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x36, w, 3);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x37, w, 3);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x38 = Vector128.Load(v3 + 32);
                    Vector128<float> x39 = Vector128.Load(v3 + 36);
                    Vector128<float> x3A = Vector128.Load(v3 + 40);
                    Vector128<float> x3B = Vector128.Load(v3 + 44);
                    Vector128<float> x3C = Vector128.Load(v3 + 48);
                    Vector128<float> x3D = Vector128.Load(v3 + 52);
                    Vector128<float> x3E = Vector128.Load(v3 + 56);
                    Vector128<float> x3F = Vector128.Load(v3 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x38, w, 3);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x39, w, 3);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x3A, w, 3);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x3B, w, 3);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x3C, w, 3);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x3D, w, 3);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x3E, w, 3);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x3F, w, 3);
                }
            }

            for (; next < end; next++)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(*row++);
                float* v0 = (float*)((byte*)values + ((nint)(uint)*next * strideBytes));
                Vector128<float> x00 = Vector128.Load(v0);
                Vector128<float> x01 = Vector128.Load(v0 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x02 = Vector128.Load(v0 + 8);
                    Vector128<float> x03 = Vector128.Load(v0 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x04 = Vector128.Load(v0 + 16);
                    Vector128<float> x05 = Vector128.Load(v0 + 20);
                    Vector128<float> x06 = Vector128.Load(v0 + 24);
                    Vector128<float> x07 = Vector128.Load(v0 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x08 = Vector128.Load(v0 + 32);
                    Vector128<float> x09 = Vector128.Load(v0 + 36);
                    Vector128<float> x0A = Vector128.Load(v0 + 40);
                    Vector128<float> x0B = Vector128.Load(v0 + 44);
                    Vector128<float> x0C = Vector128.Load(v0 + 48);
                    Vector128<float> x0D = Vector128.Load(v0 + 52);
                    Vector128<float> x0E = Vector128.Load(v0 + 56);
                    Vector128<float> x0F = Vector128.Load(v0 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x08, w, 0);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x09, w, 0);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x0A, w, 0);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x0B, w, 0);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x0C, w, 0);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x0D, w, 0);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x0E, w, 0);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x0F, w, 0);
                }
            }

            if (tail != 0)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(tail);
                float* v0 = tailValue;
                Vector128<float> x00 = Vector128.Load(v0);
                Vector128<float> x01 = Vector128.Load(v0 + 4);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);

                if (TWidth.Vectors > 2)
                {
                    Vector128<float> x02 = Vector128.Load(v0 + 8);
                    Vector128<float> x03 = Vector128.Load(v0 + 12);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                }

                if (TWidth.Vectors > 4)
                {
                    Vector128<float> x04 = Vector128.Load(v0 + 16);
                    Vector128<float> x05 = Vector128.Load(v0 + 20);
                    Vector128<float> x06 = Vector128.Load(v0 + 24);
                    Vector128<float> x07 = Vector128.Load(v0 + 28);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                }

                if (TWidth.Vectors > 8)
                {
                    Vector128<float> x08 = Vector128.Load(v0 + 32);
                    Vector128<float> x09 = Vector128.Load(v0 + 36);
                    Vector128<float> x0A = Vector128.Load(v0 + 40);
                    Vector128<float> x0B = Vector128.Load(v0 + 44);
                    Vector128<float> x0C = Vector128.Load(v0 + 48);
                    Vector128<float> x0D = Vector128.Load(v0 + 52);
                    Vector128<float> x0E = Vector128.Load(v0 + 56);
                    Vector128<float> x0F = Vector128.Load(v0 + 60);
                    s8 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s8, x08, w, 0);
                    s9 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s9, x09, w, 0);
                    sA = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sA, x0A, w, 0);
                    sB = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sB, x0B, w, 0);
                    sC = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sC, x0C, w, 0);
                    sD = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sD, x0D, w, 0);
                    sE = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sE, x0E, w, 0);
                    sF = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(sF, x0F, w, 0);
                }
            }

            Vector128<float> f = Vector128.Create(factor);
            (s0 * f).Store(output);
            (s1 * f).Store(output + 4);

            if (TWidth.Vectors > 2)
            {
                (s2 * f).Store(output + 8);
                (s3 * f).Store(output + 12);
            }

            if (TWidth.Vectors > 4)
            {
                (s4 * f).Store(output + 16);
                (s5 * f).Store(output + 20);
                (s6 * f).Store(output + 24);
                (s7 * f).Store(output + 28);
            }

            if (TWidth.Vectors > 8)
            {
                (s8 * f).Store(output + 32);
                (s9 * f).Store(output + 36);
                (sA * f).Store(output + 40);
                (sB * f).Store(output + 44);
                (sC * f).Store(output + 48);
                (sD * f).Store(output + 52);
                (sE * f).Store(output + 56);
                (sF * f).Store(output + 60);
            }

            values += 4 * TWidth.Vectors;
            start += 4 * TWidth.Vectors;
            tailValue += 4 * TWidth.Vectors;
            output += 4 * TWidth.Vectors;
        }
    }

    private readonly struct Width16 : IWidth
    {
        public static int Vectors => 16;
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
