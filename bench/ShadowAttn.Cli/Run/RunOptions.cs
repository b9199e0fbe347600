namespace ShadowAttn.Cli.Run;

/// <summary>How attention is computed.</summary>
public enum RunMode
{
    /// <summary>Pilot scores by the QNN backend, exact attention over the kept keys by the CPU.</summary>
    Shadow,

    /// <summary>The same with pilot scores by the CPU's INT8 kernels.</summary>
    ShadowCpu,

    /// <summary>Exact attention over all keys by the CPU.</summary>
    Dense,
}

/// <summary>What stands in for the keys that were not kept.</summary>
public enum TailMode
{
    /// <summary>Their estimated mass times the mean value.</summary>
    Mean,

    /// <summary>Nothing: the paper's way.</summary>
    None,
}

/// <summary>How pilot scores are scaled.</summary>
public enum BucketMode
{
    /// <summary>One output scale for all heads; rows equalised by the channel variances.</summary>
    Universal,

    /// <summary>A ladder of scales per head, the smallest that does not saturate: the paper's way.</summary>
    Paper,
}

/// <summary>How many keys a row keeps: a share of the visible ones, or as many as hold a share of the softmax mass.</summary>
/// <param name="Value">In (0, 1].</param>
/// <param name="IsMass">Whether the share is one of mass.</param>
public readonly record struct KeepRule(double Value, bool IsMass);

/// <summary>The options of <c>shadowattn run</c>, checked.</summary>
public sealed record RunOptions
{
    /// <summary>The number of threads that can be asked for at most.</summary>
    public const int MaxThreads = 1024;

    /// <summary>The name of the backend that is built in.</summary>
    public const string BuiltInBackend = "soft";

    /// <summary>The bundled trace, beside the program.</summary>
    public static string BundledInput => Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors");

    /// <summary>The trace file.</summary>
    public string InputPath { get; init; } = BundledInput;

    /// <summary>How attention is computed.</summary>
    public RunMode Mode { get; init; }

    /// <summary>How many keys a row keeps.</summary>
    public KeepRule Keep { get; init; } = new(0.2, false);

    /// <summary>A row keeps at least this many of its visible keys.</summary>
    public int MinKeys { get; init; } = 64;

    /// <summary>What stands in for the keys that were not kept.</summary>
    public TailMode Tail { get; init; }

    /// <summary>Number of threads.</summary>
    public int Threads { get; init; } = Math.Min(Environment.ProcessorCount, MaxThreads);

    /// <summary>Path of a QNN backend library, or null for the built-in one.</summary>
    public string? BackendPath { get; init; }

    /// <summary>How pilot scores are scaled.</summary>
    public BucketMode Buckets { get; init; }

    /// <summary>The file that receives the result as tensor <c>o</c> [heads, queries, headDim], or null.</summary>
    public string? OutputPath { get; init; }

    /// <summary>Number of timed repeats.</summary>
    public int Repeat { get; init; } = 5;

    /// <summary>Whether the report is JSON.</summary>
    public bool Json { get; init; }

    /// <summary>Whether more is said, e.g. the backend's log.</summary>
    public bool Verbose { get; init; }
}
