using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// How 16 adjacent channels of a format come into a register, but for a factor that the kernel folds into the queries, the weights and the
/// results: fp16 arrives as 2^-112 times its value, q16 as its steps. Nothing but finite fp16 numbers is told apart.
/// </summary>
internal unsafe interface IKvLoad
{
    static abstract int Bytes { get; }

    static abstract Vector512<float> Load(byte* row);

    static abstract Vector512<float> LoadPart(byte* row, Vector512<int> part);
}

/// <summary>fp32 as it is.</summary>
internal readonly unsafe struct F32LoadAvx512 : IKvLoad
{
    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row) => Vector512.Load((float*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(byte* row, Vector512<int> part) =>
        Avx512F.MaskLoad((float*)row, part.AsSingle(), Vector512<float>.Zero);
}

/// <summary>
/// Exponent and mantissa of fp16 moved to where fp32 has them: 2^-112 times the value. Subnormal halves become subnormal floats, exact in a
/// multiply-add as long as nobody flushes them to zero, which .NET does not.
/// </summary>
internal readonly unsafe struct F16LoadAvx512 : IKvLoad
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row) => Widen(Vector256.Load((short*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(byte* row, Vector512<int> part) => Widen(KvPart.Load(row, part));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(Vector256<short> half) =>
        ((Avx512F.ConvertToVector512Int32(half) << 13) & Vector512.Create(unchecked((int)0x8FFFE000))).AsSingle();
}

/// <summary>bf16 in the upper half.</summary>
internal readonly unsafe struct BF16LoadAvx512 : IKvLoad
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row) => HalfConvertAvx512.Bf16(Vector256.Load((ushort*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(byte* row, Vector512<int> part) => HalfConvertAvx512.Bf16(KvPart.Load(row, part).AsUInt16());
}

/// <summary>The integers of q16.</summary>
internal readonly unsafe struct Q16LoadAvx512 : IKvLoad
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row) => HalfConvertAvx512.Q16(Vector256.Load((ushort*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(byte* row, Vector512<int> part) => HalfConvertAvx512.Q16(KvPart.Load(row, part).AsUInt16());
}

/// <summary>The first of 16 adjacent 16-bit numbers, the others 0 and not read.</summary>
internal static unsafe class KvPart
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Load(byte* row, Vector512<int> part) =>
        Avx512BW.VL.MaskLoad((short*)row, Avx512F.ConvertToVector256Int16(part), Vector256<short>.Zero);
}
