using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>One of the machine's peaks, as measured.</summary>
/// <param name="Name"><c>fma</c>, <c>int8</c>, <c>read</c> or <c>copy</c>.</param>
/// <param name="Isa">The instruction set that reached it.</param>
/// <param name="Threads">Threads at once.</param>
/// <param name="Level">The level of memory; empty for arithmetic.</param>
/// <param name="KiB">KiB of each thread that were read, or read and written.</param>
/// <param name="PerNs">Multiply-adds or bytes per nanosecond, of all threads together.</param>
/// <param name="Spread">How far the median sample was from the best.</param>
public sealed record MachinePeak(string Name, InstructionSet Isa, int Threads, string Level, int KiB, double PerNs, double Spread);

/// <summary>
/// Which peaks a run needs, and what share of them its benchmarks reach. Bandwidths are measured for every level of memory, and for the very
/// working set of each benchmark that is bound by memory: near the size of a cache it is neither that level's nor the next one's.
/// </summary>
public sealed class PeakPlan
{
    private const double BudgetShare = 0.4;
    private const int LargestKiB = 1 << 20;

    private readonly PeakBench _bench = new();
    private readonly CacheSizes _caches;
    private readonly List<BenchEntry> _entries = [];
    private readonly List<MachinePeak> _peaks = [];

    /// <summary>Plans the machine's peaks for the threads and instruction sets of some benchmarks.</summary>
    /// <param name="caches">The machine's caches.</param>
    /// <param name="requests">The benchmarks.</param>
    /// <param name="arithmeticOnly">Whether the bandwidths of the levels are left out.</param>
    public PeakPlan(CacheSizes caches, IEnumerable<BenchRequest> requests, bool arithmeticOnly = false)
    {
        _caches = caches;
        BenchRequest[] all = [.. requests];
        foreach (int threads in all.Select(r => r.Threads).Distinct())
        {
            foreach (InstructionSet isa in all.Where(r => r.Threads == threads).Select(r => r.Isa).Append(InstructionSets.Active).Distinct().Order())
            {
                Add(PeakBench.Fma, PeakKernels.Kernels.UpTo(isa).InstructionSet, 2, threads);
                foreach (InstructionSet lower in _bench.Variants.Where(v => v <= isa && (v != InstructionSet.Scalar || isa == v)))
                {
                    Add(PeakBench.Int8, lower, 2, threads);
                }
            }

            foreach (MemoryLevel level in arithmeticOnly ? [] : MemoryLevel.Of(caches, threads))
            {
                int kib = KiB(level.ProbeBytes);
                Add(PeakBench.Read, _bench.Best, kib, threads);
                AddCopy(level, kib, threads);
            }
        }
    }

    /// <summary>What is to be measured along with the benchmarks.</summary>
    public IReadOnlyList<BenchEntry> Entries => _entries;

    /// <summary>The peaks that were measured.</summary>
    public IReadOnlyList<MachinePeak> Peaks => _peaks;

    /// <summary>Adds the bandwidths for the working sets of benchmarks that are bound by memory.</summary>
    /// <param name="benchmarks">The benchmarks and what a call of each does.</param>
    /// <returns><see cref="Entries"/>.</returns>
    public IReadOnlyList<BenchEntry> Complete(IEnumerable<(BenchRequest Request, BenchWork Work)> benchmarks)
    {
        foreach ((BenchRequest request, BenchWork work) in benchmarks.Where(b => b.Work.Bound == WorkBound.Memory))
        {
            int kib = KiB(work.Bytes);
            if (work.BytesWritten > 0)
            {
                AddCopy(Level(work.Bytes, request.Threads), kib, request.Threads);
            }
            else
            {
                Add(PeakBench.Read, _bench.Best, kib, request.Threads);
            }
        }

        return _entries;
    }

    /// <summary>Takes the measurements of <see cref="Entries"/>.</summary>
    public void Take(IEnumerable<BenchMeasured> measured)
    {
        foreach (BenchMeasured m in measured)
        {
            BenchRequest request = m.Entry.Request;
            bool memory = m.Work.Bound == WorkBound.Memory;
            string name = request.Function.Name;
            _peaks.Add(new MachinePeak(
                name == PeakBench.Stream ? PeakBench.Copy : name,
                request.Isa,
                request.Threads,
                memory ? Level(m.Work.Bytes, request.Threads).Name : string.Empty,
                request.Shape["kib"],
                (memory ? m.Work.Bytes : m.Work.Macs) * m.Copies / m.Measurement.MinNs,
                m.Measurement.Spread));
        }
    }

    /// <summary>
    /// The peak that a benchmark is compared with: of arithmetic, the best that its instruction set and those below it reach; of memory, the
    /// bandwidth for its working set or a larger one, of a copy if it writes. Null when there is none.
    /// </summary>
    public MachinePeak? For(BenchMeasured measured)
    {
        BenchRequest request = measured.Entry.Request;
        IEnumerable<MachinePeak> candidates = _peaks.Where(p => p.Threads == request.Threads);
        switch (measured.Work.Bound)
        {
            case WorkBound.Fp32:
                return Fma(request.Isa, request.Threads);
            case WorkBound.Int8:
                return candidates.Where(p => p.Name == PeakBench.Int8 && p.Isa <= request.Isa).MaxBy(p => p.PerNs);
            case WorkBound.Memory:
                string name = measured.Work.BytesWritten > 0 ? PeakBench.Copy : PeakBench.Read;
                int kib = KiB(measured.Work.Bytes);
                // What a larger working set reaches, a smaller one can as well.
                return candidates.Where(p => p.Name == name && p.KiB >= kib).MaxBy(p => p.PerNs);
            default:
                return null;
        }
    }

    /// <summary>The fp32 peak of an instruction set; null when it was not measured.</summary>
    public MachinePeak? Fma(InstructionSet isa, int threads)
    {
        InstructionSet variant = PeakKernels.Kernels.UpTo(isa).InstructionSet;
        return _peaks.FirstOrDefault(p => p.Name == PeakBench.Fma && p.Isa == variant && p.Threads == threads);
    }

    /// <summary>The size of a probe for a working set: whole blocks of a copy's source and destination.</summary>
    private static int KiB(double bytes) => (int)Math.Clamp(Math.Round(bytes / 2048) * 2, 2, LargestKiB);

    private MemoryLevel Level(double bytes, int threads) => MemoryLevel.Find(MemoryLevel.Of(_caches, threads), bytes);

    private void AddCopy(MemoryLevel level, int kib, int threads)
    {
        Add(PeakBench.Copy, _bench.Best, kib, threads);
        if (level.HoldsBytes == long.MaxValue)
        {
            Add(PeakBench.Stream, _bench.Best, kib, threads);
        }
    }

    private void Add(string function, InstructionSet isa, int kib, int threads)
    {
        if (!_entries.Exists(e => e.Request.Function.Name == function && e.Request.Isa == isa
            && e.Request.Threads == threads && e.Request.Shape["kib"] == kib))
        {
            _entries.Add(new BenchEntry(_bench, _bench.Request(function, isa, kib, threads)) { BudgetShare = BudgetShare });
        }
    }
}
