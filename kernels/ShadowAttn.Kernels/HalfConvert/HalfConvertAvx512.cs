using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// fp16 and bf16 by integers and one floating-point subtraction or addition, 16 values at a time; the formulas are at the vector forms, which other
/// kernels may inline. No subnormal fp32 ever enters an arithmetic instruction on the way from fp16.
/// </summary>
internal static unsafe class HalfConvertAvx512
{
    private const int Lanes = 16;

    public static HalfConvertKernel Kernel => new(&F16ToF32, &F32ToF16, &Bf16ToF32, &F32ToBf16, &Q16ToF32, &F32ToQ16);

    // Destinations from this size on pass the caches by: they would not stay there, and a line that is written whole need not be read first.
    private const nint StreamBytes = 8 << 20;

    // How far ahead the source of a streamed conversion is prefetched, which behind its end does no harm: the more arithmetic per line, the fewer
    // lines a core finds by itself.
    private const nint AheadBytes = 8192;

    /// <summary>A 16-bit format, 16 values at a time.</summary>
    private interface IFormat
    {
        static abstract Vector512<float> Widen(Vector256<ushort> value);

        static abstract Vector256<ushort> Narrow(Vector512<float> value);

        static abstract Vector512<ushort> Narrow(Vector512<float> first, Vector512<float> second);
    }

    public static void F16ToF32(ushort* source, float* destination, nint count) => Widen<Fp16>(source, destination, count);

    public static void F32ToF16(float* source, ushort* destination, nint count) => Narrow<Fp16>(source, destination, count);

    public static void Bf16ToF32(ushort* source, float* destination, nint count) => Widen<BFloat16>(source, destination, count);

    public static void F32ToBf16(float* source, ushort* destination, nint count) => Narrow<BFloat16>(source, destination, count);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen<T>(ushort* source, float* destination, nint count)
        where T : struct, IFormat
    {
        nint i = 0;
        if (count * sizeof(float) >= StreamBytes && (nint)destination % sizeof(float) == 0)
        {
            i = (-(nint)destination & 63) / sizeof(float);
            Vector512<int> mask = LaneMasks.First512((int)i);
            Avx512F.MaskStore(destination, mask.AsSingle(), T.Widen(LoadFirst(source, mask)));
            for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
            {
                Sse.Prefetch0((byte*)(source + i) + AheadBytes);
                Vector512<float> a = T.Widen(Vector256.Load(source + i));
                Vector512<float> b = T.Widen(Vector256.Load(source + i + Lanes));
                a.StoreAlignedNonTemporal(destination + i);
                b.StoreAlignedNonTemporal(destination + i + Lanes);
            }

            Sse.StoreFence();
        }

        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            Vector512<float> a = T.Widen(Vector256.Load(source + i));
            Vector512<float> b = T.Widen(Vector256.Load(source + i + Lanes));
            a.Store(destination + i);
            b.Store(destination + i + Lanes);
        }

        for (; i < count; i += Lanes)
        {
            Vector512<int> mask = LaneMasks.First512((int)nint.Min(Lanes, count - i));
            Avx512F.MaskStore(destination + i, mask.AsSingle(), T.Widen(LoadFirst(source + i, mask)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow<T>(float* source, ushort* destination, nint count)
        where T : struct, IFormat
    {
        nint i = 0;
        if (count * sizeof(ushort) >= StreamBytes && (nint)destination % sizeof(ushort) == 0)
        {
            for (nint head = (-(nint)destination & 63) / sizeof(ushort); i < head; i += Lanes)
            {
                Vector512<int> mask = LaneMasks.First512((int)nint.Min(Lanes, head - i));
                StoreFirst(destination + i, mask, T.Narrow(Avx512F.MaskLoad(source + i, mask.AsSingle(), Vector512<float>.Zero)));
            }

            i = (-(nint)destination & 63) / sizeof(ushort);
            for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
            {
                Sse.Prefetch0((byte*)(source + i) + AheadBytes);
                Sse.Prefetch0((byte*)(source + i) + AheadBytes + 64);
                T.Narrow(Vector512.Load(source + i), Vector512.Load(source + i + Lanes)).StoreAlignedNonTemporal(destination + i);
            }

            Sse.StoreFence();
        }

        for (; i + (2 * Lanes) <= count; i += 2 * Lanes)
        {
            T.Narrow(Vector512.Load(source + i), Vector512.Load(source + i + Lanes)).Store(destination + i);
        }

        for (; i < count; i += Lanes)
        {
            Vector512<int> mask = LaneMasks.First512((int)nint.Min(Lanes, count - i));
            StoreFirst(destination + i, mask, T.Narrow(Avx512F.MaskLoad(source + i, mask.AsSingle(), Vector512<float>.Zero)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q16ToF32(
        short* source, nint sourceStride, float* scales, float* destination, nint destinationStride, nint rows, nint channels)
    {
        nint whole = channels - (channels % Lanes);
        bool streams = Streams(destination, destinationStride * sizeof(float), rows);
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            nint i = 0;
            if (streams)
            {
                for (; i < whole; i += Lanes)
                {
                    (Q16(Vector256.Load((ushort*)source + i)) * Vector512.Load(scales + i)).StoreAlignedNonTemporal(destination + i);
                }
            }

            for (; i < whole; i += Lanes)
            {
                (Q16(Vector256.Load((ushort*)source + i)) * Vector512.Load(scales + i)).Store(destination + i);
            }

            if (i < channels)
            {
                Vector512<int> mask = LaneMasks.First512((int)(channels - i));
                Vector512<float> x = Q16(LoadFirst((ushort*)source + i, mask));
                x *= Avx512F.MaskLoad(scales + i, mask.AsSingle(), Vector512<float>.Zero);
                Avx512F.MaskStore(destination + i, mask.AsSingle(), x);
            }
        }

        Sse.StoreFence();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32ToQ16(
        float* source, nint sourceStride, float* inverses, short* destination, nint destinationStride, nint rows, nint channels)
    {
        nint pairs = channels - (channels % (2 * Lanes));
        bool streams = Streams(destination, destinationStride * sizeof(short), rows);
        nint ahead = nint.Max(1, AheadBytes / sizeof(float) / nint.Max(1, channels)) * sourceStride;
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            nint i = 0;
            if (streams)
            {
                for (; i < pairs; i += 2 * Lanes)
                {
                    Sse.Prefetch0(source + i + ahead);
                    Sse.Prefetch0(source + i + ahead + Lanes);
                    ToQ16(
                        Vector512.Load(source + i) * Vector512.Load(inverses + i),
                        Vector512.Load(source + i + Lanes) * Vector512.Load(inverses + i + Lanes)).StoreAlignedNonTemporal(destination + i);
                }
            }

            for (; i < pairs; i += 2 * Lanes)
            {
                ToQ16(
                    Vector512.Load(source + i) * Vector512.Load(inverses + i),
                    Vector512.Load(source + i + Lanes) * Vector512.Load(inverses + i + Lanes)).Store(destination + i);
            }

            for (; i + Lanes <= channels; i += Lanes)
            {
                ToQ16(Vector512.Load(source + i) * Vector512.Load(inverses + i)).Store(destination + i);
            }

            if (i < channels)
            {
                Vector512<int> mask = LaneMasks.First512((int)(channels - i));
                Vector512<float> x = Avx512F.MaskLoad(source + i, mask.AsSingle(), Vector512<float>.Zero);
                x *= Avx512F.MaskLoad(inverses + i, mask.AsSingle(), Vector512<float>.Zero);
                StoreFirst((ushort*)destination + i, mask, ToQ16(x).AsUInt16());
            }
        }

        Sse.StoreFence();
    }

    private static bool Streams(void* destination, nint rowBytes, nint rows) =>
        (((nint)destination | rowBytes) & 63) == 0 && rows * rowBytes >= StreamBytes;

    /// <summary>int16 to fp32, exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Q16(Vector256<ushort> value) =>
        Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(value.AsInt16()));

    /// <summary>fp32 to int16, rounded half to even and saturated to ±32767.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> ToQ16(Vector512<float> x)
    {
        Vector512<int> whole = Avx512F.ConvertToVector512Int32(Avx512F.Min(x, Vector512.Create(32767f)));
        return Avx2.Max(Avx512F.ConvertToVector256Int16WithSaturation(whole), Vector256.Create((short)-32767));
    }

    /// <summary>As <see cref="ToQ16(Vector512{float})"/>; the pack leaves each 128-bit lane the dwords of its own, which one permutation puts in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> ToQ16(Vector512<float> first, Vector512<float> second)
    {
        Vector512<short> packed = Avx512BW.PackSignedSaturate(
            Avx512F.ConvertToVector512Int32(Avx512F.Min(first, Vector512.Create(32767f))),
            Avx512F.ConvertToVector512Int32(Avx512F.Min(second, Vector512.Create(32767f))));
        Vector512<long> order = Vector512.Create(0, 2, 4, 6, 1, 3, 5, 7);
        return Vector512.Max(Avx512F.PermuteVar8x64(packed.AsInt64(), order).AsInt16(), Vector512.Create((short)-32767));
    }

    /// <summary>
    /// fp16 to fp32. With e the exponent and mantissa of the half, moved up by 13 bits, and c = 112 in fp32's exponent: normal numbers are e + c,
    /// infinities and NaN e + 2c; for subnormals e + c + one exponent more is 2^-14 + the value, from which 2^-14 is subtracted exactly.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> F16(Vector256<ushort> half)
    {
        Vector512<int> signed = Avx512F.ConvertToVector512Int32(half.AsInt16());
        Vector512<int> e = (signed << 13) & Vector512.Create(0x0FFFE000);
        Vector512<int> normal = e + Vector512.Create(112 << 23);
        Vector512<int> special = normal + Vector512.Create(112 << 23);
        Vector512<int> subnormal = ((normal + Vector512.Create(1 << 23)).AsSingle() - Vector512.Create(6.103515625e-5f)).AsInt32();
        Vector512<int> v = Vector512.ConditionalSelect(Vector512.LessThan(e, Vector512.Create(1 << 23)), subnormal, normal);
        v = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(e, Vector512.Create(31 << 23)), special, v);
        return ((signed & Vector512.Create(int.MinValue)) | v).AsSingle();
    }

    /// <summary>
    /// fp32 to fp16, round half to even. Normal results: half a unit less one, plus the last kept bit, is added below the kept bits; what then
    /// reaches 65536 is infinity. Subnormal results: |x| + 1/2 has 2^-24 as its last bit, so that the addition rounds.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> ToF16(Vector512<float> x) => Avx512F.ConvertToVector256UInt16(F16Bits(x));

    /// <summary>The fp16 of <see cref="ToF16"/> in the lower half of each dword.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> F16Bits(Vector512<float> x)
    {
        Vector512<int> bits = x.AsInt32();
        Vector512<int> abs = bits & Vector512.Create(int.MaxValue);
        Vector512<int> odd = Vector512.ShiftRightLogical(abs, 13) & Vector512<int>.One;
        Vector512<int> normal = Vector512.ShiftRightArithmetic(abs + odd + Vector512.Create(0xFFF - (112 << 23)), 13);
        normal = Vector512.Min(normal, Vector512.Create(0x7C00));
        Vector512<int> subnormal = (abs.AsSingle() + Vector512.Create(0.5f)).AsInt32() - Vector512.Create(0x3F000000);
        Vector512<int> v = Vector512.ConditionalSelect(Vector512.LessThan(abs, Vector512.Create(113 << 23)), subnormal, normal);
        v = Vector512.ConditionalSelect(Vector512.GreaterThan(abs, Vector512.Create(255 << 23)), Vector512.Create(0x7E00), v);
        return (v | Vector512.ShiftRightLogical(bits & Vector512.Create(int.MinValue), 16)).AsUInt32();
    }

    /// <summary>bf16 to fp32: the upper half of the bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Bf16(Vector256<ushort> value) => (Avx512F.ConvertToVector512Int32(value) << 16).AsSingle();

    /// <summary>fp32 to bf16, round half to even; a NaN is made quiet instead of rounded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> ToBf16(Vector512<float> x) =>
        Avx512F.ConvertToVector256UInt16(Vector512.ShiftRightLogical(Bf16Bits(x), 16));

    /// <summary>The bf16 of <see cref="ToBf16"/> in the upper half of each dword.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Bf16Bits(Vector512<float> x)
    {
        Vector512<int> bits = x.AsInt32();
        Vector512<int> odd = Vector512.ShiftRightLogical(bits, 16) & Vector512<int>.One;
        Vector512<int> rounded = bits + odd + Vector512.Create(0x7FFF);
        return Vector512.ConditionalSelect(
            Avx512F.CompareUnordered(x, x).AsInt32(), bits | Vector512.Create(0x400000), rounded).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> LoadFirst(ushort* from, Vector512<int> mask) =>
        Avx512BW.VL.MaskLoad(from, Avx512F.ConvertToVector256Int16(mask).AsUInt16(), Vector256<ushort>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFirst(ushort* to, Vector512<int> mask, Vector256<ushort> values) =>
        Avx512BW.VL.MaskStore(to, Avx512F.ConvertToVector256Int16(mask).AsUInt16(), values);

    private readonly struct Fp16 : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Widen(Vector256<ushort> value) => F16(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<ushort> Narrow(Vector512<float> value) => ToF16(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<ushort> Narrow(Vector512<float> first, Vector512<float> second) =>
            Avx512BW.PermuteVar32x16x2(F16Bits(first).AsUInt16(), Vector512<ushort>.Indices << 1, F16Bits(second).AsUInt16());
    }

    private readonly struct BFloat16 : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Widen(Vector256<ushort> value) => Bf16(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<ushort> Narrow(Vector512<float> value) => ToBf16(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<ushort> Narrow(Vector512<float> first, Vector512<float> second) =>
            Avx512BW.PermuteVar32x16x2(
                Bf16Bits(first).AsUInt16(), (Vector512<ushort>.Indices << 1) + Vector512<ushort>.One, Bf16Bits(second).AsUInt16());
    }
}
