namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="Exp"/> for one instruction set.</summary>
public readonly unsafe struct ExpKernel
{
    /// <summary>(x, y, n): y = exp(x), elementwise; x and y may be the same.</summary>
    public readonly delegate*<float*, float*, nint, void> Run;

    internal ExpKernel(delegate*<float*, float*, nint, void> run) => Run = run;
}

/// <summary>
/// exp(x) of fp32 within 2 units in the last place for -87.3 ≤ x ≤ 88.7; below that 0 (subnormal results are flushed), above it +∞, NaN for NaN.
/// </summary>
public static unsafe class Exp
{
    /// <summary>All variants.</summary>
    public static KernelTable<ExpKernel> Kernels { get; } = new(
        "exp",
        new KernelVariant<ExpKernel>(InstructionSet.Scalar, ExpScalar.Kernel),
        new KernelVariant<ExpKernel>(InstructionSet.AdvSimd, ExpAdvSimd.Kernel),
        new KernelVariant<ExpKernel>(InstructionSet.Avx2, ExpAvx2.Kernel),
        new KernelVariant<ExpKernel>(InstructionSet.Avx512, ExpAvx512.Kernel));

    /// <summary>y = exp(x), elementwise.</summary>
    /// <param name="x">The arguments, fp32.</param>
    /// <param name="y">Receives as many results; may be the same span.</param>
    /// <exception cref="ArgumentException"><paramref name="y"/> is shorter than <paramref name="x"/>.</exception>
    public static void Run(ReadOnlySpan<float> x, Span<float> y)
    {
        KernelArguments.CheckLength(y.Length, x.Length);
        fixed (float* px = x, py = y)
        {
            Kernels.Best.Kernel.Run(px, py, x.Length);
        }
    }
}
