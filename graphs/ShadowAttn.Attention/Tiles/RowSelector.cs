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
    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly TailMassKernel tailMass = TailMass.Kernels.Best.Kernel;
    private readonly TailMomentsKernel tailMoments = TailMoments.Kernels.Best.Kernel;

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

        if (keep.IsMass)
        {
            choice.Kept = ByMass(row, scratch, mask, out reference);
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

    private static void KeepAll(ulong* mask, in RowPilot row)
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

    /// <summary>
    /// The fewest keys whose estimated weights reach the wanted share of their sum. Saturated keys say too little about themselves: they are
    /// scored exactly and merged into the levels below.
    /// </summary>
    private int ByMass(in RowPilot row, WorkerScratch scratch, ulong* mask, out int reference)
    {
        int* levels = scratch.Levels;
        CountLevels(row, levels);
        int saturated = levels[Saturated + 128];
        ScoreSaturated(row, saturated, scratch);

        int highest = Saturated - 1;
        while (highest >= -128 && levels[highest + 128] == 0)
        {
            highest--;
        }

        float top = saturated > 0 ? Logit(scratch.Sort[saturated - 1]) : ExactTop(row, highest, scratch);
        double total = 0;
        for (int level = -128; level < Saturated; level++)
        {
            total += levels[level + 128] * Weight(row, level, top);
        }

        for (int i = 0; i < saturated; i++)
        {
            total += Math.Exp(Logit(scratch.Sort[i]) - top);
        }

        int floor = Math.Min(row.Seen, keep.MinKeys);
        double target = keep.Mass * total;
        double mass = 0;
        int kept = 0;
        int keptSaturated = 0;
        int keptLevels = 0;
        for (int level = highest; kept < floor || mass < target;)
        {
            float next = level >= -128 ? (level * row.Step) + row.Origin : float.NegativeInfinity;
            if (keptSaturated < saturated && Logit(scratch.Sort[saturated - 1 - keptSaturated]) >= next)
            {
                mass += Math.Exp(Logit(scratch.Sort[saturated - 1 - keptSaturated]) - top);
                keptSaturated++;
                kept++;
                continue;
            }

            if (level < -128)
            {
                break;
            }

            double weight = Weight(row, level, top);
            int available = levels[level + 128];
            int forFloor = Math.Max(floor - kept, 0);
            double forMass = weight > 0 ? Math.Ceiling((target - mass) / weight) : available;
            int take = (int)Math.Min(available, Math.Max(forFloor, Math.Max(forMass, 0)));
            mass += take * weight;
            keptLevels += take;
            kept += take;
            level--;
        }

        if (kept == row.Seen)
        {
            KeepAll(mask, row);
            reference = Saturated;
            return kept;
        }

        TopKResult result;
        select.Select(row.Scores, row.Visible, saturated + keptLevels, 0, mask, &result);
        for (int i = 0; i < saturated - keptSaturated; i++)
        {
            uint key = (uint)scratch.Sort[i];
            mask[key / 64] &= ~(1UL << (int)(key % 64));
        }

        reference = keptSaturated < saturated ? Saturated : result.Threshold;
        return kept;
    }

    private void ScoreSaturated(in RowPilot row, int saturated, WorkerScratch scratch)
    {
        if (saturated == 0)
        {
            return;
        }

        ulong* sort = scratch.Sort;
        int count = 0;
        for (int i = 0; i < row.Visible; i++)
        {
            if (row.Scores[i] == Saturated)
            {
                float logit = Logit(row, i, scratch);
                sort[count++] = SortKey(logit, i);
            }
        }

        new Span<ulong>(sort, saturated).Sort();
    }

    private float Logit(in RowPilot row, int key, WorkerScratch scratch) =>
        (VectorDot.Float(row.Query, scratch.Widen(row.Keys.From(key), 1, dim).Floats, dim) * scale) + row.Bias(key);

    /// <summary>The largest exact logit of the keys at one level: with the highest level, nearly always the row's largest.</summary>
    private float ExactTop(in RowPilot row, int level, WorkerScratch scratch)
    {
        float top = float.NegativeInfinity;
        for (int i = row.Hidden; i < row.Visible; i++)
        {
            if (row.Scores[i] == level)
            {
                top = Math.Max(top, Logit(row, i, scratch));
            }
        }

        return top;
    }

    private static void CountLevels(in RowPilot row, int* levels)
    {
        new Span<int>(levels, 256).Clear();
        for (int i = row.Hidden; i < row.Visible; i++)
        {
            levels[row.Scores[i] + 128]++;
        }
    }

    /// <summary>The weight of a level's keys; an estimate above the largest exact logit counts as that.</summary>
    private static double Weight(in RowPilot row, int level, float top) => Math.Exp(Math.Min((level * row.Step) + row.Origin - top, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Sortable(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }

    private static float Logit(ulong sorted)
    {
        int bits = (int)(sorted >> 32);
        return BitConverter.Int32BitsToSingle(bits ^ (~(bits >> 31) | int.MinValue));
    }
}
