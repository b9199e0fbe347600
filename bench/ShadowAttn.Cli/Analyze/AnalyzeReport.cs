using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Analyze;

/// <summary>The JSON of <c>analyze</c>; names become snake_case.</summary>
/// <param name="Traces">In the order of the inputs.</param>
/// <param name="Mean">The mean of the traces.</param>
/// <param name="Output">The picture; null if none was asked for.</param>
internal sealed record AnalyzeReport(AnalyzedTrace[] Traces, AnalyzedHead Mean, string? Output);

internal sealed record AnalyzedTrace
{
    public required string Input { get; init; }

    public required string? Model { get; init; }

    public required int? Layer { get; init; }

    public required int Heads { get; init; }

    public required int KvHeads { get; init; }

    public required int Queries { get; init; }

    public required int Keys { get; init; }

    public required int HeadDim { get; init; }

    public required bool Causal { get; init; }

    /// <summary>Rows per head that the figures are means of.</summary>
    public required int Rows { get; init; }

    public required AnalyzedHead[] PerHead { get; init; }

    public required AnalyzedHead Mean { get; init; }

    public required AnalyzedKeys[] PerKvHead { get; init; }
}

/// <param name="Head">The query head; null for a mean.</param>
/// <param name="NegligibleShare">Share of the visible keys whose weight is below 1/(10·visible).</param>
/// <param name="KeysNeeded">The share of the visible keys that holds so much of the mass, heaviest first.</param>
/// <param name="SinkMass">Mass of the first 4 keys.</param>
/// <param name="LocalMass">Mass of the last 64 visible keys.</param>
/// <param name="EffectiveKeys">exp of the entropy of a row's weights.</param>
/// <param name="MassCurve">The mass of a row's heaviest 0, 1, ..., 100 % of the visible keys.</param>
internal sealed record AnalyzedHead(
    int? Head, double NegligibleShare, NeededKeys[] KeysNeeded, double SinkMass, double LocalMass, double EffectiveKeys, double[] MassCurve);

internal sealed record NeededKeys(double Mass, double Share);

/// <param name="KvHead">The KV head.</param>
/// <param name="OutlierRatio">Largest by median of the channels' largest magnitudes; null if the median is 0.</param>
/// <param name="OutlierChannel">The channel with the largest magnitude.</param>
/// <param name="LargestAbsMax">That magnitude.</param>
/// <param name="MedianAbsMax">The median.</param>
/// <param name="LargestMeanOverStd">The largest |mean| / standard deviation of a channel; null if no channel varies.</param>
/// <param name="ShiftedChannel">That channel.</param>
/// <param name="ConstantChannels">Channels that are the same in all keys.</param>
internal sealed record AnalyzedKeys(
    int KvHead,
    double? OutlierRatio,
    int OutlierChannel,
    double LargestAbsMax,
    double MedianAbsMax,
    double? LargestMeanOverStd,
    int? ShiftedChannel,
    int ConstantChannels);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(AnalyzeReport))]
internal sealed partial class AnalyzeJsonContext : JsonSerializerContext;
