using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ShadowAttn.Model.Products;

/// <summary>
/// Blocks of 32: fp16 scale d, fp16 minimum m where there is one, a fifth bit of each element where there is one, then the elements; element i
/// is in the low half of byte i, element i + 16 in the high half.
///   Q4_0: (q - 8)·d    Q4_1: q·d + m    Q5_0: (q - 16)·d    Q5_1: q·d + m    Q8_0: q·d, one byte each.
/// </summary>
internal static unsafe class LegacyBlocks
{
    private const int Elements = 32;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_0(byte* source, float* destination, nint elements)
    {
        Vector128<byte> eight = Vector128.Create((byte)8);
        for (nint i = 0; i < elements; i += Elements, source += 18)
        {
            float d = BlockLanes.Half(source);
            Vector128<byte> packed = Vector128.Load(source + 2);
            BlockLanes.Store((BlockLanes.Low(packed) - eight).AsSByte(), d, 0, destination + i);
            BlockLanes.Store((BlockLanes.High(packed) - eight).AsSByte(), d, 0, destination + i + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_1(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += 20)
        {
            float d = BlockLanes.Half(source);
            float m = BlockLanes.Half(source + 2);
            Vector128<byte> packed = Vector128.Load(source + 4);
            BlockLanes.Store(BlockLanes.Low(packed).AsSByte(), d, m, destination + i);
            BlockLanes.Store(BlockLanes.High(packed).AsSByte(), d, m, destination + i + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_0(byte* source, float* destination, nint elements)
    {
        Vector128<byte> sixteen = Vector128.Create((byte)16);
        for (nint i = 0; i < elements; i += Elements, source += 22)
        {
            float d = BlockLanes.Half(source);
            uint bits = Unsafe.ReadUnaligned<uint>(source + 2);
            Vector128<byte> packed = Vector128.Load(source + 6);
            Vector128<byte> low = BlockLanes.Low(packed) | BlockLanes.FromBits((ushort)bits, 16);
            Vector128<byte> high = BlockLanes.High(packed) | BlockLanes.FromBits((ushort)(bits >> 16), 16);
            BlockLanes.Store((low - sixteen).AsSByte(), d, 0, destination + i);
            BlockLanes.Store((high - sixteen).AsSByte(), d, 0, destination + i + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_1(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += 24)
        {
            float d = BlockLanes.Half(source);
            float m = BlockLanes.Half(source + 2);
            uint bits = Unsafe.ReadUnaligned<uint>(source + 4);
            Vector128<byte> packed = Vector128.Load(source + 8);
            Vector128<byte> low = BlockLanes.Low(packed) | BlockLanes.FromBits((ushort)bits, 16);
            Vector128<byte> high = BlockLanes.High(packed) | BlockLanes.FromBits((ushort)(bits >> 16), 16);
            BlockLanes.Store(low.AsSByte(), d, m, destination + i);
            BlockLanes.Store(high.AsSByte(), d, m, destination + i + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q8_0(byte* source, float* destination, nint elements)
    {
        for (nint i = 0; i < elements; i += Elements, source += 34)
        {
            float d = BlockLanes.Half(source);
            BlockLanes.Store(Vector128.Load((sbyte*)source + 2), d, 0, destination + i);
            BlockLanes.Store(Vector128.Load((sbyte*)source + 18), d, 0, destination + i + 16);
        }
    }
}
