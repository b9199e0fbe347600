namespace ShadowAttn.Kernels;

/// <summary>The kernels of <see cref="TailMass"/> for one instruction set.</summary>
public readonly unsafe struct TailMassKernel
{
    /// <summary>
    /// (scores, mask, n, reference, step): Σ over keys i of [0, n) whose mask bit is clear of exp(step·(scores[i] - reference)), within
    /// 0.1 % of the sum. No dropped score is above <c>reference</c>; step ≥ 0. Reads exactly n scores.
    /// </summary>
    public readonly delegate*<sbyte*, ulong*, int, int, float, float> Sum;

    internal TailMassKernel(delegate*<sbyte*, ulong*, int, int, float, float> sum) => Sum = sum;
}

/// <summary>The softmax mass that the dropped keys carry by the pilot's scores.</summary>
public static unsafe class TailMass
{
    /// <summary>All variants.</summary>
    public static KernelTable<TailMassKernel> Kernels { get; } = new(
        "tail-mass",
        new KernelVariant<TailMassKernel>(InstructionSet.Scalar, TailMassScalar.Kernel),
        new KernelVariant<TailMassKernel>(InstructionSet.AdvSimd, TailMassAdvSimd.Kernel),
        new KernelVariant<TailMassKernel>(InstructionSet.Dp, TailMassDp.Kernel),
        new KernelVariant<TailMassKernel>(InstructionSet.Avx2, TailMassAvx2.Kernel),
        new KernelVariant<TailMassKernel>(InstructionSet.Avx512, TailMassAvx512.Kernel));

    /// <summary>Σ over the keys whose mask bit is clear of exp(step·(score - reference)).</summary>
    /// <param name="scores">The scores of one row.</param>
    /// <param name="mask">The kept keys, a bit per score.</param>
    /// <param name="reference">The highest score that a dropped key has, or more.</param>
    /// <param name="step">What one score step means in the exponent, not negative.</param>
    /// <exception cref="ArgumentException">A mask that is too short, or a negative step.</exception>
    public static float Sum(ReadOnlySpan<sbyte> scores, ReadOnlySpan<ulong> mask, int reference, float step)
    {
        KernelArguments.CheckLength(mask.Length, (scores.Length + 63) / 64);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        fixed (sbyte* ps = scores)
        fixed (ulong* pm = mask)
        {
            return Kernels.Best.Kernel.Sum(ps, pm, scores.Length, reference, step);
        }
    }
}
