using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// fp16 and bf16 by integers and one floating-point subtraction or addition (.NET exposes no F16C), 8 values at a time; the formulas are those
/// of <see cref="HalfConvertAvx512"/>. The up to 7 or 15 values behind the last whole step are the scalar kernel's.
/// </summary>
internal static unsafe class HalfConvertAvx2
{
    private const int Lanes = 8;

    public static HalfConvertKernel Kernel => new(&F16ToF32, &F32ToF16, &Bf16ToF32, &F32ToBf16, &Q16ToF32, &F32ToQ16);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F16ToF32(ushort* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            Vector256<float> a = F16(Vector128.Load(source + i));
            Vector256<float> b = F16(Vector128.Load(source + i + Lanes));
            a.Store(destination + i);
            b.Store(destination + i + Lanes);
        }

        for (; i + Lanes <= count; i += Lanes)
        {
            F16(Vector128.Load(source + i)).Store(destination + i);
        }

        HalfConvertScalar.F16ToF32(source + i, destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToF16(float* source, ushort* destination, nint count)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            Narrow(ToF16(Vector256.Load(source + i)), ToF16(Vector256.Load(source + i + Lanes))).Store(destination + i);
        }

        HalfConvertScalar.F32ToF16(source + i, destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Bf16ToF32(ushort* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            Vector256<float> a = Bf16(Vector128.Load(source + i));
            Vector256<float> b = Bf16(Vector128.Load(source + i + Lanes));
            a.Store(destination + i);
            b.Store(destination + i + Lanes);
        }

        for (; i + Lanes <= count; i += Lanes)
        {
            Bf16(Vector128.Load(source + i)).Store(destination + i);
        }

        HalfConvertScalar.Bf16ToF32(source + i, destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q16ToF32(
        short* source, nint sourceStride, float* scales, float* destination, nint destinationStride, nint rows, nint channels)
    {
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            nint i = 0;
            for (; i + Lanes <= channels; i += Lanes)
            {
                (Q16(Vector128.Load((ushort*)source + i)) * Vector256.Load(scales + i)).Store(destination + i);
            }

            HalfConvertScalar.Q16ToF32(source + i, scales + i, destination + i, channels - i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToQ16(
        float* source, nint sourceStride, float* inverses, short* destination, nint destinationStride, nint rows, nint channels)
    {
        Vector256<float> limit = Vector256.Create(32767f);
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            nint i = 0;
            for (; i + (2 * Lanes) <= channels; i += 2 * Lanes)
            {
                Vector256<float> a = Avx.Max(Avx.Min(Vector256.Load(source + i) * Vector256.Load(inverses + i), limit), -limit);
                Vector256<float> b = Avx.Max(Avx.Min(Vector256.Load(source + i + Lanes) * Vector256.Load(inverses + i + Lanes), limit), -limit);
                Vector256<short> packed = Avx2.PackSignedSaturate(Avx.ConvertToVector256Int32(a), Avx.ConvertToVector256Int32(b));
                Avx2.Permute4x64(packed.AsInt64(), 0xD8).AsInt16().Store(destination + i);
            }

            HalfConvertScalar.F32ToQ16(source + i, inverses + i, destination + i, channels - i);
        }
    }

    /// <summary>int16 to fp32, exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Q16(Vector128<ushort> value) => Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32(value.AsInt16()));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToBf16(float* source, ushort* destination, nint count)
    {
        nint i = 0;
        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            Narrow(ToBf16(Vector256.Load(source + i)), ToBf16(Vector256.Load(source + i + Lanes))).Store(destination + i);
        }

        HalfConvertScalar.F32ToBf16(source + i, destination + i, count - i);
    }

    /// <summary>fp16 to fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> F16(Vector128<ushort> half)
    {
        Vector256<int> signed = Avx2.ConvertToVector256Int32(half.AsInt16());
        Vector256<int> e = (signed << 13) & Vector256.Create(0x0FFFE000);
        Vector256<int> normal = e + Vector256.Create(112 << 23);
        Vector256<int> isSpecial = Vector256.GreaterThan(e, Vector256.Create((31 << 23) - 1));
        Vector256<int> subnormal = ((normal + Vector256.Create(1 << 23)).AsSingle() - Vector256.Create(6.103515625e-5f)).AsInt32();
        Vector256<int> isSubnormal = Vector256.GreaterThan(Vector256.Create(1 << 23), e);
        Vector256<int> v = Avx2.BlendVariable(normal, subnormal, isSubnormal) + (isSpecial & Vector256.Create(112 << 23));
        return ((signed & Vector256.Create(int.MinValue)) | v).AsSingle();
    }

    /// <summary>fp32 to fp16 in the lower half of each lane, round half to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ToF16(Vector256<float> x)
    {
        Vector256<int> bits = x.AsInt32();
        Vector256<int> abs = bits & Vector256.Create(int.MaxValue);
        Vector256<int> odd = Vector256.ShiftRightLogical(abs, 13) & Vector256<int>.One;
        Vector256<int> normal = Vector256.ShiftRightArithmetic(abs + odd + Vector256.Create(0xFFF - (112 << 23)), 13);
        normal = Vector256.Min(normal, Vector256.Create(0x7C00));
        Vector256<int> subnormal = (abs.AsSingle() + Vector256.Create(0.5f)).AsInt32() - Vector256.Create(0x3F000000);
        Vector256<int> v = Avx2.BlendVariable(normal, subnormal, Vector256.GreaterThan(Vector256.Create(113 << 23), abs));
        v = Avx2.BlendVariable(v, Vector256.Create(0x7E00), Vector256.GreaterThan(abs, Vector256.Create(255 << 23)));
        return v | Vector256.ShiftRightLogical(bits & Vector256.Create(int.MinValue), 16);
    }

    /// <summary>bf16 to fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Bf16(Vector128<ushort> value) => (Avx2.ConvertToVector256Int32(value) << 16).AsSingle();

    /// <summary>fp32 to bf16 in the lower half of each lane, round half to even; a NaN is made quiet instead of rounded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ToBf16(Vector256<float> x)
    {
        Vector256<int> bits = x.AsInt32();
        Vector256<int> odd = Vector256.ShiftRightLogical(bits, 16) & Vector256<int>.One;
        Vector256<int> rounded = bits + odd + Vector256.Create(0x7FFF);
        Vector256<int> v = Avx2.BlendVariable(rounded, bits | Vector256.Create(0x400000), Avx.CompareUnordered(x, x).AsInt32());
        return Vector256.ShiftRightLogical(v, 16);
    }

    /// <summary>The lower halves of 16 lanes, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Narrow(Vector256<int> a, Vector256<int> b) =>
        Avx2.Permute4x64(Avx2.PackUnsignedSaturate(a, b).AsInt64(), 0b11_01_10_00).AsUInt16();
}
