namespace ShadowAttn.Kernels;

/// <summary>The sums over one row's scores that the first-order tail needs; e_i = reference - score_i.</summary>
public struct TailMomentSums
{
    /// <summary>Σ over the dropped keys of exp(-step·e): what <see cref="TailMass"/> computes.</summary>
    public float Mass;

    /// <summary>Σ over the dropped keys of e·exp(-step·e).</summary>
    public float Distance;

    /// <summary>Σ over all keys of the score.</summary>
    public long Scores;

    /// <summary>Σ over all keys of the squared score.</summary>
    public long Squares;
}

/// <summary>The kernels of <see cref="TailMoments"/> for one instruction set.</summary>
public readonly unsafe struct TailMomentsKernel
{
    /// <summary>
    /// (scores, mask, n, reference, step, sums): the sums over keys [0, n); a key is dropped when its mask bit is clear. Mass and distance within
    /// 0.1 % of the sum, the others exact. No dropped score is above <c>reference</c>; step ≥ 0. Reads exactly n scores.
    /// </summary>
    public readonly delegate*<sbyte*, ulong*, int, int, float, TailMomentSums*, void> Sum;

    internal TailMomentsKernel(delegate*<sbyte*, ulong*, int, int, float, TailMomentSums*, void> sum) => Sum = sum;
}

/// <summary>Mass and first moment of the dropped keys by the pilot's scores, with mean and variance of all scores of a row.</summary>
public static unsafe class TailMoments
{
    /// <summary>All variants.</summary>
    public static KernelTable<TailMomentsKernel> Kernels { get; } = new(
        "tail-moments",
        new KernelVariant<TailMomentsKernel>(InstructionSet.Scalar, TailMomentsScalar.Kernel),
        new KernelVariant<TailMomentsKernel>(InstructionSet.AdvSimd, TailMomentsAdvSimd.Kernel),
        new KernelVariant<TailMomentsKernel>(InstructionSet.Avx2, TailMomentsAvx2.Kernel),
        new KernelVariant<TailMomentsKernel>(InstructionSet.Avx512, TailMomentsAvx512.Kernel));

    /// <summary>The sums over one row.</summary>
    /// <param name="scores">The scores of one row.</param>
    /// <param name="mask">The kept keys, a bit per score.</param>
    /// <param name="reference">The highest score that a dropped key has, or more.</param>
    /// <param name="step">What one score step means in the exponent, not negative.</param>
    /// <exception cref="ArgumentException">A mask that is too short, or a negative step.</exception>
    public static TailMomentSums Sum(ReadOnlySpan<sbyte> scores, ReadOnlySpan<ulong> mask, int reference, float step)
    {
        KernelArguments.CheckLength(mask.Length, (scores.Length + 63) / 64);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        TailMomentSums sums;
        fixed (sbyte* ps = scores)
        fixed (ulong* pm = mask)
        {
            Kernels.Best.Kernel.Sum(ps, pm, scores.Length, reference, step, &sums);
        }

        return sums;
    }
}
