using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ShadowAttn.Model.Products;

/// <summary>
/// Superblocks of 256. Q4_K and Q5_K: fp16 d and dmin, eight 6-bit scales and minima in 12 bytes, then (Q5_K) the fifth bits, then the low
/// four; element = d·scale·q - dmin·min per 32. Q6_K: low four bits, high two, sixteen 8-bit scales, fp16 d; element = d·scale·(q - 32) per 16.
/// </summary>
internal static unsafe class SuperBlocks
{
    private const int Elements = 256;
    private const int Q4Bytes = 144;
    private const int Q5Bytes = 176;
    private const int Q6Bytes = 210;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_K(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += Q4Bytes)
        {
            for (int pair = 0; pair < 4; pair++)
            {
                byte* packed = source + 16 + (32 * pair);
                float* y = destination + i + (64 * pair);
                (float d0, float m0) = ScaleAndMinimum(source, 2 * pair);
                (float d1, float m1) = ScaleAndMinimum(source, (2 * pair) + 1);
                for (int half = 0; half < 32; half += 16)
                {
                    Vector128<byte> q = Vector128.Load(packed + half);
                    BlockLanes.Store(BlockLanes.Low(q).AsSByte(), d0, -m0, y + half);
                    BlockLanes.Store(BlockLanes.High(q).AsSByte(), d1, -m1, y + 32 + half);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_K(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += Q5Bytes)
        {
            for (int pair = 0; pair < 4; pair++)
            {
                byte* packed = source + 48 + (32 * pair);
                float* y = destination + i + (64 * pair);
                (float d0, float m0) = ScaleAndMinimum(source, 2 * pair);
                (float d1, float m1) = ScaleAndMinimum(source, (2 * pair) + 1);
                for (int half = 0; half < 32; half += 16)
                {
                    Vector128<byte> fifth = Vector128.Load(source + 16 + half);
                    Vector128<byte> q = Vector128.Load(packed + half);
                    BlockLanes.Store((BlockLanes.Low(q) | Sixteen(fifth, 2 * pair)).AsSByte(), d0, -m0, y + half);
                    BlockLanes.Store((BlockLanes.High(q) | Sixteen(fifth, (2 * pair) + 1)).AsSByte(), d1, -m1, y + 32 + half);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q6_K(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += Q6Bytes)
        {
            float d = BlockLanes.Half(source + 208);
            for (int half = 0; half < 2; half++)
            {
                byte* low = source + (64 * half);
                byte* high = source + 128 + (32 * half);
                sbyte* scales = (sbyte*)source + 192 + (8 * half);
                float* y = destination + i + (128 * half);
                for (int part = 0; part < 2; part++)
                {
                    Vector128<byte> h = Vector128.Load(high + (16 * part));
                    Vector128<byte> a = Vector128.Load(low + (16 * part));
                    Vector128<byte> b = Vector128.Load(low + 32 + (16 * part));
                    float* z = y + (16 * part);
                    BlockLanes.Store(Six(BlockLanes.Low(a), h, 0), d * scales[part], 0, z);
                    BlockLanes.Store(Six(BlockLanes.Low(b), h, 2), d * scales[part + 2], 0, z + 32);
                    BlockLanes.Store(Six(BlockLanes.High(a), h, 4), d * scales[part + 4], 0, z + 64);
                    BlockLanes.Store(Six(BlockLanes.High(b), h, 6), d * scales[part + 6], 0, z + 96);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Sixteen(Vector128<byte> bits, int bit)
    {
        Vector128<byte> mask = Vector128.Create((byte)(1 << bit));
        return Vector128.Equals(bits & mask, mask) & Vector128.Create((byte)16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Six(Vector128<byte> low, Vector128<byte> high, int shift)
    {
        Vector128<byte> two = Vector128.ShiftRightLogical(high.AsUInt16(), shift).AsByte() & Vector128.Create((byte)3);
        return ((low | Vector128.ShiftLeft(two.AsUInt16(), 4).AsByte()) - Vector128.Create((byte)32)).AsSByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Scale, float Minimum) ScaleAndMinimum(byte* block, int index)
    {
        byte* packed = block + 4;
        int scale;
        int minimum;
        if (index < 4)
        {
            scale = packed[index] & 63;
            minimum = packed[index + 4] & 63;
        }
        else
        {
            scale = (packed[index + 4] & 15) | ((packed[index - 4] >> 6) << 4);
            minimum = (packed[index + 4] >> 4) | ((packed[index] >> 6) << 4);
        }

        return (BlockLanes.Half(block) * scale, BlockLanes.Half(block + 2) * minimum);
    }
}
