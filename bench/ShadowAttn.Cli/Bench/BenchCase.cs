namespace ShadowAttn.Cli.Bench;

/// <summary>One benchmark, prepared: all memory is there and filled, a call does what is to be measured and nothing else.</summary>
/// <param name="run">One call.</param>
/// <param name="work">What a call does.</param>
/// <param name="owned">What is disposed with the case; may be null.</param>
public sealed class BenchCase(Action run, BenchWork work, IDisposable? owned = null) : IDisposable
{
    /// <summary>One call.</summary>
    public Action Run { get; } = run;

    /// <summary>What a call does.</summary>
    public BenchWork Work { get; } = work;

    /// <summary>Nanoseconds of the last call that do not count, e.g. those of a stage that another device would take over; null for none.</summary>
    public Func<double>? ExcludedNs { get; init; }

    /// <summary>How long to wait after a sample until the threads of the implementation sleep.</summary>
    public TimeSpan Settle { get; init; }

    /// <summary>What else there is to say about the case, e.g. where its numbers come from.</summary>
    public string Note { get; init; } = string.Empty;

    /// <inheritdoc/>
    public void Dispose() => owned?.Dispose();
}
