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
    /// <summary>Numbers 0 to 3.</summary>
    static abstract Vector128<float> Lower(Vector128<ushort> x);

    /// <summary>Numbers 4 to 7.</summary>
    static abstract Vector128<float> Upper(Vector128<ushort> x);

    /// <summary>The sums of 4 channels with what the numbers lack; <paramref name="scales"/> [4] are those of q16.</summary>
    static abstract Vector128<float> Scaled(Vector128<float> sums, float* scales);
}

/// <summary>bf16: the upper half of fp32.</summary>
internal readonly unsafe struct Bf16AdvSimd : IShortFormatAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Lower(Vector128<ushort> x) => AdvSimd.Arm64.ZipLow(Vector128<ushort>.Zero, x).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x) => AdvSimd.Arm64.ZipHigh(Vector128<ushort>.Zero, x).AsSingle();

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
    public static Vector128<float> Lower(Vector128<ushort> x) =>
        (AdvSimd.ShiftLeftLogicalWideningLower(x.AsInt16().GetLower(), 13) & Vector128.Create(Used)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x) =>
        (AdvSimd.ShiftLeftLogicalWideningUpper(x.AsInt16(), 13) & Vector128.Create(Used)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Scaled(Vector128<float> sums, float* scales) => sums * Vector128.Create(Lacking);
}

/// <summary>q16: an integer, which lacks the scale of its channel.</summary>
internal readonly unsafe struct Q16AdvSimd : IShortFormatAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Lower(Vector128<ushort> x) =>
        AdvSimd.ConvertToSingle(AdvSimd.SignExtendWideningLower(x.AsInt16().GetLower()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Upper(Vector128<ushort> x) => AdvSimd.ConvertToSingle(AdvSimd.SignExtendWideningUpper(x.AsInt16()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Scaled(Vector128<float> sums, float* scales) => sums * Vector128.Load(scales);
}
