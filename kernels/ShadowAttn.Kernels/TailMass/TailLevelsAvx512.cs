using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Tables over 64 levels e below the reference as 16-bit numbers, low and high bytes in a register each, for lookups by VPERMI2B; exp(-step·e) with
/// e = 16a + b is coarse[a]·fine[b]. Register j of dwords has level first + 16L + 4j + i in lane L, dword i, so that the packs leave the bytes in order.
/// Also what loops over such lookups do with the last keys of a row, and with kept ones.
/// </summary>
internal static unsafe class TailLevelsAvx512
{
    /// <summary>one·exp(-step·e), rounded, of the 64 levels from <paramref name="first"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Weights(float step, int first, float one)
    {
        Vector512<float> fine = Fine(step) * Vector512.Create(one);
        Vector512<float> coarse = Coarse(step, first);
        return Pack(
            Avx512F.Shuffle4x128(fine, fine, 0x00) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0x55) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0xAA) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0xFF) * coarse);
    }

    /// <summary>unit·e·exp(-step·e), rounded, of the 64 levels from <paramref name="first"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Distances(float step, int first, float unit)
    {
        Vector512<float> fine = Fine(step) * Vector512.Create(unit);
        Vector512<float> coarse = Coarse(step, first);
        Vector512<float> level = Vector512.ConvertToSingle(
            Vector512.Create(0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 34, 35, 48, 49, 50, 51) + Vector512.Create(first));
        return Pack(
            Avx512F.Shuffle4x128(fine, fine, 0x00) * coarse * level,
            Avx512F.Shuffle4x128(fine, fine, 0x55) * coarse * (level + Vector512.Create(4f)),
            Avx512F.Shuffle4x128(fine, fine, 0xAA) * coarse * (level + Vector512.Create(8f)),
            Avx512F.Shuffle4x128(fine, fine, 0xFF) * coarse * (level + Vector512.Create(12f)));
    }

    /// <summary>All bits of each byte whose key is dropped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Dropped(ulong kept) => Vector512.Equals(
        Avx512BW.Shuffle(Vector512.Create(kept).AsByte(), Vector512.Create(
            0x0000000000000000UL, 0x0101010101010101UL, 0x0202020202020202UL, 0x0303030303030303UL,
            0x0404040404040404UL, 0x0505050505050505UL, 0x0606060606060606UL, 0x0707070707070707UL).AsByte())
        & Vector512.Create(0x8040201008040201UL).AsByte(),
        Vector512<byte>.Zero);

    /// <summary>The last scores; behind them the reference, which has e = 0 as kept keys do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<sbyte> LoadRest(sbyte* scores, int rest, Vector512<sbyte> top) => Avx512BW.MaskLoad(
        scores, Vector512.LessThan(Vector512<sbyte>.Indices, Vector512.Create((sbyte)rest)), top);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fine(float step) =>
        ExpAvx512.VectorUpTo88(Vector512.Create(-step) * Vector512.ConvertToSingle(Vector512<int>.Indices));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Coarse(float step, int first) => ExpAvx512.VectorUpTo88(Vector512.Create(-step) * Vector512.ConvertToSingle(
        Vector512.Create(0, 0, 0, 0, 16, 16, 16, 16, 32, 32, 32, 32, 48, 48, 48, 48) + Vector512.Create(first)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<byte> Low, Vector512<byte> High) Pack(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<short> ab = Avx512BW.PackUnsignedSaturate(Avx512F.ConvertToVector512Int32(a), Avx512F.ConvertToVector512Int32(b)).AsInt16();
        Vector512<short> cd = Avx512BW.PackUnsignedSaturate(Avx512F.ConvertToVector512Int32(c), Avx512F.ConvertToVector512Int32(d)).AsInt16();
        Vector512<short> lowByte = Vector512.Create((short)0xFF);
        return (
            Avx512BW.PackUnsignedSaturate(ab & lowByte, cd & lowByte),
            Avx512BW.PackUnsignedSaturate(Vector512.ShiftRightLogical(ab, 8), Vector512.ShiftRightLogical(cd, 8)));
    }
}
