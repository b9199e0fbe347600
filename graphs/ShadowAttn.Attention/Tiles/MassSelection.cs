using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// The fewest keys of a row whose estimated weights reach a share of their sum. The weights are those of 256 score levels, so the row is counted once and
/// the rest is over levels. Saturated keys say too little about themselves: they are scored exactly and merged into the levels below.
/// </summary>
internal sealed unsafe class MassSelection(double share, int minKeys, int dim, float scale)
{
    /// <summary>Score levels.</summary>
    public const int Levels = 256;

    /// <summary>Counts that neighbouring keys go to in turn: adding to one that was just written waits for the write.</summary>
    public const int Counts = 4;

    /// <summary>Levels whose sums are known, so that they can be taken at once.</summary>
    public const int Block = 16;

    private const int Saturated = 127;
    private const int Lowest = -128;

    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly ExpKernel exp = Exp.Kernels.Best.Kernel;

    /// <summary>Marks the keys that a row keeps.</summary>
    /// <param name="row">The row.</param>
    /// <param name="scratch">Of the worker.</param>
    /// <param name="mask">Receives a bit per key.</param>
    /// <param name="reference">The highest score that a dropped key has, or more.</param>
    /// <returns>Number of kept keys.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Select(in RowPilot row, WorkerScratch scratch, ulong* mask, out int reference)
    {
        int* counts = scratch.LevelCounts;
        float* weights = scratch.LevelWeights;
        Count(row, counts);
        int saturated = counts[Saturated - Lowest];
        ScoreSaturated(row, saturated, scratch);
        int highest = saturated == row.Seen ? Lowest - 1 : new ReadOnlySpan<int>(counts, Saturated - Lowest).LastIndexOfAnyExcept(0) + Lowest;
        float top = saturated > 0 ? Logit(scratch.Sort[saturated - 1]) : ExactTop(row, highest, counts[highest - Lowest], scratch);
        Weigh(row, top, weights);
        counts[Saturated - Lowest] = 0;
        float* blockMasses = stackalloc float[Levels / Block];
        int* blockCounts = stackalloc int[Levels / Block];
        double total = SumBlocks(counts, weights, blockMasses, blockCounts);
        for (int i = 0; i < saturated; i++)
        {
            total += Math.Exp(Logit(scratch.Sort[i]) - top);
        }

        int floor = Math.Min(row.Seen, minKeys);
        double target = share * total;
        double mass = 0;
        int kept = 0;
        int keptSaturated = 0;
        int keptLevels = 0;
        int level = Saturated;
        while (kept < floor || mass < target)
        {
            int index = level - Lowest;
            if (index >= 0 && (index & (Block - 1)) == Block - 1 && keptSaturated == saturated)
            {
                int block = index / Block;
                if (kept + blockCounts[block] <= floor || mass + blockMasses[block] < target)
                {
                    mass += blockMasses[block];
                    keptLevels += blockCounts[block];
                    kept += blockCounts[block];
                    level -= Block;
                    continue;
                }
            }

            float next = level >= Lowest ? (level * row.Step) + row.Origin : float.NegativeInfinity;
            if (keptSaturated < saturated && Logit(scratch.Sort[saturated - 1 - keptSaturated]) >= next)
            {
                mass += Math.Exp(Logit(scratch.Sort[saturated - 1 - keptSaturated]) - top);
                keptSaturated++;
                kept++;
                continue;
            }

            if (level < Lowest)
            {
                break;
            }

            double weight = weights[index];
            int available = counts[index];
            double whole = available * weight;
            if (kept + available <= floor || mass + whole < target)
            {
                mass += whole;
                keptLevels += available;
                kept += available;
                level--;
                continue;
            }

            int forFloor = Math.Max(floor - kept, 0);
            double forMass = weight > 0 ? Math.Ceiling((target - mass) / weight) : mass < target ? available : 0;
            int take = (int)Math.Min(available, Math.Max(forFloor, Math.Max(forMass, 0)));
            mass += take * weight;
            keptLevels += take;
            kept += take;
            level--;
        }

        if (kept == row.Seen)
        {
            RowSelector.KeepAll(mask, row);
            reference = Saturated;
            return kept;
        }

        // The last level that was taken from is the threshold.
        TopKResult result;
        select.Select(row.Scores, row.Visible, saturated + keptLevels, Math.Clamp(level + 1, Lowest, Saturated), mask, &result);
        for (int i = 0; i < saturated - keptSaturated; i++)
        {
            uint key = (uint)scratch.Sort[i];
            mask[key / 64] &= ~(1UL << (int)(key % 64));
        }

        reference = keptSaturated < saturated ? Saturated : result.Threshold;
        return kept;
    }

    /// <summary>Keys per level.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Count(in RowPilot row, int* counts)
    {
        const ulong Flip = 0x8080808080808080;
        new Span<int>(counts, Counts * Levels).Clear();
        int* counts1 = counts + Levels;
        int* counts2 = counts1 + Levels;
        int* counts3 = counts2 + Levels;
        sbyte* scores = row.Scores;
        int i = row.Hidden;
        for (; i <= row.Visible - 8; i += 8)
        {
            ulong levels = Unsafe.ReadUnaligned<ulong>(scores + i) ^ Flip;
            counts[(byte)levels]++;
            counts1[(byte)(levels >> 8)]++;
            counts2[(byte)(levels >> 16)]++;
            counts3[(byte)(levels >> 24)]++;
            counts[(byte)(levels >> 32)]++;
            counts1[(byte)(levels >> 40)]++;
            counts2[(byte)(levels >> 48)]++;
            counts3[(byte)(levels >> 56)]++;
        }

        for (; i < row.Visible; i++)
        {
            counts[scores[i] - Lowest]++;
        }

        for (int level = 0; level < Levels; level += Vector<int>.Count)
        {
            (Vector.Load(counts + level) + Vector.Load(counts1 + level) + Vector.Load(counts2 + level) + Vector.Load(counts3 + level)).Store(counts + level);
        }
    }

    /// <summary>exp(estimate - top) of every level; an estimate above the largest exact logit counts as that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Weigh(in RowPilot row, float top, float* weights)
    {
        float first = (Lowest * row.Step) + row.Origin - top;
        for (int level = 0; level < Levels; level += Vector<float>.Count)
        {
            Vector<float> index = Vector.CreateSequence((float)level, 1f);
            Vector.Min(Vector.FusedMultiplyAdd(index, new Vector<float>(row.Step), new Vector<float>(first)), Vector<float>.Zero).Store(weights + level);
        }

        exp.Run(weights, weights, Levels);
    }

    /// <summary>The mass and the keys of each block of levels; returns all mass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumBlocks(int* counts, float* weights, float* blockMasses, int* blockCounts)
    {
        double total = 0;
        for (int block = 0; block < Levels / Block; block++, counts += Block, weights += Block)
        {
            Vector<float> mass = Vector<float>.Zero;
            Vector<int> keys = Vector<int>.Zero;
            for (int level = 0; level < Block; level += Vector<int>.Count)
            {
                Vector<int> count = Vector.Load(counts + level);
                keys += count;
                mass = Vector.FusedMultiplyAdd(Vector.ConvertToSingle(count), Vector.Load(weights + level), mass);
            }

            blockMasses[block] = Vector.Sum(mass);
            blockCounts[block] = Vector.Sum(keys);
            total += blockMasses[block];
        }

        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ScoreSaturated(in RowPilot row, int saturated, WorkerScratch scratch)
    {
        for (int i = 0, key = row.Hidden; i < saturated; i++, key++)
        {
            key = Next(row, Saturated, key);
            scratch.Sort[i] = RowSelector.SortKey(ExactLogit(row, key, scratch), key);
        }

        new Span<ulong>(scratch.Sort, saturated).Sort();
    }

    /// <summary>The largest exact logit of the keys at one level: with the highest level, nearly always the row's largest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float ExactTop(in RowPilot row, int level, int count, WorkerScratch scratch)
    {
        float top = float.NegativeInfinity;
        for (int i = 0, key = row.Hidden; i < count; i++, key++)
        {
            key = Next(row, level, key);
            top = Math.Max(top, ExactLogit(row, key, scratch));
        }

        return top;
    }

    /// <summary>The next key at a level; there is one.</summary>
    private static int Next(in RowPilot row, int level, int from) =>
        from + new ReadOnlySpan<sbyte>(row.Scores + from, row.Visible - from).IndexOf((sbyte)level);

    private float ExactLogit(in RowPilot row, int key, WorkerScratch scratch) =>
        (VectorDot.Float(row.Query, scratch.Widen(row.Keys.From(key), 1, dim).Floats, dim) * scale) + row.Bias(key);

    private static float Logit(ulong sorted)
    {
        int bits = (int)(sorted >> 32);
        return BitConverter.Int32BitsToSingle(bits ^ (~(bits >> 31) | int.MinValue));
    }
}
