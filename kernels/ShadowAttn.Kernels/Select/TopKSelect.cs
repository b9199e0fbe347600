namespace ShadowAttn.Kernels;

/// <summary>What the selection of one row found.</summary>
public struct TopKResult
{
    /// <summary>The score of the last kept key: every higher score is kept, none below.</summary>
    public int Threshold;

    /// <summary>Number of keys with a score above <see cref="Threshold"/>; all of them are kept.</summary>
    public int Above;

    /// <summary>Number of keys whose score equals <see cref="Threshold"/>; the last (keep - Above) of them are kept.</summary>
    public int Ties;
}

/// <summary>The keys of two masks in three lists, ascending; each list is followed by up to <see cref="TopKSelect.ListSlack"/> scratch entries.</summary>
public struct SplitCounts
{
    /// <summary>Number of keys in both masks.</summary>
    public int Both;

    /// <summary>Number of keys in the first mask only.</summary>
    public int First;

    /// <summary>Number of keys in the second mask only.</summary>
    public int Second;
}

/// <summary>The kernels of <see cref="TopKSelect"/> for one instruction set.</summary>
public readonly unsafe struct TopKSelectKernel
{
    /// <summary>
    /// (scores, n, keep, guess, mask, result): bit i of <c>mask</c> [⌈n/64⌉] is set when key i is one of the <c>keep</c> highest scores of
    /// [0, n); of equal scores the larger index is kept first. Bits from n on are clear. <c>guess</c> is where the search for the threshold starts
    /// (the previous row's threshold); it changes the time only. 1 ≤ keep ≤ n. Reads exactly n scores.
    /// </summary>
    public readonly delegate*<sbyte*, int, int, int, ulong*, TopKResult*, void> Select;

    /// <summary>(mask0, mask1, words, both, first, second, counts): the indices of both masks in three ascending lists.</summary>
    public readonly delegate*<ulong*, ulong*, int, int*, int*, int*, SplitCounts*, void> Split;

    internal TopKSelectKernel(
        delegate*<sbyte*, int, int, int, ulong*, TopKResult*, void> select,
        delegate*<ulong*, ulong*, int, int*, int*, int*, SplitCounts*, void> split)
    {
        Select = select;
        Split = split;
    }
}

/// <summary>The exact top k of 8-bit scores as a bit mask, and bit masks of two neighbouring rows as index lists.</summary>
public static unsafe class TopKSelect
{
    /// <summary>Entries behind each index list that <c>Split</c> may overwrite.</summary>
    public const int ListSlack = 24;

    /// <summary>All variants.</summary>
    public static KernelTable<TopKSelectKernel> Kernels { get; } = new(
        "select",
        new KernelVariant<TopKSelectKernel>(InstructionSet.Scalar, TopKSelectScalar.Kernel),
        new KernelVariant<TopKSelectKernel>(InstructionSet.AdvSimd, TopKSelectAdvSimd.Kernel),
        new KernelVariant<TopKSelectKernel>(InstructionSet.Avx2, TopKSelectAvx2.Kernel),
        new KernelVariant<TopKSelectKernel>(InstructionSet.Avx512, TopKSelectAvx512.Kernel));

    /// <summary>Marks the <paramref name="keep"/> highest scores; of equal scores the larger index is kept first, as HTP's TopK has it.</summary>
    /// <param name="scores">The scores of one row.</param>
    /// <param name="keep">How many to keep, 1 to the number of scores.</param>
    /// <param name="mask">Receives a bit per score; at least ⌈n/64⌉ words.</param>
    /// <param name="guess">Where the search for the threshold starts; changes the time only.</param>
    /// <returns>Threshold and counts.</returns>
    /// <exception cref="ArgumentException">Empty scores, keep out of range or a mask that is too short.</exception>
    public static TopKResult Select(ReadOnlySpan<sbyte> scores, int keep, Span<ulong> mask, int guess = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keep, scores.Length);
        KernelArguments.CheckLength(mask.Length, (scores.Length + 63) / 64);
        TopKResult result;
        fixed (sbyte* ps = scores)
        fixed (ulong* pm = mask)
        {
            Kernels.Best.Kernel.Select(ps, scores.Length, keep, Math.Clamp(guess, -128, 127), pm, &result);
        }

        return result;
    }

    /// <summary>The indices of two masks as three ascending lists: in both, only in the first, only in the second.</summary>
    /// <param name="mask0">The first mask.</param>
    /// <param name="mask1">The second mask, as long as the first.</param>
    /// <param name="both">Receives the indices set in both; room for the count plus <see cref="ListSlack"/>.</param>
    /// <param name="first">Receives the indices set in the first only; room as above.</param>
    /// <param name="second">Receives the indices set in the second only; room as above.</param>
    /// <returns>The lengths of the lists.</returns>
    /// <exception cref="ArgumentException">Masks of different lengths or lists that are too short.</exception>
    public static SplitCounts Split(ReadOnlySpan<ulong> mask0, ReadOnlySpan<ulong> mask1, Span<int> both, Span<int> first, Span<int> second)
    {
        if (mask0.Length != mask1.Length)
        {
            throw new ArgumentException($"masks of {mask0.Length} and {mask1.Length} words", nameof(mask1));
        }

        SplitCounts needed = default;
        for (int i = 0; i < mask0.Length; i++)
        {
            needed.Both += System.Numerics.BitOperations.PopCount(mask0[i] & mask1[i]);
            needed.First += System.Numerics.BitOperations.PopCount(mask0[i] & ~mask1[i]);
            needed.Second += System.Numerics.BitOperations.PopCount(~mask0[i] & mask1[i]);
        }

        KernelArguments.CheckLength(both.Length, needed.Both + ListSlack);
        KernelArguments.CheckLength(first.Length, needed.First + ListSlack);
        KernelArguments.CheckLength(second.Length, needed.Second + ListSlack);
        SplitCounts counts;
        fixed (ulong* p0 = mask0, p1 = mask1)
        fixed (int* pb = both, pf = first, ps = second)
        {
            Kernels.Best.Kernel.Split(p0, p1, mask0.Length, pb, pf, ps, &counts);
        }

        return counts;
    }
}
