using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>
/// Tiles whose sums fit 16 bits. Registers: 16 accumulators (4 rows x 4 keys, each 8 partial sums over channels), 4 of keys, 4 of queries; per pair and
/// 16 channels one SMLAL and one SMLAL2, modulo 2^16; at the end SADDLP and pairwise additions.
/// </content>
internal static unsafe partial class Int8ScoresAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WrapTiles<T, TShift>(sbyte* queries, sbyte* keys, int tiles, nint chunks, int shift, T* output, nint stride)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        Vector128<int> right = Vector128.Create(-shift);
        nint twoRows = 2 * stride;
        sbyte* end = queries + (chunks * TileChunkBytes);
        sbyte* last = end - TileChunkBytes;
        sbyte* k = keys;
        for (; tiles > 0; tiles--, output += Tile)
        {
            sbyte* q = queries;
            Vector128<sbyte> k0 = Vector128.Load(k);
            Vector128<sbyte> k1 = Vector128.Load(k + 16);
            Vector128<sbyte> k2 = Vector128.Load(k + 32);
            Vector128<sbyte> k3 = Vector128.Load(k + 48);
            Vector128<sbyte> q0 = Vector128.Load(q);
            Vector128<sbyte> q1 = Vector128.Load(q + 16);
            Vector128<sbyte> q2 = Vector128.Load(q + 32);
            Vector128<sbyte> q3 = Vector128.Load(q + 48);
            Vector128<short> s00 = AdvSimd.MultiplyWideningUpper(q0, k0);
            Vector128<short> s01 = AdvSimd.MultiplyWideningUpper(q0, k1);
            Vector128<short> s02 = AdvSimd.MultiplyWideningUpper(q0, k2);
            Vector128<short> s03 = AdvSimd.MultiplyWideningUpper(q0, k3);
            Vector128<short> s10 = AdvSimd.MultiplyWideningUpper(q1, k0);
            Vector128<short> s11 = AdvSimd.MultiplyWideningUpper(q1, k1);
            Vector128<short> s12 = AdvSimd.MultiplyWideningUpper(q1, k2);
            Vector128<short> s13 = AdvSimd.MultiplyWideningUpper(q1, k3);
            Vector128<short> s20 = AdvSimd.MultiplyWideningUpper(q2, k0);
            Vector128<short> s21 = AdvSimd.MultiplyWideningUpper(q2, k1);
            Vector128<short> s22 = AdvSimd.MultiplyWideningUpper(q2, k2);
            Vector128<short> s23 = AdvSimd.MultiplyWideningUpper(q2, k3);
            Vector128<short> s30 = AdvSimd.MultiplyWideningUpper(q3, k0);
            Vector128<short> s31 = AdvSimd.MultiplyWideningUpper(q3, k1);
            Vector128<short> s32 = AdvSimd.MultiplyWideningUpper(q3, k2);
            Vector128<short> s33 = AdvSimd.MultiplyWideningUpper(q3, k3);
            s00 = AdvSimd.MultiplyWideningLowerAndAdd(s00, q0.GetLower(), k0.GetLower());
            s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, q0.GetLower(), k1.GetLower());
            s02 = AdvSimd.MultiplyWideningLowerAndAdd(s02, q0.GetLower(), k2.GetLower());
            s03 = AdvSimd.MultiplyWideningLowerAndAdd(s03, q0.GetLower(), k3.GetLower());
            s10 = AdvSimd.MultiplyWideningLowerAndAdd(s10, q1.GetLower(), k0.GetLower());
            s11 = AdvSimd.MultiplyWideningLowerAndAdd(s11, q1.GetLower(), k1.GetLower());
            s12 = AdvSimd.MultiplyWideningLowerAndAdd(s12, q1.GetLower(), k2.GetLower());
            s13 = AdvSimd.MultiplyWideningLowerAndAdd(s13, q1.GetLower(), k3.GetLower());
            s20 = AdvSimd.MultiplyWideningLowerAndAdd(s20, q2.GetLower(), k0.GetLower());
            s21 = AdvSimd.MultiplyWideningLowerAndAdd(s21, q2.GetLower(), k1.GetLower());
            s22 = AdvSimd.MultiplyWideningLowerAndAdd(s22, q2.GetLower(), k2.GetLower());
            s23 = AdvSimd.MultiplyWideningLowerAndAdd(s23, q2.GetLower(), k3.GetLower());
            s30 = AdvSimd.MultiplyWideningLowerAndAdd(s30, q3.GetLower(), k0.GetLower());
            s31 = AdvSimd.MultiplyWideningLowerAndAdd(s31, q3.GetLower(), k1.GetLower());
            s32 = AdvSimd.MultiplyWideningLowerAndAdd(s32, q3.GetLower(), k2.GetLower());
            s33 = AdvSimd.MultiplyWideningLowerAndAdd(s33, q3.GetLower(), k3.GetLower());
            Vector128<sbyte> k0b = Vector128.Load(k + 64);
            Vector128<sbyte> k1b = Vector128.Load(k + 80);
            Vector128<sbyte> k2b = Vector128.Load(k + 96);
            Vector128<sbyte> k3b = Vector128.Load(k + 112);
            Vector128<sbyte> q0b = Vector128.Load(q + 64);
            Vector128<sbyte> q1b = Vector128.Load(q + 80);
            Vector128<sbyte> q2b = Vector128.Load(q + 96);
            Vector128<sbyte> q3b = Vector128.Load(q + 112);
            s00 = AdvSimd.MultiplyWideningUpperAndAdd(s00, q0b, k0b);
            s01 = AdvSimd.MultiplyWideningUpperAndAdd(s01, q0b, k1b);
            s02 = AdvSimd.MultiplyWideningUpperAndAdd(s02, q0b, k2b);
            s03 = AdvSimd.MultiplyWideningUpperAndAdd(s03, q0b, k3b);
            s10 = AdvSimd.MultiplyWideningUpperAndAdd(s10, q1b, k0b);
            s11 = AdvSimd.MultiplyWideningUpperAndAdd(s11, q1b, k1b);
            s12 = AdvSimd.MultiplyWideningUpperAndAdd(s12, q1b, k2b);
            s13 = AdvSimd.MultiplyWideningUpperAndAdd(s13, q1b, k3b);
            s20 = AdvSimd.MultiplyWideningUpperAndAdd(s20, q2b, k0b);
            s21 = AdvSimd.MultiplyWideningUpperAndAdd(s21, q2b, k1b);
            s22 = AdvSimd.MultiplyWideningUpperAndAdd(s22, q2b, k2b);
            s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, q2b, k3b);
            s30 = AdvSimd.MultiplyWideningUpperAndAdd(s30, q3b, k0b);
            s31 = AdvSimd.MultiplyWideningUpperAndAdd(s31, q3b, k1b);
            s32 = AdvSimd.MultiplyWideningUpperAndAdd(s32, q3b, k2b);
            s33 = AdvSimd.MultiplyWideningUpperAndAdd(s33, q3b, k3b);
            s00 = AdvSimd.MultiplyWideningLowerAndAdd(s00, q0b.GetLower(), k0b.GetLower());
            s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, q0b.GetLower(), k1b.GetLower());
            s02 = AdvSimd.MultiplyWideningLowerAndAdd(s02, q0b.GetLower(), k2b.GetLower());
            s03 = AdvSimd.MultiplyWideningLowerAndAdd(s03, q0b.GetLower(), k3b.GetLower());
            s10 = AdvSimd.MultiplyWideningLowerAndAdd(s10, q1b.GetLower(), k0b.GetLower());
            s11 = AdvSimd.MultiplyWideningLowerAndAdd(s11, q1b.GetLower(), k1b.GetLower());
            s12 = AdvSimd.MultiplyWideningLowerAndAdd(s12, q1b.GetLower(), k2b.GetLower());
            s13 = AdvSimd.MultiplyWideningLowerAndAdd(s13, q1b.GetLower(), k3b.GetLower());
            s20 = AdvSimd.MultiplyWideningLowerAndAdd(s20, q2b.GetLower(), k0b.GetLower());
            s21 = AdvSimd.MultiplyWideningLowerAndAdd(s21, q2b.GetLower(), k1b.GetLower());
            s22 = AdvSimd.MultiplyWideningLowerAndAdd(s22, q2b.GetLower(), k2b.GetLower());
            s23 = AdvSimd.MultiplyWideningLowerAndAdd(s23, q2b.GetLower(), k3b.GetLower());
            s30 = AdvSimd.MultiplyWideningLowerAndAdd(s30, q3b.GetLower(), k0b.GetLower());
            s31 = AdvSimd.MultiplyWideningLowerAndAdd(s31, q3b.GetLower(), k1b.GetLower());
            s32 = AdvSimd.MultiplyWideningLowerAndAdd(s32, q3b.GetLower(), k2b.GetLower());
            s33 = AdvSimd.MultiplyWideningLowerAndAdd(s33, q3b.GetLower(), k3b.GetLower());
            k += 2 * TileChunkBytes;
            q += 2 * TileChunkBytes;
            for (; q < last; q += 2 * TileChunkBytes, k += 2 * TileChunkBytes)
            {
                Vector128<sbyte> k0c = Vector128.Load(k);
                Vector128<sbyte> k1c = Vector128.Load(k + 16);
                Vector128<sbyte> k2c = Vector128.Load(k + 32);
                Vector128<sbyte> k3c = Vector128.Load(k + 48);
                Vector128<sbyte> q0c = Vector128.Load(q);
                Vector128<sbyte> q1c = Vector128.Load(q + 16);
                Vector128<sbyte> q2c = Vector128.Load(q + 32);
                Vector128<sbyte> q3c = Vector128.Load(q + 48);
                s00 = AdvSimd.MultiplyWideningUpperAndAdd(s00, q0c, k0c);
                s01 = AdvSimd.MultiplyWideningUpperAndAdd(s01, q0c, k1c);
                s02 = AdvSimd.MultiplyWideningUpperAndAdd(s02, q0c, k2c);
                s03 = AdvSimd.MultiplyWideningUpperAndAdd(s03, q0c, k3c);
                s10 = AdvSimd.MultiplyWideningUpperAndAdd(s10, q1c, k0c);
                s11 = AdvSimd.MultiplyWideningUpperAndAdd(s11, q1c, k1c);
                s12 = AdvSimd.MultiplyWideningUpperAndAdd(s12, q1c, k2c);
                s13 = AdvSimd.MultiplyWideningUpperAndAdd(s13, q1c, k3c);
                s20 = AdvSimd.MultiplyWideningUpperAndAdd(s20, q2c, k0c);
                s21 = AdvSimd.MultiplyWideningUpperAndAdd(s21, q2c, k1c);
                s22 = AdvSimd.MultiplyWideningUpperAndAdd(s22, q2c, k2c);
                s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, q2c, k3c);
                s30 = AdvSimd.MultiplyWideningUpperAndAdd(s30, q3c, k0c);
                s31 = AdvSimd.MultiplyWideningUpperAndAdd(s31, q3c, k1c);
                s32 = AdvSimd.MultiplyWideningUpperAndAdd(s32, q3c, k2c);
                s33 = AdvSimd.MultiplyWideningUpperAndAdd(s33, q3c, k3c);
                s00 = AdvSimd.MultiplyWideningLowerAndAdd(s00, q0c.GetLower(), k0c.GetLower());
                s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, q0c.GetLower(), k1c.GetLower());
                s02 = AdvSimd.MultiplyWideningLowerAndAdd(s02, q0c.GetLower(), k2c.GetLower());
                s03 = AdvSimd.MultiplyWideningLowerAndAdd(s03, q0c.GetLower(), k3c.GetLower());
                s10 = AdvSimd.MultiplyWideningLowerAndAdd(s10, q1c.GetLower(), k0c.GetLower());
                s11 = AdvSimd.MultiplyWideningLowerAndAdd(s11, q1c.GetLower(), k1c.GetLower());
                s12 = AdvSimd.MultiplyWideningLowerAndAdd(s12, q1c.GetLower(), k2c.GetLower());
                s13 = AdvSimd.MultiplyWideningLowerAndAdd(s13, q1c.GetLower(), k3c.GetLower());
                s20 = AdvSimd.MultiplyWideningLowerAndAdd(s20, q2c.GetLower(), k0c.GetLower());
                s21 = AdvSimd.MultiplyWideningLowerAndAdd(s21, q2c.GetLower(), k1c.GetLower());
                s22 = AdvSimd.MultiplyWideningLowerAndAdd(s22, q2c.GetLower(), k2c.GetLower());
                s23 = AdvSimd.MultiplyWideningLowerAndAdd(s23, q2c.GetLower(), k3c.GetLower());
                s30 = AdvSimd.MultiplyWideningLowerAndAdd(s30, q3c.GetLower(), k0c.GetLower());
                s31 = AdvSimd.MultiplyWideningLowerAndAdd(s31, q3c.GetLower(), k1c.GetLower());
                s32 = AdvSimd.MultiplyWideningLowerAndAdd(s32, q3c.GetLower(), k2c.GetLower());
                s33 = AdvSimd.MultiplyWideningLowerAndAdd(s33, q3c.GetLower(), k3c.GetLower());
                Vector128<sbyte> k0cb = Vector128.Load(k + 64);
                Vector128<sbyte> k1cb = Vector128.Load(k + 80);
                Vector128<sbyte> k2cb = Vector128.Load(k + 96);
                Vector128<sbyte> k3cb = Vector128.Load(k + 112);
                Vector128<sbyte> q0cb = Vector128.Load(q + 64);
                Vector128<sbyte> q1cb = Vector128.Load(q + 80);
                Vector128<sbyte> q2cb = Vector128.Load(q + 96);
                Vector128<sbyte> q3cb = Vector128.Load(q + 112);
                s00 = AdvSimd.MultiplyWideningUpperAndAdd(s00, q0cb, k0cb);
                s01 = AdvSimd.MultiplyWideningUpperAndAdd(s01, q0cb, k1cb);
                s02 = AdvSimd.MultiplyWideningUpperAndAdd(s02, q0cb, k2cb);
                s03 = AdvSimd.MultiplyWideningUpperAndAdd(s03, q0cb, k3cb);
                s10 = AdvSimd.MultiplyWideningUpperAndAdd(s10, q1cb, k0cb);
                s11 = AdvSimd.MultiplyWideningUpperAndAdd(s11, q1cb, k1cb);
                s12 = AdvSimd.MultiplyWideningUpperAndAdd(s12, q1cb, k2cb);
                s13 = AdvSimd.MultiplyWideningUpperAndAdd(s13, q1cb, k3cb);
                s20 = AdvSimd.MultiplyWideningUpperAndAdd(s20, q2cb, k0cb);
                s21 = AdvSimd.MultiplyWideningUpperAndAdd(s21, q2cb, k1cb);
                s22 = AdvSimd.MultiplyWideningUpperAndAdd(s22, q2cb, k2cb);
                s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, q2cb, k3cb);
                s30 = AdvSimd.MultiplyWideningUpperAndAdd(s30, q3cb, k0cb);
                s31 = AdvSimd.MultiplyWideningUpperAndAdd(s31, q3cb, k1cb);
                s32 = AdvSimd.MultiplyWideningUpperAndAdd(s32, q3cb, k2cb);
                s33 = AdvSimd.MultiplyWideningUpperAndAdd(s33, q3cb, k3cb);
                s00 = AdvSimd.MultiplyWideningLowerAndAdd(s00, q0cb.GetLower(), k0cb.GetLower());
                s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, q0cb.GetLower(), k1cb.GetLower());
                s02 = AdvSimd.MultiplyWideningLowerAndAdd(s02, q0cb.GetLower(), k2cb.GetLower());
                s03 = AdvSimd.MultiplyWideningLowerAndAdd(s03, q0cb.GetLower(), k3cb.GetLower());
                s10 = AdvSimd.MultiplyWideningLowerAndAdd(s10, q1cb.GetLower(), k0cb.GetLower());
                s11 = AdvSimd.MultiplyWideningLowerAndAdd(s11, q1cb.GetLower(), k1cb.GetLower());
                s12 = AdvSimd.MultiplyWideningLowerAndAdd(s12, q1cb.GetLower(), k2cb.GetLower());
                s13 = AdvSimd.MultiplyWideningLowerAndAdd(s13, q1cb.GetLower(), k3cb.GetLower());
                s20 = AdvSimd.MultiplyWideningLowerAndAdd(s20, q2cb.GetLower(), k0cb.GetLower());
                s21 = AdvSimd.MultiplyWideningLowerAndAdd(s21, q2cb.GetLower(), k1cb.GetLower());
                s22 = AdvSimd.MultiplyWideningLowerAndAdd(s22, q2cb.GetLower(), k2cb.GetLower());
                s23 = AdvSimd.MultiplyWideningLowerAndAdd(s23, q2cb.GetLower(), k3cb.GetLower());
                s30 = AdvSimd.MultiplyWideningLowerAndAdd(s30, q3cb.GetLower(), k0cb.GetLower());
                s31 = AdvSimd.MultiplyWideningLowerAndAdd(s31, q3cb.GetLower(), k1cb.GetLower());
                s32 = AdvSimd.MultiplyWideningLowerAndAdd(s32, q3cb.GetLower(), k2cb.GetLower());
                s33 = AdvSimd.MultiplyWideningLowerAndAdd(s33, q3cb.GetLower(), k3cb.GetLower());
            }

            if (q < end)
            {
                Vector128<sbyte> k0d = Vector128.Load(k);
                Vector128<sbyte> k1d = Vector128.Load(k + 16);
                Vector128<sbyte> k2d = Vector128.Load(k + 32);
                Vector128<sbyte> k3d = Vector128.Load(k + 48);
                Vector128<sbyte> q0d = Vector128.Load(q);
                Vector128<sbyte> q1d = Vector128.Load(q + 16);
                Vector128<sbyte> q2d = Vector128.Load(q + 32);
                Vector128<sbyte> q3d = Vector128.Load(q + 48);
                s00 = AdvSimd.MultiplyWideningUpperAndAdd(s00, q0d, k0d);
                s01 = AdvSimd.MultiplyWideningUpperAndAdd(s01, q0d, k1d);
                s02 = AdvSimd.MultiplyWideningUpperAndAdd(s02, q0d, k2d);
                s03 = AdvSimd.MultiplyWideningUpperAndAdd(s03, q0d, k3d);
                s10 = AdvSimd.MultiplyWideningUpperAndAdd(s10, q1d, k0d);
                s11 = AdvSimd.MultiplyWideningUpperAndAdd(s11, q1d, k1d);
                s12 = AdvSimd.MultiplyWideningUpperAndAdd(s12, q1d, k2d);
                s13 = AdvSimd.MultiplyWideningUpperAndAdd(s13, q1d, k3d);
                s20 = AdvSimd.MultiplyWideningUpperAndAdd(s20, q2d, k0d);
                s21 = AdvSimd.MultiplyWideningUpperAndAdd(s21, q2d, k1d);
                s22 = AdvSimd.MultiplyWideningUpperAndAdd(s22, q2d, k2d);
                s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, q2d, k3d);
                s30 = AdvSimd.MultiplyWideningUpperAndAdd(s30, q3d, k0d);
                s31 = AdvSimd.MultiplyWideningUpperAndAdd(s31, q3d, k1d);
                s32 = AdvSimd.MultiplyWideningUpperAndAdd(s32, q3d, k2d);
                s33 = AdvSimd.MultiplyWideningUpperAndAdd(s33, q3d, k3d);
                s00 = AdvSimd.MultiplyWideningLowerAndAdd(s00, q0d.GetLower(), k0d.GetLower());
                s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, q0d.GetLower(), k1d.GetLower());
                s02 = AdvSimd.MultiplyWideningLowerAndAdd(s02, q0d.GetLower(), k2d.GetLower());
                s03 = AdvSimd.MultiplyWideningLowerAndAdd(s03, q0d.GetLower(), k3d.GetLower());
                s10 = AdvSimd.MultiplyWideningLowerAndAdd(s10, q1d.GetLower(), k0d.GetLower());
                s11 = AdvSimd.MultiplyWideningLowerAndAdd(s11, q1d.GetLower(), k1d.GetLower());
                s12 = AdvSimd.MultiplyWideningLowerAndAdd(s12, q1d.GetLower(), k2d.GetLower());
                s13 = AdvSimd.MultiplyWideningLowerAndAdd(s13, q1d.GetLower(), k3d.GetLower());
                s20 = AdvSimd.MultiplyWideningLowerAndAdd(s20, q2d.GetLower(), k0d.GetLower());
                s21 = AdvSimd.MultiplyWideningLowerAndAdd(s21, q2d.GetLower(), k1d.GetLower());
                s22 = AdvSimd.MultiplyWideningLowerAndAdd(s22, q2d.GetLower(), k2d.GetLower());
                s23 = AdvSimd.MultiplyWideningLowerAndAdd(s23, q2d.GetLower(), k3d.GetLower());
                s30 = AdvSimd.MultiplyWideningLowerAndAdd(s30, q3d.GetLower(), k0d.GetLower());
                s31 = AdvSimd.MultiplyWideningLowerAndAdd(s31, q3d.GetLower(), k1d.GetLower());
                s32 = AdvSimd.MultiplyWideningLowerAndAdd(s32, q3d.GetLower(), k2d.GetLower());
                s33 = AdvSimd.MultiplyWideningLowerAndAdd(s33, q3d.GetLower(), k3d.GetLower());
                k += TileChunkBytes;
            }

            Vector128<int> row0 = Sums(s00, s01, s02, s03);
            Vector128<int> row1 = Sums(s10, s11, s12, s13);
            Vector128<int> row2 = Sums(s20, s21, s22, s23);
            Vector128<int> row3 = Sums(s30, s31, s32, s33);
            k += NormBytes;
            StoreTile<T, TShift>(row0, row1, row2, row3, right, output, stride, twoRows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Sums(Vector128<short> a, Vector128<short> b, Vector128<short> c, Vector128<short> d) =>
        AdvSimd.Arm64.AddPairwise(
            AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(a), AdvSimd.AddPairwiseWidening(b)),
            AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(c), AdvSimd.AddPairwiseWidening(d)));

    /// <summary>Products or scores of 4 rows x 4 keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTile<T, TShift>(
        Vector128<int> row0, Vector128<int> row1, Vector128<int> row2, Vector128<int> row3, Vector128<int> right, T* output, nint stride, nint twoRows)
        where T : unmanaged
        where TShift : struct, IScoreShiftAdvSimd
    {
        if (typeof(T) == typeof(int))
        {
            row0.Store((int*)output);
            row1.Store((int*)(output + stride));
            output += twoRows;
            row2.Store((int*)output);
            row3.Store((int*)(output + stride));
            return;
        }

        Vector128<short> low = TShift.Narrow(row0, row1, right);
        Vector128<short> high = TShift.Narrow(row2, row3, right);
        Vector128<uint> scores = AdvSimd.ExtractNarrowingSaturateUpper(AdvSimd.ExtractNarrowingSaturateLower(low), high).AsUInt32();
        Unsafe.WriteUnaligned(output, scores.ToScalar());
        Unsafe.WriteUnaligned(output + stride, scores.GetElement(1));
        output += twoRows;
        Unsafe.WriteUnaligned(output, scores.GetElement(2));
        Unsafe.WriteUnaligned(output + stride, scores.GetElement(3));
    }
}
