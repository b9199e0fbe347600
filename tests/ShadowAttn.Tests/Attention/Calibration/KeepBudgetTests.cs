using CsCheck;
using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention.Calibration;

public sealed class KeepBudgetTests
{
    /// <summary>A few heads with concave curves of a few points each, in whole units of keys, so that a budget can be spent to the last key.</summary>
    private static readonly Gen<BudgetPoint[][]> s_concave = Gen.Int[1, 100].Array[4].Select(gains =>
    {
        Array.Sort(gains, (a, b) => b.CompareTo(a));
        var points = new BudgetPoint[gains.Length + 1];
        for (int i = 0; i < gains.Length; i++)
        {
            points[i + 1] = new BudgetPoint((i + 1) / 4.0, points[i].Mass + (gains[i] / 400.0));
        }

        return points;
    }).Array[1, 4];

    [Fact]
    public void OnConcaveCurvesNoDistributionCapturesMore() =>
        Gen.Select(s_concave, Gen.Int[0, 4]).Sample((heads, quarters) =>
        {
            double budget = quarters / 4.0;
            int[] chosen = KeepBudget.Distribute(heads, budget);
            Assert.True(Kept(heads, chosen) <= (budget * heads.Length) + 1e-9);
            Assert.Equal(Best(heads, budget * heads.Length), Mass(heads, chosen), 9);
        }, iter: Emulation.IsEmulated ? 50 : 1000);

    [Fact]
    public void AnyCurvesStayWithinTheBudgetAndAtOrAboveTheFirstPoints() =>
        Gen.Select(Gen.Double[0, 1].Array[1, 6].Array[1, 5], Gen.Double[0, 1]).Sample((masses, budget) =>
        {
            BudgetPoint[][] heads = [.. masses.Select(m => m.Order().Select((mass, i) => new BudgetPoint((i + 1.0) / m.Length, mass)).ToArray())];
            int[] chosen = KeepBudget.Distribute(heads, budget);
            double least = heads.Sum(h => h[0].Kept);
            Assert.True(Kept(heads, chosen) <= Math.Max(least, budget * heads.Length) + 1e-9);
            Assert.All(chosen.Zip(heads), c => Assert.InRange(c.First, 0, c.Second.Length - 1));
        }, iter: Emulation.IsEmulated ? 50 : 1000);

    [Fact]
    public void ATargetTakesNoMoreThanItNeeds() =>
        Gen.Select(s_concave, Gen.Double[0, 1]).Sample((heads, target) =>
        {
            double most = heads.Average(h => h[^1].Mass);
            target *= most;
            int[] chosen = KeepBudget.Distribute(heads, 1, target);
            double mass = Mass(heads, chosen) / heads.Length;
            Assert.True(mass >= target - 1e-9);
            if (chosen.Any(c => c > 0))
            {
                double budget = Kept(heads, chosen) - 0.25;
                Assert.True(Best(heads, budget) < (target * heads.Length) + 1e-9, "with a key less the target is out of reach");
            }
        }, iter: Emulation.IsEmulated ? 50 : 1000);

    private static double Kept(BudgetPoint[][] heads, int[] chosen) => heads.Zip(chosen).Sum(h => h.First[h.Second].Kept);

    private static double Mass(BudgetPoint[][] heads, int[] chosen) => heads.Zip(chosen).Sum(h => h.First[h.Second].Mass);

    /// <summary>The most mass within a budget, by trying everything.</summary>
    private static double Best(ReadOnlySpan<BudgetPoint[]> heads, double budget)
    {
        if (heads.IsEmpty)
        {
            return 0;
        }

        double best = double.NegativeInfinity;
        foreach (BudgetPoint point in heads[0])
        {
            if (point.Kept <= budget + 1e-9)
            {
                best = Math.Max(best, point.Mass + Best(heads[1..], budget - point.Kept));
            }
        }

        return best;
    }
}
