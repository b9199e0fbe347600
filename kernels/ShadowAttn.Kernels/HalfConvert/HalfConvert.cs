namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="HalfConvert"/> for one instruction set; (source, destination, count) each, rows with a factor per channel for q16.</summary>
public readonly unsafe struct HalfConvertKernel
{
    /// <summary>fp16 bits to fp32; exact, NaN stays NaN.</summary>
    public readonly delegate*<ushort*, float*, nint, void> F16ToF32;

    /// <summary>fp32 to fp16 bits, round half to even, overflow to infinity, subnormals kept.</summary>
    public readonly delegate*<float*, ushort*, nint, void> F32ToF16;

    /// <summary>bf16 bits to fp32; exact.</summary>
    public readonly delegate*<ushort*, float*, nint, void> Bf16ToF32;

    /// <summary>fp32 to bf16 bits, round half to even; NaN stays a quiet NaN.</summary>
    public readonly delegate*<float*, ushort*, nint, void> F32ToBf16;

    /// <summary>
    /// (source, sourceStride, scales, destination, destinationStride, rows, channels): destination[r, c] = source[r, c]·scales[c]; one rounding.
    /// Strides are in elements.
    /// </summary>
    public readonly delegate*<short*, nint, float*, float*, nint, nint, nint, void> Q16ToF32;

    /// <summary>
    /// (source, sourceStride, inverses, destination, destinationStride, rows, channels): destination[r, c] = source[r, c]·inverses[c], rounded half to
    /// even, at most ±32767; NaN is any number.
    /// </summary>
    public readonly delegate*<float*, nint, float*, short*, nint, nint, nint, void> F32ToQ16;

    internal HalfConvertKernel(
        delegate*<ushort*, float*, nint, void> f16ToF32,
        delegate*<float*, ushort*, nint, void> f32ToF16,
        delegate*<ushort*, float*, nint, void> bf16ToF32,
        delegate*<float*, ushort*, nint, void> f32ToBf16,
        delegate*<short*, nint, float*, float*, nint, nint, nint, void> q16ToF32,
        delegate*<float*, nint, float*, short*, nint, nint, nint, void> f32ToQ16)
    {
        Q16ToF32 = q16ToF32;
        F32ToQ16 = f32ToQ16;
        F16ToF32 = f16ToF32;
        F32ToF16 = f32ToF16;
        Bf16ToF32 = bf16ToF32;
        F32ToBf16 = f32ToBf16;
    }
}

/// <summary>The 16-bit formats to and from fp32.</summary>
public static unsafe class HalfConvert
{
    /// <summary>All variants.</summary>
    public static KernelTable<HalfConvertKernel> Kernels { get; } = new(
        "half-convert",
        new KernelVariant<HalfConvertKernel>(InstructionSet.Scalar, HalfConvertScalar.Kernel),
        new KernelVariant<HalfConvertKernel>(InstructionSet.AdvSimd, HalfConvertAdvSimd.Kernel),
        new KernelVariant<HalfConvertKernel>(InstructionSet.Avx2, HalfConvertAvx2.Kernel),
        new KernelVariant<HalfConvertKernel>(InstructionSet.Avx512, HalfConvertAvx512.Kernel));

    /// <summary>fp16 bits to fp32.</summary>
    /// <param name="source">fp16 bits.</param>
    /// <param name="destination">Receives as many fp32 values.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the source.</exception>
    public static void F16ToF32(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (ushort* s = source)
        fixed (float* d = destination)
        {
            Kernels.Best.Kernel.F16ToF32(s, d, source.Length);
        }
    }

    /// <summary>fp32 to fp16 bits, round half to even.</summary>
    /// <param name="source">fp32 values.</param>
    /// <param name="destination">Receives as many fp16 bit patterns.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the source.</exception>
    public static void F32ToF16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (float* s = source)
        fixed (ushort* d = destination)
        {
            Kernels.Best.Kernel.F32ToF16(s, d, source.Length);
        }
    }

    /// <summary>bf16 bits to fp32.</summary>
    /// <param name="source">bf16 bits.</param>
    /// <param name="destination">Receives as many fp32 values.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the source.</exception>
    public static void Bf16ToF32(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (ushort* s = source)
        fixed (float* d = destination)
        {
            Kernels.Best.Kernel.Bf16ToF32(s, d, source.Length);
        }
    }

    /// <summary>fp32 to bf16 bits, round half to even.</summary>
    /// <param name="source">fp32 values.</param>
    /// <param name="destination">Receives as many bf16 bit patterns.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the source.</exception>
    public static void F32ToBf16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (float* s = source)
        fixed (ushort* d = destination)
        {
            Kernels.Best.Kernel.F32ToBf16(s, d, source.Length);
        }
    }

    /// <summary>q16 to fp32: one row of channels.</summary>
    /// <param name="source">The row.</param>
    /// <param name="scales">What one step of each channel means.</param>
    /// <param name="destination">Receives as many fp32 values.</param>
    /// <exception cref="ArgumentException">Scales or destination are shorter than the source.</exception>
    public static void Q16ToF32(ReadOnlySpan<short> source, ReadOnlySpan<float> scales, Span<float> destination)
    {
        KernelArguments.CheckLength(scales.Length, source.Length);
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (short* s = source)
        fixed (float* c = scales, d = destination)
        {
            Kernels.Best.Kernel.Q16ToF32(s, 0, c, d, 0, 1, source.Length);
        }
    }

    /// <summary>fp32 to q16: one row of channels, rounded half to even, at most ±32767.</summary>
    /// <param name="source">The row.</param>
    /// <param name="inverses">1 / what one step of each channel means.</param>
    /// <param name="destination">Receives as many numbers.</param>
    /// <exception cref="ArgumentException">Inverses or destination are shorter than the source.</exception>
    public static void F32ToQ16(ReadOnlySpan<float> source, ReadOnlySpan<float> inverses, Span<short> destination)
    {
        KernelArguments.CheckLength(inverses.Length, source.Length);
        KernelArguments.CheckLength(destination.Length, source.Length);
        fixed (float* s = source, c = inverses)
        fixed (short* d = destination)
        {
            Kernels.Best.Kernel.F32ToQ16(s, 0, c, d, 0, 1, source.Length);
        }
    }
}
