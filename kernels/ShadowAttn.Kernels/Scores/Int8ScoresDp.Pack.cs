using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <content>Keys and queries to tiles of 8, [⌈dim/4⌉][8][4 channels].</content>
internal static unsafe partial class Int8ScoresDp
{
    /// <summary>[count ≤ 8, dim] to [⌈dim/4⌉][8][4].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTile(sbyte* source, nint stride, int count, int dim, sbyte* packed)
    {
        int d = 0;
        if (count == Tile)
        {
            for (; d + 16 <= dim; d += 16, packed += 128)
            {
                PackHalf(source + d, stride, packed);
                PackHalf(source + d + (4 * stride), stride, packed + 16);
            }
        }

        for (; d < dim; d += 4, packed += 32)
        {
            int channels = Math.Min(4, dim - d);
            new Span<sbyte>(packed, 32).Clear();
            for (int row = 0; row < count; row++)
            {
                for (int i = 0; i < channels; i++)
                {
                    packed[(row * 4) + i] = source[(row * stride) + d + i];
                }
            }
        }
    }

    /// <summary>Transposes 4 rows of 4 groups of 4 bytes; the groups of the result are 32 bytes apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackHalf(sbyte* source, nint stride, sbyte* packed)
    {
        Vector128<uint> a = Vector128.Load(source).AsUInt32();
        Vector128<uint> b = Vector128.Load(source + stride).AsUInt32();
        Vector128<uint> c = Vector128.Load(source + (2 * stride)).AsUInt32();
        Vector128<uint> d = Vector128.Load(source + (3 * stride)).AsUInt32();
        Vector128<ulong> ab02 = AdvSimd.Arm64.TransposeEven(a, b).AsUInt64();
        Vector128<ulong> ab13 = AdvSimd.Arm64.TransposeOdd(a, b).AsUInt64();
        Vector128<ulong> cd02 = AdvSimd.Arm64.TransposeEven(c, d).AsUInt64();
        Vector128<ulong> cd13 = AdvSimd.Arm64.TransposeOdd(c, d).AsUInt64();
        AdvSimd.Arm64.TransposeEven(ab02, cd02).AsSByte().Store(packed);
        AdvSimd.Arm64.TransposeEven(ab13, cd13).AsSByte().Store(packed + 32);
        AdvSimd.Arm64.TransposeOdd(ab02, cd02).AsSByte().Store(packed + 64);
        AdvSimd.Arm64.TransposeOdd(ab13, cd13).AsSByte().Store(packed + 96);
    }
}
