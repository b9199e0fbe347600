using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli.Bench;

namespace ShadowAttn.Bench.Suites;

/// <summary>Multiply-adds or bytes per second at the mean, beside the times.</summary>
public sealed class RateColumn : IColumn
{
    /// <inheritdoc/>
    public string Id => nameof(RateColumn);

    /// <inheritdoc/>
    public string ColumnName => "Rate";

    /// <inheritdoc/>
    public bool AlwaysShow => true;

    /// <inheritdoc/>
    public ColumnCategory Category => ColumnCategory.Custom;

    /// <inheritdoc/>
    public int PriorityInCategory => 0;

    /// <inheritdoc/>
    public bool IsNumeric => true;

    /// <inheritdoc/>
    public UnitType UnitType => UnitType.Dimensionless;

    /// <inheritdoc/>
    public string Legend => "Multiply-adds or bytes per second at the mean";

    /// <inheritdoc/>
    public bool IsAvailable(Summary summary) => true;

    /// <inheritdoc/>
    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        if (summary[benchmarkCase]?.ResultStatistics is not { } statistics)
        {
            return "NA";
        }

        BenchEntry entry = BenchId.Parse(PeerBenchmarks.Registry, (string)benchmarkCase.Parameters[nameof(OperatorSuite.Benchmark)]);
        using BenchCase prepared = entry.Operator.Prepare(entry.Request);
        BenchWork work = prepared.Work;
        return work.Macs > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{work.Macs / statistics.Mean:F1} GMAC/s")
            : string.Create(CultureInfo.InvariantCulture, $"{work.Bytes / statistics.Mean:F1} GB/s");
    }

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);
}
