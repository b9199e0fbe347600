using ShadowAttn.Attention;

namespace ShadowAttn.Tests.Attention;

/// <summary>The operator by its definition, one row at a time in double precision: universal pilot, selection, exact attention, tail.</summary>
internal static class ReferenceAttention
{
    /// <summary>One head. q [rows, dim], k and v [keys, dim]; visible[r] is the end of the keys that row r sees.</summary>
    public static Result Run(
        double[][] q, double[][] k, double[][] v, int[] visible, double scale, KeepRatio keep, int minKeys, TailCompensation tail,
        Quantised? quantised = null, Masks? masks = null)
    {
        int dim = q[0].Length;
        masks ??= new Masks();
        int shift = (int)Math.Ceiling(Math.Log2(dim));
        double sigma0 = 127 * Math.Pow(2, shift) / 3;
        quantised ??= Quantise(k);
        (double[] mean, double keyScale, double[] power, double[][] k8, int keepAllBelow, int[]? shifts) = quantised;
        var result = new Result(new double[q.Length][], new bool[q.Length][], 0);
        for (int r = 0; r < q.Length; r++)
        {
            int end = visible[r];
            int first = Math.Max(0, end - masks.Window);
            int n = end - first;
            double[][] seenKeys = k[first..end];
            double[][] seenValues = v[first..end];
            double[] bias = [.. Enumerable.Range(0, n).Select(i => masks.Slope * (i - (n - 1)))];
            double energy = q[r].Select((x, d) => x * x * power[d]).Sum();
            double queryScale = Math.Max(Math.Max(q[r].Max(Math.Abs) / 127, Math.Sqrt(energy) / sigma0), 1e-30);
            double[] q8 = [.. q[r].Select(x => Math.Round(x / queryScale))];
            double[] products = [.. Enumerable.Range(0, n).Select(i => Dot(q8, k8[first + i]))];
            double[] levels = [.. products.Select(p => Math.Clamp(Math.Floor((p / Math.Pow(2, shift)) + 0.5), -128, 127))];
            if (shifts is not null)
            {
                products = [.. products.Select((p, i) => p * Math.Pow(2, shifts[first + i]))];
                levels = [.. levels.Select((l, i) => Math.Clamp(l * Math.Pow(2, shifts[first + i]), -128, 127))];
            }

            double step = queryScale * keyScale * Math.Pow(2, shift);
            levels = [.. levels.Select((l, i) => Math.Clamp(l + Math.Round(Math.Max(bias[i] / (step * scale), -256)), -128, 127))];
            products = [.. products.Select((p, i) => p + (bias[i] / (step * scale) * Math.Pow(2, shift)))];
            double origin = Dot(q[r], mean);
            double[] estimate = [.. levels.Select(l => ((l * step) + origin) * scale)];
            double[] exact = [.. Enumerable.Range(0, n).Select(i => (Dot(q[r], seenKeys[i]) * scale) + bias[i])];
            double top = exact.Max();

            double[] orderBy = levels;
            int kept;
            if (end < keepAllBelow)
            {
                kept = n;
            }
            else if (keep.IsMass)
            {
                orderBy = [.. estimate.Select((e, i) => levels[i] == 127 ? exact[i] : e)];
                int[] byMass = Descending(orderBy);
                double total = orderBy.Sum(e => Math.Exp(Math.Min(e - top, 0)));
                double sum = 0;
                kept = 0;
                while (kept < n && sum / total < keep.Value)
                {
                    sum += Math.Exp(Math.Min(orderBy[byMass[kept]] - top, 0));
                    kept++;
                }

                kept = Math.Min(n, Math.Max(minKeys, kept));
            }
            else
            {
                kept = Math.Min(n, Math.Max(minKeys, (int)Math.Ceiling(keep.Value * n)));
                if (levels.Count(l => l == 127) > kept)
                {
                    result = result with { RescoredRows = result.RescoredRows + 1 };
                    orderBy = products;
                }
            }

            int[] order = Descending(orderBy);
            bool[] take = new bool[n];
            foreach (int i in order[..kept])
            {
                take[i] = true;
            }

            for (int i = 0; i < n; i++)
            {
                take[i] |= first + i < masks.Sinks || i >= n - masks.LocalWindow;
            }

            result.Kept[r] = [.. new bool[first], .. take];
            double[] slope = tail == TailCompensation.Linear ? Slope(q[r], k, v, end, scale) : new double[dim];
            result.Output[r] = Attend(exact, estimate, take, seenValues, n, tail, top, slope);
        }

        return result;
    }

    /// <summary>The pilot's keys by the definition: mean and scale of all keys.</summary>
    public static Quantised Quantise(double[][] k)
    {
        double[] mean = Mean(k, k.Length);
        double absMax = k.Max(row => row.Select((x, d) => Math.Abs(x - mean[d])).Max());
        double keyScale = Math.Max(absMax, 1e-30) / 127;
        double[][] k8 = [.. k.Select(row => row.Select((x, d) => Math.Round((x - mean[d]) / keyScale)).ToArray())];
        return new Quantised(mean, keyScale, [.. mean.Select((_, d) => k8.Average(row => row[d] * row[d]))], k8, 0);
    }

    /// <summary>
    /// The pilot's keys of a cache without calibration: mean, variance and base scale of the first keys; outliers in steps of their own; the scale
    /// grows by 1.25 where there are too many of them.
    /// </summary>
    public static Quantised QuantiseCached(double[][] k)
    {
        int first = Math.Min(KvCache.StatisticsKeys, k.Length);
        double[] mean = Mean(k, first);
        double Distance(double[] row) => row.Select((x, d) => Math.Abs(x - mean[d])).Max();
        double keyScale = Math.Max(k[..first].Max(Distance), 1e-30) / 127;
        double[] distances = [.. k.Select(Distance)];
        bool Beyond(double distance, double scale) => distance > scale * (127 * (1 + 1e-6));
        for (int n = 1; n <= k.Length; n++)
        {
            while (distances[..n].Count(x => Beyond(x, keyScale)) > (n / 32) + 8)
            {
                keyScale *= 1.25;
            }
        }

        int[] shifts = [.. distances.Select(x => Enumerable.Range(0, 20).First(s => !Beyond(x, keyScale * Math.Pow(2, s))))];

        double[] power = [.. mean.Select((m, d) => k[..first].Average(row => (row[d] - m) * (row[d] - m)) / (keyScale * keyScale))];
        return new Quantised(
            mean,
            keyScale,
            power,
            [.. k.Select((row, i) => row.Select((x, d) => Math.Round((x - mean[d]) / (keyScale * Math.Pow(2, shifts[i])))).ToArray())],
            KvCache.StatisticsKeys,
            shifts);
    }

    /// <summary>Positions by falling value; of equal values the larger index first.</summary>
    private static int[] Descending(double[] values) =>
        [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenByDescending(i => i)];

    private static double[] Attend(double[] exact, double[] estimate, bool[] take, double[][] v, int n, TailCompensation tail, double top, double[] slope)
    {
        int dim = v[0].Length;
        double[] output = new double[dim];
        double sum = 0;
        double dropped = 0;
        double estimates = 0;
        for (int i = 0; i < n; i++)
        {
            if (take[i])
            {
                double weight = Math.Exp(exact[i] - top);
                sum += weight;
                for (int d = 0; d < dim; d++)
                {
                    output[d] += weight * v[i][d];
                }
            }
            else if (tail != TailCompensation.None)
            {
                double weight = Math.Exp(Math.Min(estimate[i] - top, 0));
                dropped += weight;
                estimates += weight * estimate[i];
            }
        }

        double[] mean = Mean(v, n);
        double average = estimate.Average();
        double variance = estimate.Average(e => (e - average) * (e - average));
        double factor = variance > 0 && dropped > 0 ? ((estimates / dropped) - average) / variance : 0;
        for (int d = 0; d < dim; d++)
        {
            output[d] = (output[d] + (dropped * (mean[d] + (factor * slope[d])))) / (sum + dropped);
        }

        return output;
    }

    /// <summary>scale·q·C with C over the first whole blocks of 64 keys.</summary>
    private static double[] Slope(double[] q, double[][] k, double[][] v, int n, double scale)
    {
        int m = n / 64 * 64;
        double[] slope = new double[q.Length];
        if (m == 0)
        {
            return slope;
        }

        double[] keyMean = Mean(k, m);
        double[] valueMean = Mean(v, m);
        for (int i = 0; i < m; i++)
        {
            double along = q.Select((x, d) => x * (k[i][d] - keyMean[d])).Sum();
            for (int d = 0; d < q.Length; d++)
            {
                slope[d] += scale * along * (v[i][d] - valueMean[d]) / m;
            }
        }

        return slope;
    }

    private static double[] Mean(double[][] x, int rows)
    {
        double[] mean = new double[x[0].Length];
        for (int r = 0; r < rows; r++)
        {
            for (int d = 0; d < mean.Length; d++)
            {
                mean[d] += x[r][d] / rows;
            }
        }

        return mean;
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int d = 0; d < a.Length; d++)
        {
            sum += a[d] * b[d];
        }

        return sum;
    }

    internal sealed record Masks(int Window = int.MaxValue, int Sinks = 0, int LocalWindow = 0, double Slope = 0);

    internal sealed record Quantised(double[] Mean, double KeyScale, double[] Power, double[][] K8, int KeepAllBelow, int[]? Shifts = null);

    internal sealed record Result(double[][] Output, bool[][] Kept, int RescoredRows);
}
