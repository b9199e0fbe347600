namespace ShadowAttn.Attention;

/// <summary>
/// Hands out a budget of keys to heads where it captures most: always to the head whose next keys add most mass per key. For concave curves, which
/// captured mass has by nature (a row's best keys come first), that is the best distribution there is; what is not concave is replaced by its concave hull.
/// </summary>
public static class KeepBudget
{
    /// <summary>Distributes a budget.</summary>
    /// <param name="heads">Of each head, ascending points of kept share of its keys and mass; all with at least one.</param>
    /// <param name="budget">The mean of the kept shares that may be spent.</param>
    /// <param name="targetMass">Spending ends when the mean mass is that high; 1 to spend all.</param>
    /// <returns>Of each head, the index of its point. The first ones, where not even those fit the budget.</returns>
    public static int[] Distribute(IReadOnlyList<IReadOnlyList<BudgetPoint>> heads, double budget, double targetMass = 1)
    {
        ArgumentNullException.ThrowIfNull(heads);
        int[] chosen = new int[heads.Count];
        double left = (budget * heads.Count) - heads.Sum(h => h[0].Kept);
        double missing = (targetMass * heads.Count) - heads.Sum(h => h[0].Mass);
        var full = new bool[heads.Count];
        foreach (Segment s in heads.SelectMany(Segments).OrderByDescending(s => s.Slope).ThenBy(s => s.Head).ThenBy(s => s.From))
        {
            if (missing <= 0)
            {
                break;
            }

            // What fits of the segment, and no more of it than the target needs; a head that did not get all of a segment gets nothing of the next.
            IReadOnlyList<BudgetPoint> points = heads[s.Head];
            for (int to = s.From + 1; to <= s.To && !full[s.Head] && missing > 0; to++)
            {
                double cost = points[to].Kept - points[chosen[s.Head]].Kept;
                if (cost > left + 1e-12)
                {
                    full[s.Head] = true;
                    break;
                }

                left -= cost;
                missing -= points[to].Mass - points[chosen[s.Head]].Mass;
                chosen[s.Head] = to;
            }
        }

        return chosen;
    }

    /// <summary>The edges of the upper hull, with falling slopes.</summary>
    private static IEnumerable<Segment> Segments(IReadOnlyList<BudgetPoint> points, int head)
    {
        List<int> hull = [0];
        for (int i = 1; i < points.Count; i++)
        {
            while (hull.Count > 1 && Slope(points, hull[^2], hull[^1]) <= Slope(points, hull[^1], i))
            {
                hull.RemoveAt(hull.Count - 1);
            }

            hull.Add(i);
        }

        return hull.Skip(1).Select((to, i) => new Segment(head, hull[i], to, Slope(points, hull[i], to)));
    }

    private static double Slope(IReadOnlyList<BudgetPoint> points, int from, int to)
    {
        double keys = points[to].Kept - points[from].Kept;
        double mass = points[to].Mass - points[from].Mass;
        return keys > 0 ? mass / keys : mass > 0 ? double.PositiveInfinity : 0;
    }

    private readonly record struct Segment(int Head, int From, int To, double Slope);
}

/// <summary>What a head costs and captures at one keep ratio.</summary>
/// <param name="Kept">Share of its visible keys that are kept.</param>
/// <param name="Mass">Share of the softmax mass that they hold.</param>
public readonly record struct BudgetPoint(double Kept, double Mass);
