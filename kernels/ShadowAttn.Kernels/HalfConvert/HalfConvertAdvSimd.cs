using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// Integer arithmetic, since .NET has no vectors of <see cref="Half"/>.
/// fp16 → fp32: the bits shifted into place are a float 2^112 times too small (subnormals included, so one exact multiplication serves all);
/// what then is 65536 or more was infinity or NaN.
/// fp32 → fp16: adding 1.5·2^(e+13), e the exponent but at least that of the smallest normal half, rounds to even at the half's last
/// bit and leaves mantissa and carry in the low bits.
/// bf16: the upper half of fp32. q16: conversions of integers, times a factor per channel.
/// </summary>
internal static unsafe class HalfConvertAdvSimd
{
    private const int Lanes = 8;

    public static HalfConvertKernel Kernel => new(&F16ToF32, &F32ToF16, &Bf16ToF32, &F32ToBf16, &Q16ToF32, &F32ToQ16);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F16ToF32(ushort* source, float* destination, nint count)
    {
        nint whole = count & ~(nint)(Lanes - 1);
        for (nint i = 0; i < whole; i += Lanes)
        {
            Vector128<ushort> half = Vector128.Load(source + i);
            Vector128<float> low = FromHalf(AdvSimd.Arm64.ZipLow(Vector128<ushort>.Zero, half));
            Vector128<float> high = FromHalf(AdvSimd.Arm64.ZipHigh(Vector128<ushort>.Zero, half));
            low.Store(destination + i);
            high.Store(destination + i + 4);
        }

        for (nint i = whole; i < count; i++)
        {
            destination[i] = FromHalf(Vector128.CreateScalar((uint)source[i] << 16).AsUInt16()).ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToF16(float* source, ushort* destination, nint count)
    {
        nint whole = count & ~(nint)(Lanes - 1);
        for (nint i = 0; i < whole; i += Lanes)
        {
            Vector128<float> low = Vector128.Load(source + i);
            Vector128<float> high = Vector128.Load(source + i + 4);
            AdvSimd.Arm64.UnzipEven(ToHalf(low).AsUInt16(), ToHalf(high).AsUInt16()).Store(destination + i);
        }

        for (nint i = whole; i < count; i++)
        {
            destination[i] = (ushort)ToHalf(Vector128.CreateScalar(source[i])).ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Bf16ToF32(ushort* source, float* destination, nint count)
    {
        nint whole = count & ~(nint)(Lanes - 1);
        for (nint i = 0; i < whole; i += Lanes)
        {
            Vector128<ushort> half = Vector128.Load(source + i);
            Vector128<float> low = AdvSimd.Arm64.ZipLow(Vector128<ushort>.Zero, half).AsSingle();
            Vector128<float> high = AdvSimd.Arm64.ZipHigh(Vector128<ushort>.Zero, half).AsSingle();
            low.Store(destination + i);
            high.Store(destination + i + 4);
        }

        for (nint i = whole; i < count; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToBf16(float* source, ushort* destination, nint count)
    {
        nint whole = count & ~(nint)(Lanes - 1);
        for (nint i = 0; i < whole; i += Lanes)
        {
            Vector128<float> low = Vector128.Load(source + i);
            Vector128<float> high = Vector128.Load(source + i + 4);
            AdvSimd.Arm64.UnzipOdd(RoundToUpperHalf(low).AsUInt16(), RoundToUpperHalf(high).AsUInt16()).Store(destination + i);
        }

        for (nint i = whole; i < count; i++)
        {
            destination[i] = (ushort)(RoundToUpperHalf(Vector128.CreateScalar(source[i])).ToScalar() >> 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q16ToF32(
        short* source, nint sourceStride, float* scales, float* destination, nint destinationStride, nint rows, nint channels)
    {
        nint whole = channels & ~(nint)(Lanes - 1);
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            for (nint i = 0; i < whole; i += Lanes)
            {
                Vector128<short> x = Vector128.Load(source + i);
                Vector128<float> high = AdvSimd.ConvertToSingle(AdvSimd.SignExtendWideningUpper(x));
                Vector128<float> low = AdvSimd.ConvertToSingle(AdvSimd.SignExtendWideningLower(x.GetLower()));
                (low * Vector128.Load(scales + i)).Store(destination + i);
                (high * Vector128.Load(scales + i + 4)).Store(destination + i + 4);
            }

            HalfConvertScalar.Q16ToF32(source + whole, scales + whole, destination + whole, channels - whole);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToQ16(
        float* source, nint sourceStride, float* inverses, short* destination, nint destinationStride, nint rows, nint channels)
    {
        nint whole = channels & ~(nint)(Lanes - 1);
        Vector128<short> lowest = Vector128.Create((short)-32767);
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            for (nint i = 0; i < whole; i += Lanes)
            {
                Vector128<float> low = Vector128.Load(source + i) * Vector128.Load(inverses + i);
                Vector128<float> high = Vector128.Load(source + i + 4) * Vector128.Load(inverses + i + 4);
                Vector64<short> lower = AdvSimd.ExtractNarrowingSaturateLower(AdvSimd.ConvertToInt32RoundToEven(low));
                Vector128<short> all = AdvSimd.ExtractNarrowingSaturateUpper(lower, AdvSimd.ConvertToInt32RoundToEven(high));
                AdvSimd.Max(all, lowest).Store(destination + i);
            }

            HalfConvertScalar.F32ToQ16(source + whole, inverses + whole, destination + whole, channels - whole);
        }
    }

    /// <summary>fp16 bits in the upper halves, zero in the lower ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> FromHalf(Vector128<ushort> upper)
    {
        Vector128<int> placed = AdvSimd.ShiftRightArithmetic(upper.AsInt32(), 3) & Vector128.Create(unchecked((int)0x8FFFE000));
        Vector128<float> value = placed.AsSingle() * Vector128.Create(5.192296858534828e33f);
        Vector128<float> special = AdvSimd.AbsoluteCompareGreaterThanOrEqual(value, Vector128.Create(65536f));
        return value | (special & Vector128.Create(float.PositiveInfinity));
    }

    /// <summary>fp16 bits in the lower halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ToHalf(Vector128<float> x)
    {
        Vector128<float> magnitude = AdvSimd.Abs(x);
        Vector128<uint> sign = AdvSimd.ShiftRightLogical(x.AsUInt32() ^ magnitude.AsUInt32(), 16);

        // Above 65536 all the same: infinity.
        Vector128<float> bounded = AdvSimd.Min(magnitude, Vector128.Create(65536f));
        Vector128<uint> exponent = AdvSimd.Max(bounded.AsUInt32() & Vector128.Create(0x7F800000u), Vector128.Create(113u << 23));
        Vector128<float> rounder = (exponent + Vector128.Create((13u << 23) + 0x400000u)).AsSingle();
        Vector128<uint> mantissa = (bounded + rounder).AsUInt32() - rounder.AsUInt32();
        Vector128<uint> bits = AdvSimd.ShiftRightLogicalAdd(mantissa - Vector128.Create(113u << 10), exponent, 13);
        Vector128<uint> isNan = ~AdvSimd.CompareEqual(x, x).AsUInt32();
        Vector128<uint> nan = AdvSimd.ShiftRightLogical(magnitude.AsUInt32(), 13) & Vector128.Create(0x3FFu);
        return sign | AdvSimd.BitwiseSelect(isNan, nan | Vector128.Create(0x7E00u), bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> RoundToUpperHalf(Vector128<float> x)
    {
        Vector128<uint> bits = x.AsUInt32();
        Vector128<uint> odd = AdvSimd.ShiftRightLogical(AdvSimd.ShiftLeftLogical(bits, 15), 31);
        Vector128<uint> rounded = bits + odd + Vector128.Create(0x7FFFu);
        Vector128<uint> number = AdvSimd.CompareEqual(x, x).AsUInt32();
        return AdvSimd.BitwiseSelect(number, rounded, bits | Vector128.Create(0x400000u));
    }
}
