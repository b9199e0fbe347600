namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="DenseProduct"/> for one instruction set.</summary>
public readonly unsafe struct DenseProductKernel
{
    /// <summary>
    /// (a, aRowStride, aStepStride, rows, steps, b, bStride, columns, output, outputStride):
    /// output[r, j] += Σ_t a[r·aRowStride + t·aStepStride]·b[t·bStride + j]. Writes exactly [rows, columns]; the output overlaps neither input.
    /// </summary>
    public readonly delegate*<float*, nint, nint, int, int, float*, nint, int, float*, nint, void> Add;

    internal DenseProductKernel(delegate*<float*, nint, nint, int, int, float*, nint, int, float*, nint, void> add) => Add = add;
}

/// <summary>
/// Small dense products of fp32 matrices, added to the output: q·C of the first-order tail, and KᵀV of a block of keys with strides that
/// read K by columns.
/// </summary>
public static unsafe class DenseProduct
{
    /// <summary>All variants.</summary>
    public static KernelTable<DenseProductKernel> Kernels { get; } = new(
        "product",
        new KernelVariant<DenseProductKernel>(InstructionSet.Scalar, DenseProductScalar.Kernel),
        new KernelVariant<DenseProductKernel>(InstructionSet.AdvSimd, DenseProductAdvSimd.Kernel),
        new KernelVariant<DenseProductKernel>(InstructionSet.Avx2, DenseProductAvx2.Kernel),
        new KernelVariant<DenseProductKernel>(InstructionSet.Avx512, DenseProductAvx512.Kernel));

    /// <summary>output += a·b, all contiguous.</summary>
    /// <param name="a">fp32 [rows, steps].</param>
    /// <param name="b">fp32 [steps, columns].</param>
    /// <param name="rows">Rows of <paramref name="a"/>.</param>
    /// <param name="steps">Columns of <paramref name="a"/>, rows of <paramref name="b"/>.</param>
    /// <param name="columns">Columns of <paramref name="b"/>.</param>
    /// <param name="output">fp32 [rows, columns]; the product is added.</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, int rows, int steps, int columns, Span<float> output)
    {
        KernelArguments.CheckMatrix(a.Length, steps, rows, steps, nameof(a));
        KernelArguments.CheckMatrix(b.Length, columns, steps, columns, nameof(b));
        KernelArguments.CheckMatrix(output.Length, columns, rows, columns, nameof(output));
        fixed (float* pa = a, pb = b, po = output)
        {
            Kernels.Best.Kernel.Add(pa, steps, 1, rows, steps, pb, columns, columns, po, columns);
        }
    }
}
