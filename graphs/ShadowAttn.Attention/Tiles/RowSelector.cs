using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// Which keys a row keeps: by a share of its visible keys, or by a share of its mass. Rows whose pilot saturated more keys than they keep are
/// ordered again by the unsaturated products; of equal scores the larger index comes first, as HTP's TopK has it.
/// </summary>
internal sealed unsafe class RowSelector(HeadKeep keep, TailCompensation tail, int dim, float scale, ExactTopK exact = ExactTopK.None)
    : IRowSelector
{
    private const int Saturated = 127;

    private readonly TopKCertificate? certificate = exact == ExactTopK.None ? null : new TopKCertificate(exact, dim, scale);
    private readonly MassSelection? byMass = keep.IsMass ? new MassSelection(keep.Mass, keep.MinKeys, dim, scale) : null;
    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly TailMassKernel tailMass = TailMass.Kernels.Best.Kernel;
    private readonly TailMomentsKernel tailMoments = TailMoments.Kernels.Best.Kernel;

    /// <inheritdoc/>
    public bool NeedsOrigin => tail != TailCompensation.None || byMass is not null;

    /// <inheritdoc/>
    public RowChoice Select(
        in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, WorkerScratch scratch, ulong* mask, ref int guess, ref int rescored)
    {
        RowChoice choice = default;
        int reference;
        if (row.KeepAll)
        {
            choice.Kept = row.Seen;
            KeepAll(mask, row);
            return choice;
        }

        if (byMass is not null)
        {
            choice.Kept = byMass.Select(row, scratch, mask, out reference);
        }
        else
        {
            choice.Kept = keep.Count(row.Head, row.Seen);
            if (choice.Kept == row.Seen)
            {
                KeepAll(mask, row);
                return choice;
            }

            TopKResult result;
            select.Select(row.Scores, row.Visible, choice.Kept, guess, mask, &result);
            guess = result.Threshold;
            reference = result.Threshold;
            if (certificate is not null)
            {
                long start = StageClock.Now;
                reference = certificate.Certify(row, outliers, choice.Kept, result.Threshold, scratch, mask);
                scratch.CertificateTicks += StageClock.Now - start;
            }
            else if (row.Estimates is not null)
            {
                Refine(row, result, choice.Kept, scratch, mask);
            }
            else if (result.Threshold == Saturated && result.Ties > choice.Kept)
            {
                Rescore(row, outliers, choice.Kept, scratch, mask);
                rescored++;
            }
        }

        Complete(row, mask, reference, ref choice);
        return choice;
    }

    /// <summary>Adds what is always kept, and the tail of the rest.</summary>
    /// <param name="row">The row.</param>
    /// <param name="mask">What it has chosen.</param>
    /// <param name="reference">The highest score that a dropped key has, or more.</param>
    /// <param name="choice">Has the number of chosen keys; receives the rest.</param>
    public void Complete(in RowPilot row, ulong* mask, int reference, ref RowChoice choice)
    {
        choice.Kept += KeepAlways(row, mask);
        if (tail != TailCompensation.None && choice.Kept < row.Seen)
        {
            HideBeforeWindow(row, mask, hide: true);
            choice.TailLogit = (reference * row.Step) + row.Origin;
            if (tail == TailCompensation.Mean)
            {
                choice.TailSum = tailMass.Sum(row.Scores, mask, row.Visible, reference, row.Step);
            }
            else
            {
                FirstOrder(row, mask, reference, ref choice);
            }

            HideBeforeWindow(row, mask, hide: false);
        }
    }

    /// <summary>A float above its key as a number that sorts like the float, then by the key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong SortKey(float value, int key) => ((ulong)Sortable(value) << 32) | (uint)key;

    /// <summary>Orders the keys at the threshold's level by their float estimates.</summary>
    private static void Refine(in RowPilot row, in TopKResult result, int kept, WorkerScratch scratch, ulong* mask)
    {
        int wanted = kept - result.Above;
        if (wanted == result.Ties)
        {
            return;
        }

        int count = 0;
        ReadOnlySpan<sbyte> levels = new(row.Scores, row.Visible);
        for (int next, from = row.Hidden; (next = levels[from..].IndexOf((sbyte)result.Threshold)) >= 0; from += next + 1)
        {
            int key = from + next;
            scratch.Sort[count++] = SortKey(row.Estimates[key], key);
            mask[key / 64] &= ~(1UL << (key % 64));
            if (key + 1 >= row.Visible)
            {
                break;
            }
        }

        new Span<ulong>(scratch.Sort, count).Sort();
        for (int i = count - wanted; i < count; i++)
        {
            uint key = (uint)scratch.Sort[i];
            mask[key / 64] |= 1UL << (int)(key % 64);
        }
    }

    /// <summary>
    /// T, and (s̃_tail - s̄)/Var(s̃) in units of score steps: with e = reference - score the weighted mean of e over the dropped keys is
    /// distance / mass, and the origin of the logits cancels.
    /// </summary>
    private void FirstOrder(in RowPilot row, ulong* mask, int reference, ref RowChoice choice)
    {
        TailMomentSums sums;
        tailMoments.Sum(row.Scores, mask, row.Visible, reference, row.Step, &sums);
        choice.TailSum = sums.Mass;
        double mean = (double)(sums.Scores + (128L * row.Hidden)) / row.Seen;
        double variance = ((double)(sums.Squares - (128L * 128 * row.Hidden)) / row.Seen) - (mean * mean);
        if (variance > 0 && sums.Mass > 0)
        {
            double tailMean = reference - ((double)sums.Distance / sums.Mass);
            choice.TailSlope = (float)(scale * (tailMean - mean) / (variance * row.Step));
        }
    }

    /// <summary>Marks sinks and the local window; returns how many of them the row had not chosen.</summary>
    private static int KeepAlways(in RowPilot row, ulong* mask)
    {
        int added = 0;
        for (int key = row.Hidden; key < Math.Min(row.Sinks - row.Start, row.Visible); key++)
        {
            added += Mark(mask, key);
        }

        for (int key = Math.Max(row.Hidden, row.Visible - row.LocalWindow); key < row.Visible; key++)
        {
            added += Mark(mask, key);
        }

        return added;
    }

    private static int Mark(ulong* mask, int key)
    {
        ulong bit = 1UL << (key % 64);
        int added = (mask[key / 64] & bit) == 0 ? 1 : 0;
        mask[key / 64] |= bit;
        return added;
    }

    /// <summary>Marks the keys before the window as kept while the dropped ones are summed up, or unmarks them.</summary>
    private static void HideBeforeWindow(in RowPilot row, ulong* mask, bool hide)
    {
        ulong before = (1UL << row.Hidden) - 1;
        *mask = hide ? *mask | before : *mask & ~before;
    }

    /// <summary>Marks all keys that the row sees.</summary>
    public static void KeepAll(ulong* mask, in RowPilot row)
    {
        int visible = row.Visible;
        int words = visible / 64;
        new Span<ulong>(mask, words).Fill(ulong.MaxValue);
        if (visible % 64 != 0)
        {
            mask[words] = ulong.MaxValue >> (64 - (visible % 64));
        }

        HideBeforeWindow(row, mask, hide: false);
    }

    /// <summary>The unsaturated product of a key, in the steps of the others; keys are asked for in ascending order.</summary>
    internal static int Product(in RowPilot row, int key, int dim, ref ReadOnlySpan<KeyOutlier> outliers)
    {
        while (!outliers.IsEmpty && outliers[0].Key < row.Start + key)
        {
            outliers = outliers[1..];
        }

        int shift = !outliers.IsEmpty && outliers[0].Key == row.Start + key ? outliers[0].Shift : 0;
        long exact = (long)VectorDot.Int8(row.Q8, row.K8 + ((nint)key * dim), dim) << shift;
        exact += (long)(row.Bias(key) * row.ProductsPerLogit);
        return (int)Math.Clamp(exact, int.MinValue, int.MaxValue);
    }

    /// <summary>Orders the saturated keys by their products. No other key can be among the kept: its product is smaller.</summary>
    private void Rescore(in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, int kept, WorkerScratch scratch, ulong* mask)
    {
        int count = 0;
        for (int i = 0; i < row.Visible; i++)
        {
            if (row.Scores[i] == Saturated)
            {
                int product = Product(row, i, dim, ref outliers);
                scratch.Sort[count++] = ((ulong)(uint)(product ^ int.MinValue) << 32) | (uint)i;
            }
        }

        new Span<ulong>(scratch.Sort, count).Sort();
        new Span<ulong>(mask, (row.Visible + 63) / 64).Clear();
        for (int i = count - kept; i < count; i++)
        {
            uint key = (uint)scratch.Sort[i];
            mask[key / 64] |= 1UL << (int)(key % 64);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Sortable(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }
}
