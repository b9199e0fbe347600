using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Operators;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Commands;

/// <summary>
/// Where sparse attention on the CPU begins to pay: measures it against dense attention over many shapes, and fits the costs that decide per row which of
/// them is computed (the table of <c>CrossoverCosts</c>).
/// </summary>
internal static class CrossoverCommand
{
    private const int LeastCalls = 7;
    private const double SecondsPerPoint = 0.15;
    private const int WarmUps = 3;
    private const int JitDelayMs = 200;

    /// <summary>Calls with fewer keys have too much in them that is not per row.</summary>
    private const int LeastFitted = 256;

    private static readonly double[] s_keeps = [0.05, 0.2, 0.5, 0.9];
    private static readonly (int Heads, int KvHeads, int Dim)[] s_models = [(14, 2, 64), (12, 2, 128)];

    private sealed record Point(int Keys, double Keep, double DenseMs, double SparseMs, double SwitchedMs, double MeanMs, double LinearMs);

    public static Command Create()
    {
        var keys = new Option<int[]>("--keys")
        {
            Description = "Numbers of keys, all of them queries as well.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [64, 128, 256, 512, 1024, 2048],
        };
        var command = new Command(
            "crossover", "Sparse against dense attention on one thread, by keys and keep ratio, and the costs of CrossoverCosts fitted to it.") { keys };
        command.SetAction(result => Run(result.GetValue(keys)!));
        return command;
    }

    private static int Run(int[] allKeys)
    {
        WarmUp(allKeys[0]);
        Console.WriteLine($"{InstructionSets.Active}, 1 thread, causal, no floor, tail none; milliseconds, minimum of at least {LeastCalls} calls in turn");
        foreach ((int heads, int kvHeads, int dim) in s_models)
        {
            Console.WriteLine();
            Console.WriteLine($"{heads} heads, {kvHeads} KV heads, dim {dim}");
            Console.WriteLine();
            Console.WriteLine("| keys | keep | dense | sparse, every row | with the crossover | against dense |");
            Console.WriteLine("|---:|---:|---:|---:|---:|---:|");
            List<Point> points = [];
            foreach (int keys in allKeys)
            {
                foreach (double keep in s_keeps)
                {
                    Point p = Measure(new AttentionShape(heads, kvHeads, dim, keys, keys, true), keep);
                    points.Add(p);
                    Console.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"| {keys} | {keep} | {p.DenseMs:F3} | {p.SparseMs:F3} | {p.SwitchedMs:F3} | {(p.SwitchedMs / p.DenseMs) - 1:+0.0 %;-0.0 %} |"));
                }
            }

            Console.WriteLine();
            Console.WriteLine("| keys, decode of 1 query | dense | sparse, every row | with the crossover | against dense |");
            Console.WriteLine("|---:|---:|---:|---:|---:|");
            foreach (int keys in allKeys)
            {
                Point p = Measure(new AttentionShape(heads, kvHeads, dim, 1, keys, true), 0.2, cached: true);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {keys} | {p.DenseMs:F4} | {p.SparseMs:F4} | {p.SwitchedMs:F4} | {(p.SwitchedMs / p.DenseMs) - 1:+0.0 %;-0.0 %} |"));
            }

            Console.WriteLine();
            Fit([.. points.Where(p => p.Keys >= LeastFitted)], dim);
        }

        return 0;
    }

    /// <summary>Until the JIT has compiled with optimisation what is called: it does so in the background, some time after the first calls.</summary>
    private static void WarmUp(int keys)
    {
        (int heads, int kvHeads, int dim) = s_models[0];
        for (int i = 0; i < WarmUps; i++)
        {
            Measure(new AttentionShape(heads, kvHeads, dim, keys, keys, true), s_keeps[0]);
            Thread.Sleep(JitDelayMs);
        }
    }

    private static Point Measure(AttentionShape shape, double keep, bool cached = false)
    {
        AttentionData data = AttentionBench.Load(shape, null);
        var sparse = new AttentionOptions
        {
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            Mode = AttentionMode.ShadowCpu,
            Keep = KeepRatio.Share(keep),
            MinKeys = 1,
            Tail = TailCompensation.None,
            Crossover = false,
            Threads = 1,
        };
        AttentionOptions[] ways =
        [
            sparse with { Mode = AttentionMode.Dense },
            sparse,
            sparse with { Crossover = true },
            sparse with { Tail = TailCompensation.Mean },
            sparse with { Tail = TailCompensation.Linear },
        ];
        AttentionOperands[] operands = [.. ways.Select(w => new AttentionOperands(w, shape, data, KvFormat.F32, cached))];
        double[] best = new double[ways.Length];
        Array.Fill(best, double.PositiveInfinity);
        long begin = Stopwatch.GetTimestamp();
        for (int call = 0; call < LeastCalls || Stopwatch.GetElapsedTime(begin).TotalSeconds < SecondsPerPoint; call++)
        {
            for (int way = 0; way < ways.Length; way++)
            {
                long start = Stopwatch.GetTimestamp();
                operands[way].Compute();
                best[way] = Math.Min(best[way], Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        Array.ForEach(operands, o => o.Dispose());
        return new Point(shape.Keys, keep, best[0], best[1], best[2], best[3], best[4]);
    }

    /// <summary>
    /// Least squares of sparse/dense = row·rows/scores + score + kept·kept/scores, all points of the same weight: what a row, a score and a kept key cost in
    /// units of dense attention's score.
    /// </summary>
    private static void Fit(List<Point> points, int dim)
    {
        double[,] equations = new double[3, 4];
        double mean = 0;
        double linear = 0;
        foreach (Point p in points)
        {
            double rows = p.Keys;
            double scores = rows * (rows + 1) / 2;
            double kept = Enumerable.Range(1, p.Keys).Sum(visible => Math.Ceiling(p.Keep * visible));
            double[] features = [rows / scores, 1, kept / scores];
            for (int i = 0; i < 3; i++)
            {
                for (int j = 0; j < 3; j++)
                {
                    equations[i, j] += features[i] * features[j];
                }

                equations[i, 3] += features[i] * p.SparseMs / p.DenseMs;
            }

            mean += (p.MeanMs - p.SparseMs) / p.DenseMs * scores / rows / points.Count;
            linear += (p.LinearMs - p.SparseMs) / p.DenseMs * scores / rows / points.Count;
        }

        double[] x = Solve(equations);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"fitted: new({dim}, {x[0]:F0}, {x[1]:F3}, {x[2]:F2}, {mean:F0}, {linear:F0})"));
    }

    /// <summary>Gaussian elimination of three equations.</summary>
    private static double[] Solve(double[,] a)
    {
        for (int pivot = 0; pivot < 3; pivot++)
        {
            for (int row = 0; row < 3; row++)
            {
                double factor = row == pivot ? 0 : a[row, pivot] / a[pivot, pivot];
                for (int column = 0; column < 4; column++)
                {
                    a[row, column] -= factor * a[pivot, column];
                }
            }
        }

        return [a[0, 3] / a[0, 0], a[1, 3] / a[1, 1], a[2, 3] / a[2, 2]];
    }
}
