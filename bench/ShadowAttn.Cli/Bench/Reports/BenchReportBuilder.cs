using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Reports;

/// <summary>From times to figures.</summary>
public static class BenchReportBuilder
{
    /// <summary>Builds the report.</summary>
    /// <param name="results">The measurements.</param>
    /// <param name="peaks">The peaks of the same run; null when none were measured.</param>
    public static BenchReport Build(IEnumerable<BenchMeasured> results, PeakPlan? peaks)
    {
        Machine machine = Machine.Current();
        return new BenchReport(
            new MachineReport(
                machine.Cpu,
                machine.Architecture,
                machine.Isa,
                machine.Cores,
                machine.Os,
                machine.Runtime,
                CacheSizes.Current,
                [.. (peaks?.Peaks ?? []).Select(Peak)]),
            [.. results.Select(m => Result(m, peaks?.For(m)))]);
    }

    private static BenchResult Result(BenchMeasured m, MachinePeak? peak)
    {
        BenchRequest request = m.Entry.Request;
        BenchKnobs knobs = request.Function.Knobs;
        double macsPerNs = m.Work.Macs * m.Copies / m.Measurement.MinNs;
        double bytesPerNs = m.Work.Bytes * m.Copies / m.Measurement.MinNs;
        return new BenchResult
        {
            Id = BenchId.Of(m.Entry),
            Operator = m.Entry.Operator.Name,
            Function = request.Function.Name,
            Isa = InstructionSets.Name(request.Isa),
            Shape = request.Shape.Text,
            Threads = request.Threads,
            Kv = knobs.HasFlag(BenchKnobs.Kv) ? OptionNames.Name(request.Kv) : null,
            Keep = knobs.HasFlag(BenchKnobs.Keep) ? request.Keep.ToString() : null,
            Tail = knobs.HasFlag(BenchKnobs.Tail) ? OptionNames.Name(request.Tail) : null,
            MinKeys = knobs.HasFlag(BenchKnobs.MinKeys) ? request.MinKeys : null,
            Data = m.Note.Length > 0 ? m.Note : null,
            Calls = m.Measurement.Calls,
            Samples = m.Measurement.SamplesNs.Count,
            MinNs = m.Measurement.MinNs,
            MedianNs = m.Measurement.MedianNs,
            MaxNs = m.Measurement.MaxNs,
            Spread = m.Measurement.Spread,
            Gmacs = m.Work.Macs > 0 ? macsPerNs : null,
            Gflops = m.Work.Macs > 0 && m.Work.Bound == WorkBound.Fp32 ? 2 * macsPerNs : null,
            Gbs = m.Work.Bytes > 0 ? bytesPerNs : null,
            NsPerElement = m.Work.Elements > 0 ? m.Measurement.MinNs / m.Work.Elements : null,
            Element = m.Work.Elements > 0 ? m.Work.Element : null,
            Peak = peak is null ? null : Describe(peak),
            PeakShare = peak is null ? null : (m.Work.Bound == WorkBound.Memory ? bytesPerNs : macsPerNs) / peak.PerNs,
        };
    }

    private static string Describe(MachinePeak peak) => peak.Level.Length > 0
        ? FormattableString.Invariant($"{peak.Name} {peak.Level} {peak.KiB} KiB")
        : $"{peak.Name} {InstructionSets.Name(peak.Isa)}";

    private static PeakReport Peak(MachinePeak peak) => new(
        peak.Name,
        InstructionSets.Name(peak.Isa),
        peak.Threads,
        peak.Level.Length > 0 ? peak.Level : null,
        peak.Level.Length > 0 ? peak.KiB : null,
        peak.Level.Length > 0 ? null : peak.PerNs,
        peak.Level.Length > 0 ? peak.PerNs : null,
        peak.Spread);
}
