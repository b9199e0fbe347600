using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Calibrate;

/// <summary>The JSON of <c>calibrate</c>; names become snake_case.</summary>
internal sealed record CalibrateReport
{
    public required string Output { get; init; }

    public required string? Model { get; init; }

    public required double? Budget { get; init; }

    public required double? TargetMass { get; init; }

    public required int MinKeys { get; init; }

    public required LayerReport[] Layers { get; init; }

    /// <summary>The profile on the traces that it is from.</summary>
    public required ComparisonReport Inputs { get; init; }

    /// <summary>The profile on the traces that it has not seen; null without <c>--check</c>.</summary>
    public required ComparisonReport? Checks { get; init; }
}

internal sealed record LayerReport(int Layer, bool Dense, double[] Keep, double MeanKeep, double CapturedMass);

/// <summary>Means over the traces of sparse layers. The uniform ratio is the one that keeps as many keys as the profile does.</summary>
internal sealed record ComparisonReport(double KeptShare, double UniformKeep, double CapturedMass, double UniformMass, TraceReport[] Traces);

internal sealed record TraceReport(
    string Input, int Layer, double KeptShare, double CapturedMass, double WorstHead, double UniformMass, double UniformWorstHead);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(CalibrateReport))]
internal sealed partial class CalibrateJsonContext : JsonSerializerContext;
