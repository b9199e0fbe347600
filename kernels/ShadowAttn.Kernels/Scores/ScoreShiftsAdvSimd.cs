using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>A shift that the arm64 score kernels round products by: the pilot's own for the common dims, constants of one instruction, or any.</summary>
internal interface IScoreShiftAdvSimd
{
    /// <summary>round(a / 2^shift) and round(b / 2^shift) as 16 bits, saturated; <paramref name="right"/> is -shift in each lane.</summary>
    static abstract Vector128<short> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> right);
}

/// <summary>Dim 64.</summary>
internal readonly struct Shift6 : IScoreShiftAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> right) =>
        AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 6), b, 6);
}

/// <summary>Dims 80 to 128.</summary>
internal readonly struct Shift7 : IScoreShiftAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> right) =>
        AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 7), b, 7);
}

/// <summary>Dims 160 to 256.</summary>
internal readonly struct Shift8 : IScoreShiftAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> right) =>
        AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateUpper(AdvSimd.ShiftRightArithmeticRoundedNarrowingSaturateLower(a, 8), b, 8);
}

/// <summary>Any other.</summary>
internal readonly struct AnyShift : IScoreShiftAdvSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Narrow(Vector128<int> a, Vector128<int> b, Vector128<int> right) =>
        AdvSimd.ExtractNarrowingSaturateUpper(
            AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ShiftArithmeticRounded(a, right)), AdvSimd.ShiftArithmeticRounded(b, right));
}
