using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// Up to how many visible keys the rows of each head are computed densely because that is faster. A row is dense when
///     visible ≤ row + score·visible + kept·max(keep·visible, floor)      in units of <see cref="CrossoverCosts"/>
/// which depends on nothing but options, instruction set and the row's own number of keys: chunks of any size decide alike.
/// </summary>
internal sealed class CrossoverRule
{
    /// <summary>What is assumed where the share of the keys follows from the mass they hold.</summary>
    private const double KeepByMass = 0.2;

    private readonly int[] limits;

    private CrossoverRule(int[] limits)
    {
        this.limits = limits;
        Least = limits.Min();
        Most = limits.Max();
    }

    /// <summary>The smallest of the limits: a call whose rows see no more than this needs no pilot.</summary>
    public int Least { get; }

    /// <summary>The largest of the limits.</summary>
    public int Most { get; }

    /// <summary>A row of a head is dense when it sees at most so many keys; <see cref="int.MaxValue"/> where sparse attention never is faster.</summary>
    /// <param name="head">The query head.</param>
    public int Limit(int head) => limits[head];

    /// <summary>The rule of a set of options; null where they want none, or something that dense rows do not have.</summary>
    /// <param name="options">Valid options.</param>
    public static CrossoverRule? Of(AttentionOptions options) =>
        options.Crossover && options.UsesPilot && !options.HasMaskBeyondCausal && options.ExactTopK == ExactTopK.None
            ? new CrossoverRule(Limits(options, CrossoverCosts.At(CrossoverCosts.Of(InstructionSets.Active), options.HeadDim)))
            : null;

    internal static int[] Limits(AttentionOptions options, CrossoverCosts costs)
    {
        double row = costs.Row + options.Tail switch
        {
            TailCompensation.Mean => costs.MeanTail,
            TailCompensation.Linear => costs.LinearTail,
            _ => 0,
        };
        int floor = Math.Max(options.MinKeys, options.Sinks + options.LocalWindow);
        int[] limits = new int[options.Heads];
        for (int head = 0; head < limits.Length; head++)
        {
            double keep = !options.KeepPerHead.IsEmpty ? options.KeepPerHead.Span[head] : options.Keep.IsMass ? KeepByMass : options.Keep.Value;
            limits[head] = Limit(row, costs, keep, floor);
        }

        return limits;
    }

    /// <summary>
    /// Where dense and sparse cost the same. Once sparse attention is faster it stays so: above the floor the difference grows by
    /// 1 - score per key, and above floor/keep by 1 - score - kept·keep, which is the smaller one.
    /// </summary>
    private static int Limit(double row, CrossoverCosts costs, double keep, int floor)
    {
        double atFloor = (row + (costs.Kept * floor)) / (1 - costs.Score);
        if (atFloor * keep <= floor)
        {
            return Whole(Math.Max(atFloor, floor));
        }

        double gain = 1 - costs.Score - (costs.Kept * keep);
        return gain > 0 ? Whole(row / gain) : int.MaxValue;

        static int Whole(double keys) => keys < int.MaxValue ? (int)keys : int.MaxValue;
    }
}
