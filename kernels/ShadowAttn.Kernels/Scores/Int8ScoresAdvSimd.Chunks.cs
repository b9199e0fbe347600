using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>
/// Tiles whose sums may not fit 16 bits: 16 accumulators of 32 bits; per pair and 16 channels SMULL, SMLAL2 (16 bits), SADALP. Two products fit 16 bits
/// unless both operands can be -128: rows with a -128 take SMULL, SADALP, SMULL2, SADALP instead.
/// </content>
internal static unsafe partial class Int8ScoresAdvSimd
{
    private interface IRange
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ChunkTiles<T, TRange>(sbyte* queries, sbyte* keys, int tiles, nint chunks, int shift, T* output, nint stride)
        where T : unmanaged
        where TRange : struct, IRange
    {
        Vector128<int> right = Vector128.Create(-shift);
        sbyte* k = keys;
        for (int tile = 0; tile < tiles; tile++)
        {
            Vector128<int> s00 = Vector128<int>.Zero;
            Vector128<int> s01 = Vector128<int>.Zero;
            Vector128<int> s02 = Vector128<int>.Zero;
            Vector128<int> s03 = Vector128<int>.Zero;
            Vector128<int> s10 = Vector128<int>.Zero;
            Vector128<int> s11 = Vector128<int>.Zero;
            Vector128<int> s12 = Vector128<int>.Zero;
            Vector128<int> s13 = Vector128<int>.Zero;
            Vector128<int> s20 = Vector128<int>.Zero;
            Vector128<int> s21 = Vector128<int>.Zero;
            Vector128<int> s22 = Vector128<int>.Zero;
            Vector128<int> s23 = Vector128<int>.Zero;
            Vector128<int> s30 = Vector128<int>.Zero;
            Vector128<int> s31 = Vector128<int>.Zero;
            Vector128<int> s32 = Vector128<int>.Zero;
            Vector128<int> s33 = Vector128<int>.Zero;
            sbyte* q = queries;
            sbyte* end = queries + (chunks * TileChunkBytes);
            for (; q < end; q += TileChunkBytes, k += TileChunkBytes)
            {
                Vector128<sbyte> k0 = Vector128.Load(k);
                Vector128<sbyte> k1 = Vector128.Load(k + 16);
                Vector128<sbyte> k2 = Vector128.Load(k + 32);
                Vector128<sbyte> k3 = Vector128.Load(k + 48);
                Vector128<sbyte> q0 = Vector128.Load(q);
                Vector128<sbyte> q1 = Vector128.Load(q + 16);
                Vector128<sbyte> q2 = Vector128.Load(q + 32);
                Vector128<sbyte> q3 = Vector128.Load(q + 48);
                s00 = Add<TRange>(s00, q0, k0);
                s01 = Add<TRange>(s01, q0, k1);
                s02 = Add<TRange>(s02, q0, k2);
                s03 = Add<TRange>(s03, q0, k3);
                s10 = Add<TRange>(s10, q1, k0);
                s11 = Add<TRange>(s11, q1, k1);
                s12 = Add<TRange>(s12, q1, k2);
                s13 = Add<TRange>(s13, q1, k3);
                s20 = Add<TRange>(s20, q2, k0);
                s21 = Add<TRange>(s21, q2, k1);
                s22 = Add<TRange>(s22, q2, k2);
                s23 = Add<TRange>(s23, q2, k3);
                s30 = Add<TRange>(s30, q3, k0);
                s31 = Add<TRange>(s31, q3, k1);
                s32 = Add<TRange>(s32, q3, k2);
                s33 = Add<TRange>(s33, q3, k3);
            }

            Vector128<int> row0 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s00, s01), AdvSimd.Arm64.AddPairwise(s02, s03));
            Vector128<int> row1 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s10, s11), AdvSimd.Arm64.AddPairwise(s12, s13));
            Vector128<int> row2 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s20, s21), AdvSimd.Arm64.AddPairwise(s22, s23));
            Vector128<int> row3 = AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s30, s31), AdvSimd.Arm64.AddPairwise(s32, s33));
            k += NormBytes;
            StoreTile<T, AnyShift>(row0, row1, row2, row3, right, output + (tile * Tile), stride, 2 * stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Add<TRange>(Vector128<int> sum, Vector128<sbyte> q, Vector128<sbyte> k)
        where TRange : struct, IRange
    {
        Vector128<short> products = AdvSimd.MultiplyWideningLower(q.GetLower(), k.GetLower());
        if (typeof(TRange) == typeof(Within127))
        {
            return AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.MultiplyWideningUpperAndAdd(products, q, k));
        }

        sum = AdvSimd.AddPairwiseWideningAndAdd(sum, products);
        return AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.MultiplyWideningUpper(q, k));
    }

    private readonly struct Within127 : IRange;

    private readonly struct Within128 : IRange;
}
