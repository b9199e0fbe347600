namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="Quantize"/> for one instruction set.</summary>
public readonly unsafe struct QuantizeKernel
{
    /// <summary>
    /// (k, rowStride, keys, dim, mean, inverseScale, k8, k8Stride, squareSums): k8 = clamp(round((k - mean)·inverseScale), ±127), round half to
    /// even; adds Σ over keys of k8² per channel to <c>squareSums</c> [dim]. <c>mean</c> and <c>squareSums</c> may be null.
    /// </summary>
    public readonly delegate*<float*, nint, int, int, float*, float, sbyte*, nint, double*, void> Keys;

    /// <summary>
    /// (q, rowStride, rows, dim, power, sigma0, q8, q8Stride, rowScales): per row s = max(absmax(q)/127, √(Σ_d q_d²·power_d)/σ0, 1e-30),
    /// q8 = round(q / s), rowScales[row] = s.
    /// </summary>
    public readonly delegate*<float*, nint, int, int, float*, float, sbyte*, nint, float*, void> Queries;

    internal QuantizeKernel(
        delegate*<float*, nint, int, int, float*, float, sbyte*, nint, double*, void> keys,
        delegate*<float*, nint, int, int, float*, float, sbyte*, nint, float*, void> queries)
    {
        Keys = keys;
        Queries = queries;
    }
}

/// <summary>Keys and queries to INT8 as the universal pilot wants them (docs: how it works).</summary>
public static unsafe class Quantize
{
    /// <summary>The smallest scale: keeps all-zero rows and constant keys away from a division by zero.</summary>
    public const float MinScale = 1e-30f;

    /// <summary>All variants.</summary>
    public static KernelTable<QuantizeKernel> Kernels { get; } = new(
        "quantize",
        new KernelVariant<QuantizeKernel>(InstructionSet.Scalar, QuantizeScalar.Kernel),
        new KernelVariant<QuantizeKernel>(InstructionSet.AdvSimd, QuantizeAdvSimd.Kernel),
        new KernelVariant<QuantizeKernel>(InstructionSet.Avx2, QuantizeAvx2.Kernel),
        new KernelVariant<QuantizeKernel>(InstructionSet.Avx512, QuantizeAvx512.Kernel));

    /// <summary>Keys to INT8: k8 = clamp(round((k - mean)·inverseScale), ±127).</summary>
    /// <param name="k">fp32 [keys, dim], rows <paramref name="rowStride"/> elements apart.</param>
    /// <param name="rowStride">Elements between rows of <paramref name="k"/>.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="mean">fp32 [dim].</param>
    /// <param name="inverseScale">127 / max |k - mean|.</param>
    /// <param name="k8">Receives [keys, dim], contiguous.</param>
    /// <param name="squareSums">Σ over keys of k8² per channel is added, [dim].</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static void Keys(
        ReadOnlySpan<float> k, int rowStride, int keys, ReadOnlySpan<float> mean, float inverseScale, Span<sbyte> k8, Span<double> squareSums)
    {
        int dim = mean.Length;
        KernelArguments.CheckMatrix(k.Length, rowStride, keys, dim, nameof(k));
        KernelArguments.CheckLength(k8.Length, (long)keys * dim);
        KernelArguments.CheckLength(squareSums.Length, dim);
        fixed (float* pk = k, pm = mean)
        fixed (sbyte* p8 = k8)
        fixed (double* ps = squareSums)
        {
            Kernels.Best.Kernel.Keys(pk, rowStride, keys, dim, pm, inverseScale, p8, dim, ps);
        }
    }

    /// <summary>Queries to INT8, each row with its own scale s = max(absmax/127, √(Σ q_d²·power_d)/σ0).</summary>
    /// <param name="q">fp32 [rows, dim], rows <paramref name="rowStride"/> elements apart.</param>
    /// <param name="rowStride">Elements between rows of <paramref name="q"/>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="power">Mean over keys of k8² per channel, fp32 [dim].</param>
    /// <param name="sigma0">The standard deviation that a row's integer products may have at most.</param>
    /// <param name="q8">Receives [rows, dim], contiguous.</param>
    /// <param name="rowScales">Receives the scale of each row, [rows].</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static void Queries(
        ReadOnlySpan<float> q, int rowStride, int rows, ReadOnlySpan<float> power, float sigma0, Span<sbyte> q8, Span<float> rowScales)
    {
        int dim = power.Length;
        KernelArguments.CheckMatrix(q.Length, rowStride, rows, dim, nameof(q));
        KernelArguments.CheckLength(q8.Length, (long)rows * dim);
        KernelArguments.CheckLength(rowScales.Length, rows);
        fixed (float* pq = q, pp = power, ps = rowScales)
        fixed (sbyte* p8 = q8)
        {
            Kernels.Best.Kernel.Queries(pq, rowStride, rows, dim, pp, sigma0, p8, dim, ps);
        }
    }
}
