using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// How 16 channels of a format come into a register, but for a factor that the kernel folds into the queries, the weights and the results. fp32
/// comes in its natural order. A register of 16-bit numbers holds 32 channels as 16 pairs: chunk 2j are the even ones of 32 channels, chunk 2j + 1 the odd
/// ones; each takes a shift or a mask, where widening neighbours takes a shuffle. Nothing but finite fp16 numbers is told apart.
/// </summary>
internal unsafe interface IKvLoad
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>The first <paramref name="rest"/> elements of a register.</summary>
    static abstract Vector512<int> Mask(int rest);

    /// <summary>
    /// Chunk i of a row; of its register only what <paramref name="mask"/> says is read when <paramref name="part"/>, the rest being 0. One level of
    /// calls: the JIT's budget for inlining is what limits a kernel that has two hundred of these.
    /// </summary>
    static abstract Vector512<float> Chunk(byte* row, int i, bool part, Vector512<int> mask);
}

/// <summary>fp32 as it is.</summary>
internal readonly unsafe struct F32LoadAvx512 : IKvLoad
{
    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask(int rest) => LaneMasks.First512(rest);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Chunk(byte* row, int i, bool part, Vector512<int> mask) => part
        ? Avx512F.MaskLoad((float*)row + (16 * i), mask.AsSingle(), Vector512<float>.Zero)
        : Vector512.Load((float*)row + (16 * i));
}

/// <summary>
/// Exponent and mantissa of fp16 moved to where fp32 has them: 2^-112 times the value. Subnormal halves become subnormal floats, exact in a
/// multiply-add as long as nobody flushes them to zero, which .NET does not.
/// </summary>
internal readonly unsafe struct F16LoadAvx512 : IKvLoad
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask(int rest) => KvPairs.Mask(rest);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Chunk(byte* row, int i, bool part, Vector512<int> mask)
    {
        Vector512<int> pairs = part
            ? Avx512BW.MaskLoad((short*)row + (i / 2 * 32), mask.AsInt16(), Vector512<short>.Zero).AsInt32()
            : Vector512.Load((int*)row + (i / 2 * 16));
        Vector512<int> moved = i % 2 == 0
            ? Avx512BW.MultiplyAddAdjacent(pairs.AsInt16(), Vector512.Create(1 << 13).AsInt16())
            : pairs >> 3;
        return (moved & Vector512.Create(unchecked((int)0x8FFFE000))).AsSingle();
    }
}

/// <summary>bf16 is the upper half of fp32.</summary>
internal readonly unsafe struct BF16LoadAvx512 : IKvLoad
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask(int rest) => KvPairs.Mask(rest);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Chunk(byte* row, int i, bool part, Vector512<int> mask)
    {
        Vector512<int> pairs = part
            ? Avx512BW.MaskLoad((short*)row + (i / 2 * 32), mask.AsInt16(), Vector512<short>.Zero).AsInt32()
            : Vector512.Load((int*)row + (i / 2 * 16));
        return (i % 2 == 0 ? pairs << 16 : pairs & Vector512.Create(unchecked((int)0xFFFF0000))).AsSingle();
    }
}

/// <summary>
/// The integers of q16, times 2^16: in the upper half they need no sign of their own, and neither a shift nor a mask takes one of the two ports of
/// the multiply-adds.
/// </summary>
internal readonly unsafe struct Q16LoadAvx512 : IKvLoad
{
    /// <summary>What makes up for the factor.</summary>
    public const float Factor = 1f / (1 << 16);

    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask(int rest) => KvPairs.Mask(rest);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Chunk(byte* row, int i, bool part, Vector512<int> mask)
    {
        Vector512<int> pairs = part
            ? Avx512BW.MaskLoad((short*)row + (i / 2 * 32), mask.AsInt16(), Vector512<short>.Zero).AsInt32()
            : Vector512.Load((int*)row + (i / 2 * 16));
        return Avx512F.ConvertToVector512Single(i % 2 == 0 ? pairs << 16 : pairs & Vector512.Create(unchecked((int)0xFFFF0000)));
    }
}

/// <summary>Registers of 32 adjacent 16-bit channels as 16 pairs; and fp32 channels in the order of their chunks.</summary>
internal static unsafe class KvPairs
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask(int rest) => Vector512.LessThan(Vector512<short>.Indices, Vector512.Create((short)rest)).AsInt32();

    /// <summary>The even and the odd ones of 32 channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Even, Vector512<float> Odd) Split(Vector512<float> low, Vector512<float> high)
    {
        Vector512<int> even = Vector512<int>.Indices * 2;
        return (Avx512F.PermuteVar16x32x2(low, even, high), Avx512F.PermuteVar16x32x2(low, even + Vector512<int>.One, high));
    }

    /// <summary>The first and the last 16 of 32 channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Low, Vector512<float> High) Join(Vector512<float> even, Vector512<float> odd)
    {
        Vector512<int> low = (Vector512<int>.Indices >> 1) + ((Vector512<int>.Indices & Vector512<int>.One) << 4);
        return (Avx512F.PermuteVar16x32x2(even, low, odd), Avx512F.PermuteVar16x32x2(even, low + Vector512.Create(8), odd));
    }
}
