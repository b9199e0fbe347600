using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Memory;

namespace ShadowAttn.Bench.Commands;

/// <summary>What the compensations of the dropped keys' mass are worth: error and time at keep 0.2, and the keep ratios of equal error.</summary>
internal static class TailsCommand
{
    private const double ReferenceKeep = 0.2;
    private const int Bisections = 9;
    private const int TimedCalls = 7;

    private static readonly TailCompensation[] s_tails = [TailCompensation.None, TailCompensation.Mean, TailCompensation.Linear];

    public static Command Create()
    {
        var traces = new Argument<string[]>("traces") { Description = "Trace files; without any, the bundled one.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command(
            "tails", "Per tail (none / mean / linear): error and time at keep 0.2, and the keep ratio at which it has mean's error of keep 0.2.") { traces };
        command.SetAction(result => Run(result.GetValue(traces) is { Length: > 0 } given ? given : [RunOptions.BundledInput]));
        return command;
    }

    private static int Run(string[] traces)
    {
        Console.WriteLine("shadow-cpu, min-keys 64, one thread; each cell none / mean / linear");
        Console.WriteLine();
        Console.WriteLine("| trace | error at keep 0.2 | ms at keep 0.2 | keep ratio for mean's error at 0.2 | keys kept then |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (string path in traces)
        {
            using TraceInput trace = TraceInput.Open(path);
            using var subject = new Subject(trace);
            Outcome[] at = [.. s_tails.Select(t => subject.Measure(t, ReferenceKeep))];
            double[] ms = subject.Time(ReferenceKeep);
            double target = at[1].Error;
            (double Keep, double Share, bool Reached)[] equal = [.. s_tails.Select(t => KeepFor(subject, t, target))];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {Path.GetFileNameWithoutExtension(path)} | {at[0].Error:F4} / {at[1].Error:F4} / {at[2].Error:F4} | {ms[0]:F1} / {ms[1]:F1} / {ms[2]:F1} | {Keep(equal[0])} / {Keep(equal[1])} / {Keep(equal[2])} | {equal[0].Share:P1} / {equal[1].Share:P1} / {equal[2].Share:P1} |"));
        }

        return 0;
    }

    private static string Keep((double Keep, double Share, bool Reached) x) =>
        (x.Reached ? string.Empty : "< ") + x.Keep.ToString("F3", CultureInfo.InvariantCulture);

    /// <summary>The smallest keep ratio whose error is at most the target; not reached when even the floor alone is better.</summary>
    private static (double Keep, double Share, bool Reached) KeepFor(Subject subject, TailCompensation tail, double target)
    {
        double low = 0.005;
        double high = 1;
        Outcome best = subject.Measure(tail, low);
        if (best.Error <= target)
        {
            return (low, best.Share, false);
        }

        for (int i = 0; i < Bisections; i++)
        {
            double middle = Math.Sqrt(low * high);
            Outcome outcome = subject.Measure(tail, middle);
            (low, high, best) = outcome.Error <= target ? (low, middle, outcome) : (middle, high, best);
        }

        return (high, best.Share, true);
    }

    private readonly record struct Outcome(double Error, double Share);

    /// <summary>A trace with its exact output: dense attention, whose own error is below 1e-6.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly TraceInput trace;
        private readonly UnmanagedBuffer exact;
        private readonly UnmanagedBuffer output;

        public Subject(TraceInput trace)
        {
            this.trace = trace;
            long bytes = (long)trace.Heads * trace.QueryCount * trace.HeadDim * sizeof(float);
            exact = UnmanagedBuffer.Allocate(bytes);
            output = UnmanagedBuffer.Allocate(bytes);
            using var dense = new ShadowAttention(null, Options(TailCompensation.None, 1) with { Mode = AttentionMode.Dense, Threads = 0 });
            dense.Compute(trace.Q, trace.K, trace.V, View(exact));
        }

        public Outcome Measure(TailCompensation tail, double keep)
        {
            using var attention = new ShadowAttention(null, Options(tail, keep) with { Threads = 0 });
            AttentionReport report = attention.Compute(trace.Q, trace.K, trace.V, View(output));
            double error = 0;
            double norm = 0;
            ReadOnlySpan<float> e = exact.AsSpan<float>();
            ReadOnlySpan<float> o = output.AsSpan<float>();
            for (int i = 0; i < e.Length; i++)
            {
                error += (o[i] - (double)e[i]) * (o[i] - (double)e[i]);
                norm += (double)e[i] * e[i];
            }

            return new Outcome(Math.Sqrt(error / norm), (double)report.KeptKeys / report.VisibleKeys);
        }

        /// <summary>Minima of interleaved calls, in the order of the tails.</summary>
        public double[] Time(double keep)
        {
            ShadowAttention[] operators = [.. s_tails.Select(t => new ShadowAttention(null, Options(t, keep) with { Threads = 1 }))];
            double[] ms = [.. s_tails.Select(_ => double.PositiveInfinity)];
            for (int call = 0; call <= TimedCalls; call++)
            {
                for (int i = 0; i < operators.Length; i++)
                {
                    ms[i] = Math.Min(ms[i], operators[i].Compute(trace.Q, trace.K, trace.V, View(output)).TotalMilliseconds);
                }
            }

            Array.ForEach(operators, o => o.Dispose());
            return ms;
        }

        public void Dispose()
        {
            exact.Dispose();
            output.Dispose();
        }

        private TensorView<float> View(UnmanagedBuffer buffer) => buffer.View<float>(trace.Heads, trace.QueryCount, trace.HeadDim);

        private AttentionOptions Options(TailCompensation tail, double keep) => new()
        {
            Crossover = false,
            Heads = trace.Heads,
            KvHeads = trace.KvHeads,
            HeadDim = trace.HeadDim,
            Causal = trace.Causal,
            Scale = trace.Scale,
            Mode = AttentionMode.ShadowCpu,
            Keep = KeepRatio.Share(keep),
            Tail = tail,
        };
    }
}
