using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// What the arm64 kernels make of 8 numbers in a 16-bit format, in one or two instructions for 4 of them: fp32 that still lacks a factor, which
/// <see cref="Scaled"/> multiplies sums with.
/// </summary>
internal unsafe interface IShortFormatAdvSimd
{
    /// <summary>A zero that the compiler keeps in a register; it would make a constant again at every use.</summary>
    static Vector128<ushort> Zero(int notNegative) => Vector128.Create((ushort)(notNegative >> 31));

    /// <summary>Numbers 0 to 3; <paramref name="zero"/> is <see cref="Zero"/>.</summary>
    static abstract Vector128<float> Lower(Vector128<ushort> x, Vector128<ushort> zero);

    /// <summary>Numbers 4 to 7; <paramref name="zero"/> is <see cref="Zero"/>.</summary>
    static abstract Vector128<float> Upper(Vector128<ushort> x, Vector128<ushort> zero);

    /// <summary>The sums of 4 channels with what the numbers lack; <paramref name="scales"/> [4] are those of q16.</summary>
    static abstract Vector128<float> Scaled(Vector128<float> sums, float* scales);
}

/// <summary>bf16: the upper half of fp32.</summary>
internal readonly unsafe struct Bf16AdvSimd : IShortFormatAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Lower(Vector128<ushort> x, Vector128<ushort> zero) => AdvSimd.Arm64.ZipLow(zero, x).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x, Vector128<ushort> zero) => AdvSimd.Arm64.ZipHigh(zero, x).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Scaled(Vector128<float> sums, float* scales) => sums;
}

/// <summary>
/// fp16: its bits shifted into place are an fp32 that is 2^112 times too small, subnormals included. Infinity and NaN become numbers.
/// </summary>
internal readonly unsafe struct F16AdvSimd : IShortFormatAdvSimd
{
    public const float Lacking = 5.192296858534828e33f;

    /// <summary>All but what the widened sign has put between sign and exponent.</summary>
    private const int Used = unchecked((int)0x8FFFE000);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Lower(Vector128<ushort> x, Vector128<ushort> zero) =>
        (AdvSimd.ShiftLeftLogicalWideningLower(x.AsInt16().GetLower(), 13) & Vector128.Create(Used)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x, Vector128<ushort> zero) =>
        (AdvSimd.ShiftLeftLogicalWideningUpper(x.AsInt16(), 13) & Vector128.Create(Used)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Scaled(Vector128<float> sums, float* scales) => sums * Vector128.Create(Lacking);
}

/// <summary>q16: an integer in the upper half of an int32, converted: 2^16 times too large, and without the scale of its channel.</summary>
internal readonly unsafe struct Q16AdvSimd : IShortFormatAdvSimd
{
    /// <summary>Takes the 2^16 out of a channel's scale.</summary>
    public const float Step = 1 / 65536f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Lower(Vector128<ushort> x, Vector128<ushort> zero) =>
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.ZipLow(zero, x).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x, Vector128<ushort> zero) =>
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.ZipHigh(zero, x).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Scaled(Vector128<float> sums, float* scales) => sums * (Vector128.Load(scales) * Vector128.Create(Step));
}
