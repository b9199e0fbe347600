namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="HalfConvert"/> for one instruction set; (source, destination, count) each.</summary>
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

    internal HalfConvertKernel(
        delegate*<ushort*, float*, nint, void> f16ToF32,
        delegate*<float*, ushort*, nint, void> f32ToF16,
        delegate*<ushort*, float*, nint, void> bf16ToF32,
        delegate*<float*, ushort*, nint, void> f32ToBf16)
    {
        F16ToF32 = f16ToF32;
        F32ToF16 = f32ToF16;
        Bf16ToF32 = bf16ToF32;
        F32ToBf16 = f32ToBf16;
    }
}

/// <summary>16-bit floating point to and from fp32.</summary>
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
}
