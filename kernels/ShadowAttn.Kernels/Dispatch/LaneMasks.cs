using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>Masks that select the first lanes of a vector, for the tails of rows.</summary>
internal static class LaneMasks
{
    /// <summary>All ones in the first <paramref name="count"/> of 16 lanes of 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> First512(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count));

    /// <summary>All ones in the first <paramref name="count"/> of 8 lanes of 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> First256(int count) => Vector256.GreaterThan(Vector256.Create(count), Vector256<int>.Indices);

    /// <summary>All ones in the first <paramref name="count"/> of 8 lanes of 64 bits; none when it is not positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> First512Double(int count) =>
        Vector512.LessThan(Vector512<long>.Indices, Vector512.Create((long)count)).AsDouble();

    /// <summary>All ones in the first <paramref name="count"/> of 4 lanes of 64 bits; none when it is not positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> First256Double(int count) =>
        Vector256.GreaterThan(Vector256.Create((long)count), Vector256<long>.Indices).AsDouble();

    /// <summary>All ones in the first <paramref name="count"/> of 16 bytes, -128 to 127; none when it is not positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> First128Bytes(int count) =>
        Vector128.LessThan(Vector128<sbyte>.Indices, Vector128.Create((sbyte)count));

    /// <summary>All ones in the bytes whose bit is set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> SetBytes512(ulong bits)
    {
        Vector512<byte> bit = Vector512.Create(0x8040201008040201UL).AsByte();
        Vector512<byte> spread = Avx512BW.Shuffle(Vector512.Create(bits).AsByte(), Vector512.Create(
            0x0000000000000000UL, 0x0101010101010101UL, 0x0202020202020202UL, 0x0303030303030303UL,
            0x0404040404040404UL, 0x0505050505050505UL, 0x0606060606060606UL, 0x0707070707070707UL).AsByte());
        return Vector512.Equals(spread & bit, bit);
    }
}
