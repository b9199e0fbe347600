using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class HalfConvertTests
{
    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(HalfConvert.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_fp16_value_widens_exactly(InstructionSet set)
    {
        float[] wide = ToF32(KernelVariants.Kernel(HalfConvert.Kernels, set).F16ToF32, AllPatterns());
        for (int h = 0; h < wide.Length; h++)
        {
            AssertSame(ValueOfF16(h), wide[h], $"fp16 {h:X4}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_bf16_value_widens_exactly(InstructionSet set)
    {
        float[] wide = ToF32(KernelVariants.Kernel(HalfConvert.Kernels, set).Bf16ToF32, AllPatterns());
        for (int h = 0; h < wide.Length; h++)
        {
            AssertSame(BitConverter.Int32BitsToSingle(h << 16), wide[h], $"bf16 {h:X4}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Narrowing_to_fp16_rounds_to_nearest_even(InstructionSet set)
    {
        float[] x = Neighbours(h => (float)ValueOfF16(h));
        ushort[] narrow = To16(KernelVariants.Kernel(HalfConvert.Kernels, set).F32ToF16, x);
        for (int i = 0; i < x.Length; i++)
        {
            double step = Math.Pow(2, Math.Max(Exponent(x[i]), -14) - 10);
            double expected = Math.Round(x[i] / step, MidpointRounding.ToEven) * step;
            AssertSame(Math.Abs(expected) >= 65536 ? Math.CopySign(double.PositiveInfinity, x[i]) : expected, ValueOfF16(narrow[i]), $"{x[i]:R}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Narrowing_to_bf16_rounds_to_nearest_even(InstructionSet set)
    {
        float[] x = Neighbours(h => BitConverter.Int32BitsToSingle(h << 16));
        ushort[] narrow = To16(KernelVariants.Kernel(HalfConvert.Kernels, set).F32ToBf16, x);
        for (int i = 0; i < x.Length; i++)
        {
            double step = Math.Pow(2, Math.Max(Exponent(x[i]), -126) - 7);
            double expected = Math.Round(x[i] / step, MidpointRounding.ToEven) * step;
            AssertSame((float)expected, BitConverter.Int32BitsToSingle(narrow[i] << 16), $"{x[i]:R}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Nan_of_any_payload_stays_nan(InstructionSet set)
    {
        HalfConvertKernel kernel = KernelVariants.Kernel(HalfConvert.Kernels, set);
        float[] x = new float[46];
        for (int bit = 0; bit < 23; bit++)
        {
            x[2 * bit] = BitConverter.UInt32BitsToSingle(0x7F800000u | (1u << bit));
            x[(2 * bit) + 1] = BitConverter.UInt32BitsToSingle(0xFF800000u | (1u << bit));
        }

        Assert.All(To16(kernel.F32ToF16, x), h => Assert.True((h & 0x7FFF) > 0x7C00));
        Assert.All(To16(kernel.F32ToBf16, x), h => Assert.True((h & 0x7FFF) > 0x7F80 && (h & 0x40) != 0));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_length_stays_within_its_elements(InstructionSet set)
    {
        HalfConvertKernel kernel = KernelVariants.Kernel(HalfConvert.Kernels, set);
        foreach (GuardPlacement placement in Enum.GetValues<GuardPlacement>())
        {
            for (int n = 1; n <= 70; n += n < 36 ? 1 : 7)
            {
                using var narrow = new GuardedArray<ushort>(n, placement);
                using var wide = new GuardedArray<float>(n, placement);
                foreach (bool f16 in new[] { true, false })
                {
                    for (int i = 0; i < n; i++)
                    {
                        narrow.Span[i] = (ushort)(0x3C00 + (i * 3));
                    }

                    ushort[] before = narrow.Span.ToArray();
                    (f16 ? kernel.F16ToF32 : kernel.Bf16ToF32)(narrow.Pointer, wide.Pointer, n);
                    narrow.Span.Clear();
                    (f16 ? kernel.F32ToF16 : kernel.F32ToBf16)(wide.Pointer, narrow.Pointer, n);
                    Assert.Equal(before, narrow.Span.ToArray());
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Q16_is_a_multiple_of_the_channels_step(InstructionSet set)
    {
        HalfConvertKernel kernel = KernelVariants.Kernel(HalfConvert.Kernels, set);
        var random = new Random(5);
        float[] special = [0f, -0f, 0.5f, 1.5f, -2.5f, 32766.5f, 32767.5f, -32767.5f, -32768f, 1e9f, -1e30f, float.PositiveInfinity, float.NegativeInfinity];
        for (int n = 1; n <= 70; n++)
        {
            foreach (GuardPlacement placement in new[] { GuardPlacement.After, GuardPlacement.Before })
            {
                using var wide = new GuardedArray<float>(n, placement);
                using var narrow = new GuardedArray<short>(n, placement);
                using var steps = new GuardedArray<float>(n, placement);
                for (int i = 0; i < n; i++)
                {
                    steps.Span[i] = MathF.Pow(2, random.Next(-9, 3));
                    wide.Span[i] = random.Next(3) == 0 ? special[random.Next(special.Length)] : (float)(random.NextDouble() - 0.5) * 70000;
                }

                kernel.F32ToQ16(wide.Pointer, 0, steps.Pointer, narrow.Pointer, 0, 1, n);
                for (int i = 0; i < n; i++)
                {
                    Assert.Equal((short)Math.Clamp(Math.Round((double)wide.Span[i] * steps.Span[i], MidpointRounding.ToEven), -32767, 32767), narrow.Span[i]);
                }

                kernel.Q16ToF32(narrow.Pointer, 0, steps.Pointer, wide.Pointer, 0, 1, n);
                for (int i = 0; i < n; i++)
                {
                    Assert.Equal(narrow.Span[i] * steps.Span[i], wide.Span[i]);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Q16_rows_of_any_stride_are_as_row_by_row(InstructionSet set)
    {
        const int rows = 5;
        HalfConvertKernel kernel = KernelVariants.Kernel(HalfConvert.Kernels, set);
        var random = new Random(7);
        foreach (int channels in new[] { 1, 16, 33, 64, 80 })
        {
            int stride = channels + 3;
            using var wide = new GuardedArray<float>((rows * stride) - 3, GuardPlacement.After);
            using var narrow = new GuardedArray<short>((rows * channels), GuardPlacement.After);
            using var back = new GuardedArray<float>((rows * stride) - 3, GuardPlacement.After);
            using var steps = new GuardedArray<float>(channels, GuardPlacement.After);
            foreach (ref float x in wide.Span)
            {
                x = (float)(random.NextDouble() - 0.5) * 60000;
            }

            foreach (ref float x in steps.Span)
            {
                x = MathF.Pow(2, random.Next(-3, 1));
            }

            kernel.F32ToQ16(wide.Pointer, stride, steps.Pointer, narrow.Pointer, channels, rows, channels);
            kernel.Q16ToF32(narrow.Pointer, channels, steps.Pointer, back.Pointer, stride, rows, channels);
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < stride && (r < rows - 1 || c < channels); c++)
                {
                    float step = c < channels ? steps.Span[c] : 0;
                    Assert.Equal(c < channels ? MathF.Round(wide.Span[(r * stride) + c] * step, MidpointRounding.ToEven) * step : 0, back.Span[(r * stride) + c]);
                }
            }
        }
    }

    // Sizes from which a variant may write past the caches.
    [Theory]
    [MemberData(nameof(Variants))]
    public void Large_arrays_are_as_small_ones(InstructionSet set)
    {
        const int count = (4 << 20) + 21;
        const int channels = 64;
        HalfConvertKernel kernel = KernelVariants.Kernel(HalfConvert.Kernels, set);
        using var wide = new GuardedArray<float>(count, GuardPlacement.After);
        using var narrow = new GuardedArray<ushort>(count, GuardPlacement.After);
        using var steps = new GuardedArray<float>(channels, GuardPlacement.After);
        steps.Span.Fill(2);
        for (int i = 0; i < count; i++)
        {
            wide.Span[i] = (i % 2039) - 1000;
        }

        kernel.F32ToF16(wide.Pointer, narrow.Pointer, count);
        kernel.F16ToF32(narrow.Pointer, wide.Pointer, count);
        AssertPattern(wide.Span, value => value);
        kernel.F32ToBf16(wide.Pointer, narrow.Pointer, count);
        kernel.Bf16ToF32(narrow.Pointer, wide.Pointer, count);
        AssertPattern(wide.Span, value => BitConverter.Int32BitsToSingle(
            (BitConverter.SingleToInt32Bits(value) + 0x7FFF + ((BitConverter.SingleToInt32Bits(value) >> 16) & 1)) & ~0xFFFF));
        kernel.F32ToQ16(wide.Pointer, channels, steps.Pointer, (short*)narrow.Pointer, channels, count / channels, channels);
        kernel.Q16ToF32((short*)narrow.Pointer, channels, steps.Pointer, wide.Pointer, channels, count / channels, channels);
        AssertPattern(wide.Span[..(count / channels * channels)], value => 4 * BitConverter.Int32BitsToSingle(
            (BitConverter.SingleToInt32Bits(value) + 0x7FFF + ((BitConverter.SingleToInt32Bits(value) >> 16) & 1)) & ~0xFFFF));
    }

    private static void AssertPattern(ReadOnlySpan<float> actual, Func<float, float> expected)
    {
        var values = new float[2039];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = expected(i - 1000);
        }

        for (int first = 0; first < actual.Length; first += values.Length)
        {
            int length = Math.Min(values.Length, actual.Length - first);
            Assert.True(actual.Slice(first, length).SequenceEqual(values.AsSpan(0, length)), $"elements from {first}");
        }
    }

    [Fact]
    public void The_span_forms_check_lengths()
    {
        float[] wide = new float[2];
        ushort[] narrow = new ushort[2];
        HalfConvert.F16ToF32([0x3C00, 0xC000], wide);
        Assert.Equal([1f, -2f], wide);
        HalfConvert.F32ToF16(wide, narrow);
        Assert.Equal([0x3C00, 0xC000], narrow);
        HalfConvert.F32ToBf16(wide, narrow);
        Assert.Equal([0x3F80, 0xC000], narrow);
        HalfConvert.Bf16ToF32(narrow, wide);
        Assert.Equal([1f, -2f], wide);
        Assert.Throws<ArgumentException>(() => HalfConvert.F16ToF32(new ushort[3], new float[2]));
        Assert.Throws<ArgumentException>(() => HalfConvert.F32ToF16(new float[3], new ushort[2]));
        Assert.Throws<ArgumentException>(() => HalfConvert.Bf16ToF32(new ushort[3], new float[2]));
        Assert.Throws<ArgumentException>(() => HalfConvert.F32ToBf16(new float[3], new ushort[2]));
    }

    private static ushort[] AllPatterns() => [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];

    /// <summary>Every second finite value of a 16-bit format with the midpoints to its neighbours and the fp32 values beside those.</summary>
    private static float[] Neighbours(Func<int, float> value)
    {
        var x = new List<float> { float.MaxValue, float.MinValue, float.Epsilon, -float.Epsilon, 0f, -0f, 65504f, 65519.996f, 65520f, 1e6f };
        for (int h = 0; h < 65535; h += 3)
        {
            float a = value(h), b = value(h + 1);
            if (float.IsFinite(a) && float.IsFinite(b))
            {
                float middle = (a / 2) + (b / 2);
                x.AddRange([a, middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
            }
        }

        return [.. x];
    }

    private static int Exponent(float x) => x == 0 ? -200 : Math.ILogB(x);

    private static double ValueOfF16(int h)
    {
        int exponent = (h >> 10) & 31;
        double mantissa = h & 0x3FF;
        double magnitude = exponent switch
        {
            0 => mantissa * Math.Pow(2, -24),
            31 => mantissa == 0 ? double.PositiveInfinity : double.NaN,
            _ => (1 + (mantissa / 1024)) * Math.Pow(2, exponent - 15),
        };
        return (h & 0x8000) != 0 ? -magnitude : magnitude;
    }

    private static void AssertSame(double expected, double actual, string what)
    {
        bool same = double.IsNaN(expected)
            ? double.IsNaN(actual)
            : expected == actual && double.IsNegative(expected) == double.IsNegative(actual);
        if (!same)
        {
            Assert.Fail($"{what}: {actual:R} should be {expected:R}");
        }
    }

    private static float[] ToF32(delegate*<ushort*, float*, nint, void> convert, ushort[] source)
    {
        float[] destination = new float[source.Length];
        fixed (ushort* s = source)
        fixed (float* d = destination)
        {
            convert(s, d, source.Length);
        }

        return destination;
    }

    private static ushort[] To16(delegate*<float*, ushort*, nint, void> convert, float[] source)
    {
        ushort[] destination = new ushort[source.Length];
        fixed (float* s = source)
        fixed (ushort* d = destination)
        {
            convert(s, d, source.Length);
        }

        return destination;
    }
}
