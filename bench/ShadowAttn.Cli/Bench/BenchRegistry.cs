using ShadowAttn.Cli.Bench.Operators;
using ShadowAttn.Cli.Bench.Peaks;

namespace ShadowAttn.Cli.Bench;

/// <summary>All operators that can be benchmarked. A new operator adds one line; a new variant of an operator adds nothing.</summary>
/// <param name="operators">The operators.</param>
public sealed class BenchRegistry(params IEnumerable<OperatorBench> operators)
{
    /// <summary>This project's operators, whole attention, and the machine's peaks.</summary>
    public static BenchRegistry Default { get; } = new(
        new ChannelStatsBench(),
        new DenseAttentionBench(),
        new DenseProductBench(),
        new ExpBench(),
        new GatherAttentionBench(),
        new HalfConvertBench(),
        new QuantizeBench(),
        new Int8ScoresBench(),
        new TopKSelectBench(),
        new TailMassBench(),
        new TailMomentsBench(),
        new AttentionBench(),
        new CachedAttentionBench(),
        new PeakBench());

    /// <summary>The operators, by name.</summary>
    public IReadOnlyList<OperatorBench> Operators { get; } = [.. operators.OrderBy(o => o.Name, StringComparer.Ordinal)];

    /// <summary>The same with further operators, e.g. other libraries' for comparison.</summary>
    public BenchRegistry With(params IEnumerable<OperatorBench> more) => new(Operators.Concat(more));

    /// <summary>The operator of a name, or null.</summary>
    public OperatorBench? Find(string name) => Operators.FirstOrDefault(o => o.Name == name);
}
