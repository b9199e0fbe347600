using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Tables over 64 levels e below the reference as 16-bit numbers, low and high bytes in a register each, for lookups by VPERMI2B; exp(-step·e) with
/// e = 16a + b is coarse[a]·fine[b]. Register j of dwords has level first + 16L + 4j + i in lane L, dword i, so that the packs leave the bytes in order.
/// Also what loops over such lookups share: a kept key that is not below the reference has e = 0 by saturation; only words with other kept keys, such as
/// sinks, blank them.
/// </summary>
internal static unsafe class TailLevelsAvx512
{
    /// <summary>The weight of the reference.</summary>
    public const float One = 65535;

    /// <summary>With so many units per unit of error the error is 0.063 %.</summary>
    public const double EnoughUnits = 1600;

    /// <summary>The last level of <see cref="NearLevels"/>: keys farther below count as if they were at it.</summary>
    public const int LastNear = 127;

    /// <summary>From here on the average weight is hardly ever enough.</summary>
    public const float SteepStep = 0.6f;

    /// <summary>How many levels the tables have.</summary>
    public interface ILevels
    {
        /// <summary>Whether they have all 256 and not 128.</summary>
        static abstract bool All { get; }
    }

    /// <summary>exp(-step·b) for b = 0 to 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fine(float step) =>
        ExpAvx512.VectorUpTo88(Vector512.Create(-step) * Vector512.ConvertToSingle(Vector512<int>.Indices));

    /// <summary>exp(-step·16a) of the first 64 levels, four times each: a = L in lane L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Coarse(float step) =>
        ExpAvx512.VectorUpTo88(Vector512.Create(-step) * Vector512.Create(0f, 0, 0, 0, 16, 16, 16, 16, 32, 32, 32, 32, 48, 48, 48, 48));

    /// <summary>The coarse factors of the 64 levels behind those of <paramref name="coarse"/>; <paramref name="first"/> are those of the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Behind(Vector512<float> coarse, Vector512<float> first) =>
        coarse * (Avx512F.Shuffle4x128(first, first, 0x55) * Avx512F.Shuffle4x128(first, first, 0xFF));

    /// <summary>exp(-step·<see cref="LastNear"/>); <paramref name="coarse"/> are the factors of the second 64 levels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LastWeight(Vector512<float> fine, Vector512<float> coarse) => fine.GetElement(15) * coarse.GetElement(15);

    /// <summary><see cref="One"/>·exp(-step·e), rounded, of the 64 levels with these coarse factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Weights(Vector512<float> fine, Vector512<float> coarse)
    {
        coarse *= Vector512.Create(One);
        return Pack(
            Avx512F.Shuffle4x128(fine, fine, 0x00) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0x55) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0xAA) * coarse,
            Avx512F.Shuffle4x128(fine, fine, 0xFF) * coarse);
    }

    /// <summary>unit·e·exp(-step·e), rounded, of the 64 levels from <paramref name="first"/> on, which have these coarse factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Distances(Vector512<float> fine, Vector512<float> coarse, int first, float unit)
    {
        coarse *= Vector512.Create(unit);
        Vector512<float> level = Vector512.ConvertToSingle(
            Vector512.Create(0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 34, 35, 48, 49, 50, 51) + Vector512.Create(first));
        return Pack(
            Avx512F.Shuffle4x128(fine, fine, 0x00) * coarse * level,
            Avx512F.Shuffle4x128(fine, fine, 0x55) * coarse * (level + Vector512.Create(4f)),
            Avx512F.Shuffle4x128(fine, fine, 0xAA) * coarse * (level + Vector512.Create(8f)),
            Avx512F.Shuffle4x128(fine, fine, 0xFF) * coarse * (level + Vector512.Create(12f)));
    }

    /// <summary>
    /// The last scores of a row, fewer than 64, and which of them are kept. Those behind the last one count as kept and have the reference's score,
    /// so that their e is 0 as well.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<sbyte> Scores, ulong Kept) LoadPart(sbyte* scores, ulong* mask, int left, Vector512<sbyte> top) => (
        Avx512BW.MaskLoad(scores, Vector512.LessThan(Vector512<sbyte>.Indices, Vector512.Create((sbyte)left)), top), *mask | (ulong.MaxValue << left));

    /// <summary>e of 64 keys, 0 of kept ones; counts them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Below<TLevels>(Vector512<sbyte> top, Vector512<sbyte> s, ulong kept, ref TailCounts counts)
        where TLevels : struct, ILevels
    {
        Vector512<byte> sign = Vector512.Create((byte)0x80);
        Vector512<byte> e = TLevels.All
            ? Avx512BW.SubtractSaturate(top.AsByte() ^ sign, s.AsByte() ^ sign)
            : Vector512.Max(Avx512BW.SubtractSaturate(top, s), Vector512<sbyte>.Zero).AsByte();
        if ((Vector512.LessThan(s, top).ExtractMostSignificantBits() & kept) != 0)
        {
            e = Vector512.ConditionalSelect(LaneMasks.SetBytes512(kept), Vector512<byte>.Zero, e);
        }

        counts.Kept += BitOperations.PopCount(kept);
        if (!TLevels.All)
        {
            counts.Last += BitOperations.PopCount(Vector512.Equals(e, Vector512.Create((byte)LastNear)).ExtractMostSignificantBits());
        }

        return e;
    }

    /// <summary>The sums of 8 bytes each of a table's entries for e; the last two of its four registers only with all levels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Sums<TLevels>(
        Vector512<byte> e, Vector512<byte> table0, Vector512<byte> table1, Vector512<byte> table2, Vector512<byte> table3)
        where TLevels : struct, ILevels
    {
        Vector512<byte> near = Avx512Vbmi.PermuteVar64x8x2(table0, e, table1);
        return Sum8(TLevels.All
            ? Vector512.ConditionalSelect(
                Vector512.LessThan(e.AsSByte(), Vector512<sbyte>.Zero).AsByte(), Avx512Vbmi.PermuteVar64x8x2(table2, e, table3), near)
            : near);
    }

    /// <summary>The sums of 8 bytes each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Sum8(Vector512<byte> x) => Avx512BW.SumAbsoluteDifferences(x, Vector512<byte>.Zero).AsUInt64();

    /// <summary>The sum of entries whose low and high bytes were summed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Units(Vector512<ulong> low, Vector512<ulong> high) => (long)Vector512.Sum(low + (high << 8));

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

    /// <summary>What a loop counts.</summary>
    public struct TailCounts
    {
        /// <summary>Kept keys and those behind a row's end.</summary>
        public int Kept;

        /// <summary>Keys at <see cref="LastNear"/>, where there are no levels behind it.</summary>
        public int Last;
    }

    /// <summary>128 levels.</summary>
    public readonly struct NearLevels : ILevels
    {
        public static bool All => false;
    }

    /// <summary>All 256 levels.</summary>
    public readonly struct AllLevels : ILevels
    {
        public static bool All => true;
    }
}
