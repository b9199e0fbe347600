namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="ChannelStats"/> for one instruction set.</summary>
public readonly unsafe struct ChannelStatsKernel
{
    /// <summary>(x, rowStride, rows, dim, sums): adds the sum over the rows of each channel to <c>sums</c> [dim].</summary>
    public readonly delegate*<float*, nint, int, int, double*, void> AddSums;

    /// <summary>(x, rowStride, rows, dim, mean): max |x - mean| over all elements; <c>mean</c> [dim] may be null.</summary>
    public readonly delegate*<float*, nint, int, int, float*, float> AbsMax;

    internal ChannelStatsKernel(delegate*<float*, nint, int, int, double*, void> addSums, delegate*<float*, nint, int, int, float*, float> absMax)
    {
        AddSums = addSums;
        AbsMax = absMax;
    }
}

/// <summary>Per-channel sums and the largest magnitude of a matrix [rows, dim] of fp32, rows <c>rowStride</c> elements apart.</summary>
public static unsafe class ChannelStats
{
    /// <summary>All variants.</summary>
    public static KernelTable<ChannelStatsKernel> Kernels { get; } = new(
        "channel-stats",
        new KernelVariant<ChannelStatsKernel>(InstructionSet.Scalar, ChannelStatsScalar.Kernel),
        new KernelVariant<ChannelStatsKernel>(InstructionSet.AdvSimd, ChannelStatsAdvSimd.Kernel),
        new KernelVariant<ChannelStatsKernel>(InstructionSet.Avx2, ChannelStatsAvx2.Kernel),
        new KernelVariant<ChannelStatsKernel>(InstructionSet.Avx512, ChannelStatsAvx512.Kernel));

    /// <summary>The mean over the rows of each channel.</summary>
    /// <param name="x">The matrix, fp32 [rows, dim] with <paramref name="rowStride"/> elements between the starts of rows.</param>
    /// <param name="rowStride">Elements between rows, at least the length of <paramref name="mean"/>.</param>
    /// <param name="rows">Number of rows, at least 1.</param>
    /// <param name="mean">Receives the means, fp32 [dim].</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static void Mean(ReadOnlySpan<float> x, int rowStride, int rows, Span<float> mean)
    {
        KernelArguments.CheckMatrix(x.Length, rowStride, rows, mean.Length, nameof(x));
        double[] sums = new double[mean.Length];
        fixed (float* px = x)
        fixed (double* ps = sums)
        {
            Kernels.Best.Kernel.AddSums(px, rowStride, rows, mean.Length, ps);
        }

        for (int d = 0; d < mean.Length; d++)
        {
            mean[d] = (float)(sums[d] / rows);
        }
    }

    /// <summary>max |x - mean| over all elements.</summary>
    /// <param name="x">The matrix, fp32 [rows, dim] with <paramref name="rowStride"/> elements between the starts of rows.</param>
    /// <param name="rowStride">Elements between rows, at least <paramref name="dim"/>.</param>
    /// <param name="rows">Number of rows, at least 1.</param>
    /// <param name="dim">Channels per row.</param>
    /// <param name="mean">What to subtract from each channel, fp32 [dim], or empty for nothing.</param>
    /// <exception cref="ArgumentException">The spans do not hold the shapes.</exception>
    public static float AbsMax(ReadOnlySpan<float> x, int rowStride, int rows, int dim, ReadOnlySpan<float> mean = default)
    {
        KernelArguments.CheckMatrix(x.Length, rowStride, rows, dim, nameof(x));
        if (mean.Length != 0 && mean.Length != dim)
        {
            throw new ArgumentException($"mean has {mean.Length} channels, not {dim}", nameof(mean));
        }

        fixed (float* px = x)
        fixed (float* pm = mean)
        {
            return Kernels.Best.Kernel.AbsMax(px, rowStride, rows, dim, pm);
        }
    }
}
