using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>Rows that a kernel computes at once.</summary>
internal interface IRowsAdvSimd
{
}

/// <summary>One row.</summary>
internal readonly struct OneRow : IRowsAdvSimd;

/// <summary>Two rows that share keys.</summary>
internal readonly struct TwoRows : IRowsAdvSimd;

/// <summary>
/// sums_r += Σ_i w_ri·v_i of one or two rows over listed values in a 16-bit format, without the factor that <see cref="IShortFormatAdvSimd"/>
/// leaves out. Values are widened in registers, once for both rows. Blocks of 32 and 8 channels: an accumulator per row and 4 channels (16 or 4), a value
/// row's channels as loaded (4 or 1), 4 weights of each row taken by element. Single channels behind the last block.
/// </summary>
internal static unsafe class GatherShortValuesAdvSimd
{
    private interface IWidth
    {
    }

    /// <summary><paramref name="sums0"/> [dim], and with <see cref="TwoRows"/> <paramref name="sums1"/>, are added to.</summary>
    public static void Add<TFormat, TRows>(
        ushort* values, nint stride, int dim, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1)
        where TFormat : struct, IShortFormatAdvSimd
        where TRows : struct, IRowsAdvSimd
    {
        int whole = dim & ~31;
        Vector128<ushort> zero = IShortFormatAdvSimd.Zero(dim);
        Blocks<TFormat, TRows, Width32>(values, stride, list, count, weights0, weights1, sums0, sums1, whole);
        Blocks<TFormat, TRows, Width8>(
            values + whole, stride, list, count, weights0, weights1, sums0 + whole, sums1 + whole, (dim & ~7) - whole);
        for (int d = dim & ~7; d < dim; d++)
        {
            for (int i = 0; i < count; i++)
            {
                float value = TFormat.Lower(Vector128.CreateScalar(values[(list[i] * stride) + d]), zero).ToScalar();
                sums0[d] = MathF.FusedMultiplyAdd(weights0[i], value, sums0[d]);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    sums1[d] = MathF.FusedMultiplyAdd(weights1[i], value, sums1[d]);
                }
            }
        }
    }

    /// <summary>output = (sums·(what the format lacks) + tail·tailValue)·factor; <paramref name="tailValue"/> is not read when the tail is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish<TFormat>(float* sums, float* scales, int dim, float tail, float* tailValue, float factor, float* output)
        where TFormat : struct, IShortFormatAdvSimd
    {
        Vector128<float> factors = Vector128.Create(factor);
        int d = 0;
        for (; d + 4 <= dim; d += 4)
        {
            Vector128<float> sum = TFormat.Scaled(Vector128.Load(sums + d), scales + d);
            if (tail != 0)
            {
                sum = AdvSimd.FusedMultiplyAdd(sum, Vector128.Load(tailValue + d), Vector128.Create(tail));
            }

            (sum * factors).Store(output + d);
        }

        for (; d < dim; d++)
        {
            float scale = typeof(TFormat) == typeof(Q16AdvSimd) ? scales[d] * Q16AdvSimd.Step : typeof(TFormat) == typeof(F16AdvSimd) ? F16AdvSimd.Lacking : 1;
            float sum = sums[d] * scale;
            output[d] = (tail != 0 ? MathF.FusedMultiplyAdd(tailValue[d], tail, sum) : sum) * factor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Blocks<TFormat, TRows, TWidth>(
        ushort* values, nint stride, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1, int channels)
        where TFormat : struct, IShortFormatAdvSimd
        where TRows : struct, IRowsAdvSimd
        where TWidth : struct, IWidth
    {
        int width = typeof(TWidth) == typeof(Width32) ? 32 : 8;
        nint strideBytes = stride * sizeof(ushort);
        Vector128<ushort> zero = IShortFormatAdvSimd.Zero(count);
        for (; channels > 0; channels -= width)
        {
            Vector128<float> s0 = Vector128.Load(sums0);
            Vector128<float> s1 = Vector128.Load(sums0 + 4);
            Vector128<float> s2 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 8) : default;
            Vector128<float> s3 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 12) : default;
            Vector128<float> s4 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 16) : default;
            Vector128<float> s5 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 20) : default;
            Vector128<float> s6 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 24) : default;
            Vector128<float> s7 = typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums0 + 28) : default;
            Vector128<float> t0 = typeof(TRows) == typeof(TwoRows) ? Vector128.Load(sums1) : default;
            Vector128<float> t1 = typeof(TRows) == typeof(TwoRows) ? Vector128.Load(sums1 + 4) : default;
            Vector128<float> t2 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 8) : default;
            Vector128<float> t3 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 12) : default;
            Vector128<float> t4 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 16) : default;
            Vector128<float> t5 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 20) : default;
            Vector128<float> t6 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 24) : default;
            Vector128<float> t7 = typeof(TRows) == typeof(TwoRows) && typeof(TWidth) == typeof(Width32) ? Vector128.Load(sums1 + 28) : default;
            float* row0 = weights0;
            float* row1 = weights1;
            int* next = list;
            int* end = list + count;
            for (int* end4 = list + (count & ~3); next < end4; next += 4)
            {
                nint i0 = (nint)(uint)next[0];
                nint i1 = (nint)(uint)next[1];
                nint i2 = (nint)(uint)next[2];
                nint i3 = (nint)(uint)next[3];
                Vector128<float> w = Vector128.Load(row0);
                row0 += 4;
                Vector128<float> u = default;
                if (typeof(TRows) == typeof(TwoRows))
                {
                    u = Vector128.Load(row1);
                    row1 += 4;
                }

                ushort* v0 = (ushort*)((byte*)values + (i0 * strideBytes));
                Vector128<ushort> h00 = Vector128.Load(v0);
                if (typeof(TWidth) == typeof(Width32))
                {
                    Vector128<ushort> h01 = Vector128.Load(v0 + 8);
                    Vector128<ushort> h02 = Vector128.Load(v0 + 16);
                    Vector128<ushort> h03 = Vector128.Load(v0 + 24);
                    Vector128<float> x03 = TFormat.Upper(h01, zero);
                    Vector128<float> x02 = TFormat.Lower(h01, zero);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x02, w, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x03, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x02, u, 0);
                        t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x03, u, 0);
                    }

                    Vector128<float> x05 = TFormat.Upper(h02, zero);
                    Vector128<float> x04 = TFormat.Lower(h02, zero);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x04, w, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x05, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x04, u, 0);
                        t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x05, u, 0);
                    }

                    Vector128<float> x07 = TFormat.Upper(h03, zero);
                    Vector128<float> x06 = TFormat.Lower(h03, zero);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x06, w, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x07, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x06, u, 0);
                        t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x07, u, 0);
                    }
                }

                Vector128<float> x01 = TFormat.Upper(h00, zero);
                Vector128<float> x00 = TFormat.Lower(h00, zero);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x00, w, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x01, w, 0);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x00, u, 0);
                    t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x01, u, 0);
                }

                ushort* v1 = (ushort*)((byte*)values + (i1 * strideBytes));
                Vector128<ushort> h10 = Vector128.Load(v1);
                if (typeof(TWidth) == typeof(Width32))
                {
                    Vector128<ushort> h11 = Vector128.Load(v1 + 8);
                    Vector128<ushort> h12 = Vector128.Load(v1 + 16);
                    Vector128<ushort> h13 = Vector128.Load(v1 + 24);
                    Vector128<float> x13 = TFormat.Upper(h11, zero);
                    Vector128<float> x12 = TFormat.Lower(h11, zero);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x12, w, 1);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x13, w, 1);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x12, u, 1);
                        t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x13, u, 1);
                    }

                    Vector128<float> x15 = TFormat.Upper(h12, zero);
                    Vector128<float> x14 = TFormat.Lower(h12, zero);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x14, w, 1);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x15, w, 1);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x14, u, 1);
                        t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x15, u, 1);
                    }

                    Vector128<float> x17 = TFormat.Upper(h13, zero);
                    Vector128<float> x16 = TFormat.Lower(h13, zero);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x16, w, 1);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x17, w, 1);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x16, u, 1);
                        t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x17, u, 1);
                    }
                }

                Vector128<float> x11 = TFormat.Upper(h10, zero);
                Vector128<float> x10 = TFormat.Lower(h10, zero);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x10, w, 1);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x11, w, 1);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x10, u, 1);
                    t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x11, u, 1);
                }

                ushort* v2 = (ushort*)((byte*)values + (i2 * strideBytes));
                Vector128<ushort> h20 = Vector128.Load(v2);
                if (typeof(TWidth) == typeof(Width32))
                {
                    Vector128<ushort> h21 = Vector128.Load(v2 + 8);
                    Vector128<ushort> h22 = Vector128.Load(v2 + 16);
                    Vector128<ushort> h23 = Vector128.Load(v2 + 24);
                    Vector128<float> x23 = TFormat.Upper(h21, zero);
                    Vector128<float> x22 = TFormat.Lower(h21, zero);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x22, w, 2);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x23, w, 2);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x22, u, 2);
                        t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x23, u, 2);
                    }

                    Vector128<float> x25 = TFormat.Upper(h22, zero);
                    Vector128<float> x24 = TFormat.Lower(h22, zero);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x24, w, 2);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x25, w, 2);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x24, u, 2);
                        t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x25, u, 2);
                    }

                    Vector128<float> x27 = TFormat.Upper(h23, zero);
                    Vector128<float> x26 = TFormat.Lower(h23, zero);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x26, w, 2);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x27, w, 2);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x26, u, 2);
                        t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x27, u, 2);
                    }
                }

                Vector128<float> x21 = TFormat.Upper(h20, zero);
                Vector128<float> x20 = TFormat.Lower(h20, zero);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x20, w, 2);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x21, w, 2);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x20, u, 2);
                    t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x21, u, 2);
                }

                ushort* v3 = (ushort*)((byte*)values + (i3 * strideBytes));
                Vector128<ushort> h30 = Vector128.Load(v3);
                if (typeof(TWidth) == typeof(Width32))
                {
                    Vector128<ushort> h31 = Vector128.Load(v3 + 8);
                    Vector128<ushort> h32 = Vector128.Load(v3 + 16);
                    Vector128<ushort> h33 = Vector128.Load(v3 + 24);
                    Vector128<float> x33 = TFormat.Upper(h31, zero);
                    Vector128<float> x32 = TFormat.Lower(h31, zero);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x32, w, 3);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x33, w, 3);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x32, u, 3);
                        t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x33, u, 3);
                    }

                    Vector128<float> x35 = TFormat.Upper(h32, zero);
                    Vector128<float> x34 = TFormat.Lower(h32, zero);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x34, w, 3);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x35, w, 3);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x34, u, 3);
                        t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x35, u, 3);
                    }

                    Vector128<float> x37 = TFormat.Upper(h33, zero);
                    Vector128<float> x36 = TFormat.Lower(h33, zero);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x36, w, 3);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x37, w, 3);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x36, u, 3);
                        t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x37, u, 3);
                    }
                }

                Vector128<float> x31 = TFormat.Upper(h30, zero);
                Vector128<float> x30 = TFormat.Lower(h30, zero);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x30, w, 3);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x31, w, 3);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x30, u, 3);
                    t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x31, u, 3);
                }
            }

            for (; next < end; next++)
            {
                Vector128<float> w = Vector128.CreateScalarUnsafe(*row0++);
                Vector128<float> u = typeof(TRows) == typeof(TwoRows) ? Vector128.CreateScalarUnsafe(*row1++) : default;
                ushort* v = (ushort*)((byte*)values + ((nint)(uint)*next * strideBytes));
                Vector128<ushort> h0 = Vector128.Load(v);
                if (typeof(TWidth) == typeof(Width32))
                {
                    Vector128<ushort> h1 = Vector128.Load(v + 8);
                    Vector128<ushort> h2 = Vector128.Load(v + 16);
                    Vector128<ushort> h3 = Vector128.Load(v + 24);
                    Vector128<float> x3 = TFormat.Upper(h1, zero);
                    Vector128<float> x2 = TFormat.Lower(h1, zero);
                    s2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s2, x2, w, 0);
                    s3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s3, x3, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t2, x2, u, 0);
                        t3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t3, x3, u, 0);
                    }

                    Vector128<float> x5 = TFormat.Upper(h2, zero);
                    Vector128<float> x4 = TFormat.Lower(h2, zero);
                    s4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s4, x4, w, 0);
                    s5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s5, x5, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t4 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t4, x4, u, 0);
                        t5 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t5, x5, u, 0);
                    }

                    Vector128<float> x7 = TFormat.Upper(h3, zero);
                    Vector128<float> x6 = TFormat.Lower(h3, zero);
                    s6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s6, x6, w, 0);
                    s7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s7, x7, w, 0);
                    if (typeof(TRows) == typeof(TwoRows))
                    {
                        t6 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t6, x6, u, 0);
                        t7 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t7, x7, u, 0);
                    }
                }

                Vector128<float> x1 = TFormat.Upper(h0, zero);
                Vector128<float> x0 = TFormat.Lower(h0, zero);
                s0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s0, x0, w, 0);
                s1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(s1, x1, w, 0);
                if (typeof(TRows) == typeof(TwoRows))
                {
                    t0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t0, x0, u, 0);
                    t1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(t1, x1, u, 0);
                }
            }

            s0.Store(sums0);
            s1.Store(sums0 + 4);
            if (typeof(TWidth) == typeof(Width32))
            {
                s2.Store(sums0 + 8);
                s3.Store(sums0 + 12);
                s4.Store(sums0 + 16);
                s5.Store(sums0 + 20);
                s6.Store(sums0 + 24);
                s7.Store(sums0 + 28);
            }

            if (typeof(TRows) == typeof(TwoRows))
            {
                t0.Store(sums1);
                t1.Store(sums1 + 4);
                if (typeof(TWidth) == typeof(Width32))
                {
                    t2.Store(sums1 + 8);
                    t3.Store(sums1 + 12);
                    t4.Store(sums1 + 16);
                    t5.Store(sums1 + 20);
                    t6.Store(sums1 + 24);
                    t7.Store(sums1 + 28);
                }
            }

            values += width;
            sums0 += width;
            sums1 += width;
        }
    }

    private readonly struct Width32 : IWidth;

    private readonly struct Width8 : IWidth;
}
