using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Run;

/// <summary>The options of <c>shadowattn run</c>, checked.</summary>
public sealed record RunOptions
{
    /// <summary>The bundled trace, beside the program.</summary>
    public static string BundledInput => Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors");

    /// <summary>The trace file.</summary>
    public string InputPath { get; init; } = BundledInput;

    /// <summary>How attention is computed.</summary>
    public AttentionMode Mode { get; init; } = AttentionMode.Shadow;

    /// <summary>How many keys a row keeps.</summary>
    public KeepRatio Keep { get; init; } = KeepRatio.Share(0.2);

    /// <summary>The calibration profile whose ratios the heads keep instead of <see cref="Keep"/>, or null.</summary>
    public string? CalibrationPath { get; init; }

    /// <summary>Whether rows are computed densely where that is faster. Not by default: what is asked for is what is measured.</summary>
    public bool Crossover { get; init; }

    /// <summary>In which order mode shadow takes its units.</summary>
    public HeadSchedule Schedule { get; init; }

    /// <summary>KV heads per pilot graph: 1, 2 or 4.</summary>
    public int HeadsPerGraph { get; init; } = 1;

    /// <summary>A row keeps at least this many of its visible keys.</summary>
    public int MinKeys { get; init; } = 64;

    /// <summary>What stands in for the keys that were not kept.</summary>
    public TailCompensation Tail { get; init; } = TailCompensation.Linear;

    /// <summary>What K and V are converted to before anything is timed.</summary>
    public KvFormat KvFormat { get; init; } = KvFormat.F32;

    /// <summary>Whether the kept keys are certified to be the exact top.</summary>
    public ExactTopK ExactTopK { get; init; }

    /// <summary>The first so many keys are kept always.</summary>
    public int Sinks { get; init; }

    /// <summary>The last so many keys that a row sees are kept always.</summary>
    public int Window { get; init; }

    /// <summary>A query sees at most so many keys; null for all up to its own.</summary>
    public int? SlidingWindow { get; init; }

    /// <summary>Whether the standard slopes of ALiBi are added to the logits.</summary>
    public bool Alibi { get; init; }

    /// <summary>Number of threads.</summary>
    public int Threads { get; init; } = Math.Min(Environment.ProcessorCount, AttentionOptions.MaxThreads);

    /// <summary>Which QNN backend is used, and how.</summary>
    public BackendOptions Backend { get; init; } = new();

    /// <summary>How pilot scores are scaled.</summary>
    public PilotBuckets Buckets { get; init; } = PilotBuckets.Universal;

    /// <summary>The file that receives the result as tensor <c>o</c> [heads, queries, headDim], or null.</summary>
    public string? OutputPath { get; init; }

    /// <summary>Number of timed repeats.</summary>
    public int Repeat { get; init; } = 5;

    /// <summary>Whether the report is JSON.</summary>
    public bool Json { get; init; }

    /// <summary>Whether more is said, e.g. the backend's log.</summary>
    public bool Verbose { get; init; }
}
