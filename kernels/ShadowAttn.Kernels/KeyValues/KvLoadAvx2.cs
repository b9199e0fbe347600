using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary><see cref="IKvLoad"/> for registers of 8 channels.</summary>
internal unsafe interface IKvLoad256
{
    static abstract int Bytes { get; }

    static abstract Vector256<float> Load(byte* row);

    static abstract Vector256<float> LoadPart(byte* row, Vector256<int> part);
}

/// <summary>fp32 as it is.</summary>
internal readonly unsafe struct F32LoadAvx2 : IKvLoad256
{
    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row) => Vector256.Load((float*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadPart(byte* row, Vector256<int> part) => Avx.MaskLoad((float*)row, part.AsSingle());
}

/// <summary>fp16 as 2^-112 times its value; see <see cref="F16LoadAvx512"/>.</summary>
internal readonly unsafe struct F16LoadAvx2 : IKvLoad256
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row) => Widen(Vector128.Load((short*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadPart(byte* row, Vector256<int> part) => Widen(KvPart256.Load(row, part));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(Vector128<short> half) =>
        ((Avx2.ConvertToVector256Int32(half) << 13) & Vector256.Create(unchecked((int)0x8FFFE000))).AsSingle();
}

/// <summary>bf16 in the upper half.</summary>
internal readonly unsafe struct BF16LoadAvx2 : IKvLoad256
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row) => Widen(Vector128.Load((ushort*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadPart(byte* row, Vector256<int> part) => Widen(KvPart256.Load(row, part).AsUInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(Vector128<ushort> x) => (Avx2.ConvertToVector256Int32(x) << 16).AsSingle();
}

/// <summary>The integers of q16.</summary>
internal readonly unsafe struct Q16LoadAvx2 : IKvLoad256
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row) => HalfConvertAvx2.Q16(Vector128.Load((ushort*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadPart(byte* row, Vector256<int> part) => HalfConvertAvx2.Q16(KvPart256.Load(row, part).AsUInt16());
}

/// <summary>The first of 8 adjacent 16-bit numbers, fewer than 8, the others 0 and not read: one by one, as AVX2 has no masks for them.</summary>
internal static unsafe class KvPart256
{
    public static Vector128<short> Load(byte* row, Vector256<int> part)
    {
        int count = System.Numerics.BitOperations.PopCount(part.ExtractMostSignificantBits());
        short* copy = stackalloc short[8];
        for (int i = 0; i < 8; i++)
        {
            copy[i] = i < count ? ((short*)row)[i] : (short)0;
        }

        return Vector128.Load(copy);
    }
}
