using ShadowAttn.Cli.Bench.Peaks;

namespace ShadowAttn.Cli.Bench;

/// <summary>How long to measure.</summary>
/// <param name="Budget">The time of the samples of one benchmark together.</param>
/// <param name="Iterations">Exactly so many calls of each benchmark and of each of its threads, and nothing before or after; null to measure.</param>
public sealed record BenchTiming(TimeSpan Budget, long? Iterations = null);

/// <summary>A benchmark and how to prepare it.</summary>
/// <param name="Operator">The operator.</param>
/// <param name="Request">What of it.</param>
public sealed record BenchEntry(OperatorBench Operator, BenchRequest Request)
{
    /// <summary>The share of the time budget that it gets: what is not a figure by itself needs fewer samples.</summary>
    public double BudgetShare { get; init; } = 1;
}

/// <summary>A benchmark, what a call of all its threads does, and its times.</summary>
/// <param name="Entry">The benchmark.</param>
/// <param name="Work">What one thread's call does.</param>
/// <param name="Note">What else there is to say.</param>
/// <param name="Measurement">The times.</param>
public sealed record BenchMeasured(BenchEntry Entry, BenchWork Work, string Note, Measurement Measurement)
{
    /// <summary>How many cases of <see cref="Work"/> run at once: their rates add up.</summary>
    public int Copies => Entry.Operator.UsesThreads ? 1 : Entry.Request.Threads;
}

/// <summary>
/// Measures benchmarks in turn, a sample of each, then the next sample of each: what slows the machine for a while slows all of them, and
/// ratios of their minima hold.
/// </summary>
/// <param name="timing">How long.</param>
/// <param name="progress">Receives what is being done, how far and of how much.</param>
public sealed class BenchRunner(BenchTiming timing, Action<string, long, long> progress)
{
    /// <summary>Samples shorter than this have too much of the clock in them.</summary>
    private static readonly TimeSpan s_leastSample = TimeSpan.FromMilliseconds(1);

    private const int LeastSamples = 5;
    private const int LeastLongSamples = 3;
    private const int MostSamples = 300;
    private const long MostCalls = 1L << 32;

    /// <summary>Prepares all, measures them in turn, and disposes them.</summary>
    /// <param name="entries">The benchmarks.</param>
    /// <param name="peaks">What is measured along with them; null for nothing. Takes its measurements.</param>
    public IReadOnlyList<BenchMeasured> Run(IReadOnlyList<BenchEntry> entries, PeakPlan? peaks = null) =>
        timing.Iterations is { } iterations ? CountedCalls(entries, iterations) : Measure(entries, peaks);

    private List<BenchMeasured> CountedCalls(IReadOnlyList<BenchEntry> entries, long iterations)
    {
        var results = new List<BenchMeasured>();
        foreach (BenchEntry entry in entries)
        {
            progress(Describe(entry), results.Count, entries.Count);
            using var prepared = new Prepared(entry);
            using var team = new CaseTeam(prepared.Cases.Count);
            double ns = team.Run(prepared.Cases, iterations);
            results.Add(prepared.Finish(new Measurement(iterations, [ns])));
        }

        return results;
    }

    private List<BenchMeasured> Measure(IReadOnlyList<BenchEntry> entries, PeakPlan? peaks)
    {
        var prepared = new List<Prepared>();
        var teams = new Dictionary<int, CaseTeam>();
        try
        {
            Prepare(entries);
            Prepare(peaks?.Complete(prepared.Select(p => (p.Request, p.Work)).ToArray()) ?? []);

            // Benchmarks of few, long samples are spread over the rounds of those with many.
            int rounds = prepared.Max(p => p.SampleCount);
            for (int round = 0; round < rounds; round++)
            {
                progress("measuring", round, rounds);
                foreach (Prepared p in prepared)
                {
                    if ((long)(round + 1) * p.SampleCount / rounds > (long)round * p.SampleCount / rounds)
                    {
                        Sample(p, TeamOf(teams, p));
                    }
                }
            }

            peaks?.Take(prepared.Skip(entries.Count).Select(p => p.Finish(p.Measurement())));
            return [.. prepared.Take(entries.Count).Select(p => p.Finish(p.Measurement()))];
        }
        finally
        {
            prepared.ForEach(p => p.Dispose());
            foreach (CaseTeam team in teams.Values)
            {
                team.Dispose();
            }
        }

        void Prepare(IReadOnlyList<BenchEntry> some)
        {
            foreach (BenchEntry entry in some)
            {
                progress("preparing", prepared.Count, entries.Count + (peaks?.Entries.Count ?? 0));
                prepared.Add(new Prepared(entry));
                Calibrate(prepared[^1], TeamOf(teams, prepared[^1]));
            }
        }
    }

    /// <summary>The first calls also compile, plan and warm the caches.</summary>
    private void Calibrate(Prepared p, CaseTeam team)
    {
        long calls = 1;
        double ns = team.Run(p.Cases, 1);
        for (int i = 0; i < 2 && ns < timing.Budget.TotalNanoseconds / 4; i++)
        {
            ns = Math.Min(ns, team.Run(p.Cases, 1));
        }

        while (ns * calls < s_leastSample.TotalNanoseconds && calls < MostCalls)
        {
            calls *= 2;
            ns = team.Run(p.Cases, calls);
        }

        p.Calls = calls;
        int least = ns * calls > 2 * timing.Budget.TotalNanoseconds ? LeastLongSamples : LeastSamples;
        p.SampleCount = (int)Math.Clamp(timing.Budget.TotalNanoseconds * p.BudgetShare / Math.Max(1, ns * calls), least, MostSamples);
    }

    private static void Sample(Prepared p, CaseTeam team)
    {
        if (p.Calls >= 8)
        {
            // What the other benchmarks have put in the caches is not this one's business.
            team.Run(p.Cases, 1);
        }

        p.Add(team.Run(p.Cases, p.Calls));
        if (p.Cases[0].Settle > TimeSpan.Zero)
        {
            Thread.Sleep(p.Cases[0].Settle);
        }
    }

    private static CaseTeam TeamOf(Dictionary<int, CaseTeam> teams, Prepared p)
    {
        if (!teams.TryGetValue(p.Cases.Count, out CaseTeam? team))
        {
            team = new CaseTeam(p.Cases.Count);
            teams.Add(p.Cases.Count, team);
        }

        return team;
    }

    private static string Describe(BenchEntry entry) => $"{entry.Operator.Name}.{entry.Request.Function.Name}";

    /// <summary>The cases of a benchmark, one per thread, and their samples so far.</summary>
    private sealed class Prepared : IDisposable
    {
        private readonly BenchEntry _entry;
        private readonly List<BenchCase> _cases = [];
        private readonly List<double> _samples = [];

        public Prepared(BenchEntry entry)
        {
            _entry = entry;
            int copies = entry.Operator.UsesThreads ? 1 : entry.Request.Threads;
            try
            {
                for (int i = 0; i < copies; i++)
                {
                    _cases.Add(entry.Operator.Prepare(entry.Request));
                }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public List<BenchCase> Cases => _cases;

        public BenchRequest Request => _entry.Request;

        public BenchWork Work => _cases[0].Work;

        public double BudgetShare => _entry.BudgetShare;

        public long Calls { get; set; }

        public int SampleCount { get; set; }

        public void Add(double ns) => _samples.Add(ns);

        public Measurement Measurement() => new(Calls, [.. _samples.Order()]);

        public BenchMeasured Finish(Measurement measurement) => new(_entry, _cases[0].Work, _cases[0].Note, measurement);

        public void Dispose() => _cases.ForEach(c => c.Dispose());
    }
}
