using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Run;

/// <summary>The JSON of <c>run</c>; names become snake_case.</summary>
internal sealed record RunReport
{
    public required string Input { get; init; }

    public required string? Model { get; init; }

    public required int? Layer { get; init; }

    public required string Mode { get; init; }

    public required string Tail { get; init; }

    public required int MinKeys { get; init; }

    /// <summary><c>none</c>, <c>sure</c>, or how many standard errors: <c>2</c>, <c>3</c>.</summary>
    public required string ExactTopk { get; init; }

    /// <summary>Keys at the start that are always kept.</summary>
    public required int Sinks { get; init; }

    /// <summary>Keys at the end of what a row sees that are always kept.</summary>
    public required int Window { get; init; }

    /// <summary>The most keys that a query sees; null for all up to its own.</summary>
    public required int? SlidingWindow { get; init; }

    public required bool Alibi { get; init; }

    public required BackendReport? Backend { get; init; }

    public required string Isa { get; init; }

    public required int Threads { get; init; }

    public required int Heads { get; init; }

    public required int KvHeads { get; init; }

    public required int Queries { get; init; }

    public required int Keys { get; init; }

    public required int HeadDim { get; init; }

    public required bool Causal { get; init; }

    /// <summary>How K and V are stored: <c>f32</c>, <c>f16</c>, <c>bf16</c> or <c>q16</c>.</summary>
    public required string KvFormat { get; init; }

    /// <summary>A number for a share of the keys, <c>"mass:P"</c> for a share of the mass.</summary>
    public required object Keep { get; init; }

    /// <summary>The profile that the ratios are from; null without.</summary>
    public required string? Calibration { get; init; }

    /// <summary>The ratio of each head from the profile; null without, or where its layer is dense.</summary>
    public required double[]? KeepPerHead { get; init; }

    /// <summary>KV heads per pilot graph; 0 in modes without a pilot graph.</summary>
    public required int HeadsPerGraph { get; init; }

    /// <summary>Whether rows were computed densely where that is faster.</summary>
    public required bool Crossover { get; init; }

    public required int Repeat { get; init; }

    /// <summary>Median of the repeats; input conversion and planning excluded.</summary>
    public required double TotalMs { get; init; }

    public required double MinMs { get; init; }

    /// <summary>Planning of the first call: buffers, graphs, compiled code.</summary>
    public required double FirstCallMs { get; init; }

    /// <summary>Where the pilot graphs came from and how long that took; null without a backend.</summary>
    public required PreparationReport? GraphPreparation { get; init; }

    public required OperatorReport[] Operators { get; init; }

    public required double ExposedEstimateMs { get; init; }

    public required MassReport CapturedMass { get; init; }

    public required double Recall { get; init; }

    [JsonPropertyName("rel_l2_error")]
    public required double RelL2Error { get; init; }

    public required double MaxAbsError { get; init; }

    /// <summary>Rows that the accuracy figures are from: all, unless the call is so large that a sample is taken.</summary>
    public required long EvaluatedRows { get; init; }

    public required long KeptKeys { get; init; }

    public required long VisibleKeys { get; init; }

    public required long SaturatedScores { get; init; }

    public required long RescoredRows { get; init; }

    /// <summary>Keys that got an exact score because their pilot's error might have misplaced them.</summary>
    public required long ExactScores { get; init; }

    public required BucketReport[] Buckets { get; init; }

    /// <summary>Which memory the pilot's tensors are in, and whether the backend works on it in place; null without a pilot graph.</summary>
    public required string? PilotMemory { get; init; }

    /// <summary>The backend's profiling events of one call; null unless asked for.</summary>
    public required ProfileReport[]? Profile { get; init; }

    public required long BytesCopied { get; init; }

    /// <summary>Bytes allocated on the managed heap per call in steady state.</summary>
    public required long AllocatedBytes { get; init; }
}

internal sealed record BackendReport(string Name, string ApiVersion, string Build);

internal sealed record PreparationReport(int FromCache, int Composed, double Ms);

internal sealed record OperatorReport(string Name, string Device, double Ms, double Share);

internal sealed record MassReport(double Mean, double WorstHead);

internal sealed record BucketReport(int Rows, int Keys, float QueryScale, float KeyScale, float OutputScale, int Executions);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    WriteIndented = true,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(RunReport))]
[JsonSerializable(typeof(RunReport[]))]
[JsonSerializable(typeof(double))]
[JsonSerializable(typeof(string))]
internal sealed partial class RunJsonContext : JsonSerializerContext;
