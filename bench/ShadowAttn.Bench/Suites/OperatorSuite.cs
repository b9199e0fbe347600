using BenchmarkDotNet.Attributes;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli.Bench;

namespace ShadowAttn.Bench.Suites;

/// <summary>
/// The benchmarks of <c>shadowattn bench</c> under BenchmarkDotNet, with the same names: one case per benchmark, prepared by the same code.
/// </summary>
public class OperatorSuite : IDisposable
{
    private BenchCase? benchmark;

    /// <summary>The names of the benchmarks to run; set before BenchmarkDotNet reads them.</summary>
    public static IReadOnlyList<string> Selected { get; set; } = [];

    /// <summary>A name as <see cref="BenchId"/> writes it.</summary>
    [ParamsSource(nameof(Names))]
    public string Benchmark { get; set; } = string.Empty;

    /// <summary>What BenchmarkDotNet enumerates. Names are literals in the programs that it generates, so those need no selection.</summary>
    public static IEnumerable<string> Names => Selected;

    /// <summary>Prepares the case.</summary>
    [GlobalSetup]
    public void Setup()
    {
        BenchEntry entry = BenchId.Parse(PeerBenchmarks.Registry, Benchmark);
        benchmark = entry.Operator.Prepare(entry.Request);
    }

    /// <summary>One call.</summary>
    [Benchmark]
    public void Call() => benchmark!.Run();

    /// <summary>Frees the case's memory.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        benchmark?.Dispose();
        benchmark = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cleanup();
        GC.SuppressFinalize(this);
    }
}
