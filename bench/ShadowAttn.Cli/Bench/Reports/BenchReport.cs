using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ShadowAttn.Cli.Bench.Compare;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Bench.Suites;

namespace ShadowAttn.Cli.Bench.Reports;

/// <summary>The JSON of <c>bench</c>; names become snake_case.</summary>
/// <param name="Machine">Where it was measured.</param>
/// <param name="Results">The benchmarks.</param>
public sealed record BenchReport(MachineReport Machine, IReadOnlyList<BenchResult> Results)
{
    /// <summary>The figures of a suite beside their goals; null when no suite was run.</summary>
    public IReadOnlyList<TargetReport>? Targets { get; init; }
}

/// <summary>What a measurement ran on.</summary>
/// <param name="Cpu">The CPU's name as the system gives it.</param>
/// <param name="Architecture">x64 or arm64.</param>
/// <param name="Isa">The best instruction set that the kernels use.</param>
/// <param name="Cores">Logical cores.</param>
/// <param name="Os">The operating system.</param>
/// <param name="Runtime">The .NET runtime.</param>
/// <param name="Caches">The caches that bandwidths were measured for.</param>
/// <param name="Peaks">The peaks of this run; empty when none were measured.</param>
public sealed record MachineReport(
    string Cpu, string Architecture, string Isa, int Cores, string Os, string Runtime, CacheSizes Caches, IReadOnlyList<PeakReport> Peaks);

/// <summary>A measured peak.</summary>
/// <param name="Name"><c>fma</c>, <c>int8</c>, <c>read</c> or <c>copy</c>.</param>
/// <param name="Isa">The instruction set that reached it.</param>
/// <param name="Threads">Threads at once.</param>
/// <param name="Level">L1, L2, L3 or DRAM; null for arithmetic.</param>
/// <param name="Kib">KiB of each thread that were read, or read and written; null for arithmetic.</param>
/// <param name="Gmacs">10⁹ multiply-adds per second of all threads; null for bandwidths.</param>
/// <param name="Gbs">10⁹ bytes per second of all threads, read and written ones; null for arithmetic.</param>
/// <param name="Spread">How far the median sample was above the fastest, as a share of it.</param>
public sealed record PeakReport(string Name, string Isa, int Threads, string? Level, int? Kib, double? Gmacs, double? Gbs, double Spread);

/// <summary>A benchmark's figures.</summary>
public sealed record BenchResult
{
    /// <summary>Names the benchmark with all that makes its figures comparable; unique in a report.</summary>
    public required string Id { get; init; }

    public required string Operator { get; init; }

    public required string Function { get; init; }

    public required string Isa { get; init; }

    public required string Shape { get; init; }

    public required int Threads { get; init; }

    /// <summary>How K and V are stored; null where the operator has no choice.</summary>
    public string? Kv { get; init; }

    public string? Keep { get; init; }

    public string? Tail { get; init; }

    public int? MinKeys { get; init; }

    /// <summary>Where the numbers come from, if that is worth saying.</summary>
    public string? Data { get; init; }

    /// <summary>Calls of a sample.</summary>
    public required long Calls { get; init; }

    public required int Samples { get; init; }

    /// <summary>Nanoseconds of a call in the fastest sample.</summary>
    public required double MinNs { get; init; }

    public required double MedianNs { get; init; }

    public required double MaxNs { get; init; }

    /// <summary>How far the median is above the minimum, as a share of it.</summary>
    public required double Spread { get; init; }

    /// <summary>10⁹ multiply-adds per second at the minimum, of all threads.</summary>
    public double? Gmacs { get; init; }

    /// <summary>Twice <see cref="Gmacs"/>, of floating point only.</summary>
    public double? Gflops { get; init; }

    /// <summary>10⁹ bytes per second at the minimum, read and written ones, of all threads.</summary>
    public double? Gbs { get; init; }

    public double? NsPerElement { get; init; }

    /// <summary>What an element is.</summary>
    public string? Element { get; init; }

    /// <summary>The peak that the rate is compared with, e.g. <c>fma avx512</c> or <c>copy L2 768 KiB</c>.</summary>
    public string? Peak { get; init; }

    /// <summary>The rate as a share of that peak.</summary>
    public double? PeakShare { get; init; }
}

/// <summary>JSON of the reports.</summary>
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(BenchListing))]
[JsonSerializable(typeof(BenchComparison))]
internal sealed partial class BenchJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need; absent figures are left out.</summary>
    public static BenchJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter<ChangeVerdict>(JsonNamingPolicy.SnakeCaseLower) },
    });
}
