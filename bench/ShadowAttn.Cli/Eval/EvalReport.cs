using System.Text.Json.Serialization;
using ShadowAttn.Cli.Run;

namespace ShadowAttn.Cli.Eval;

/// <summary>A model on a text with attention in one way; the JSON of <c>eval</c>.</summary>
/// <param name="Mode">How attention was computed.</param>
/// <param name="Keep">How many keys a row keeps; 1 in modes that compute all.</param>
/// <param name="MinKeys">The floor.</param>
/// <param name="Tail">What stands in for the dropped keys.</param>
/// <param name="Calibration">The profile whose ratios the heads keep; null for the same everywhere.</param>
/// <param name="Backend">The QNN backend; null where the mode needs none.</param>
/// <param name="Model">The model's file.</param>
/// <param name="Text">The text's file.</param>
/// <param name="Tokens">Evaluated tokens.</param>
/// <param name="Chunk">Tokens of a call.</param>
/// <param name="KvFormat">The format of the caches; null where whole tensors were used.</param>
/// <param name="MeanNll">Mean negative log-likelihood of the tokens after the first, in nats.</param>
/// <param name="Perplexity">e^mean_nll.</param>
/// <param name="Top1Agreement">Share of the tokens after which the most likely token is that of exact attention.</param>
/// <param name="KlToDense">Mean KL divergence of the next token's distribution from that of exact attention, in nats.</param>
/// <param name="MeanKeep">Computed keys by visible keys.</param>
/// <param name="AttentionMs">Wall time in the operator, plans and graphs included; the least of the repeats.</param>
/// <param name="AttentionShare">Its share of the time of all layers.</param>
/// <param name="PrefillMs">Wall time of all layers; the least of the repeats.</param>
/// <param name="TokensPerSecond">Tokens by that time.</param>
/// <param name="PeakMemoryBytes">The most memory that the process has used so far.</param>
/// <param name="Nll">The negative log-likelihood of every token after the first; null unless asked for.</param>
internal sealed record EvalReport(
    string Mode,
    string Keep,
    int MinKeys,
    string Tail,
    string? Calibration,
    BackendReport? Backend,
    string Model,
    string Text,
    int Tokens,
    int Chunk,
    string? KvFormat,
    double MeanNll,
    double Perplexity,
    double Top1Agreement,
    double KlToDense,
    double MeanKeep,
    double AttentionMs,
    double AttentionShare,
    double PrefillMs,
    double TokensPerSecond,
    long PeakMemoryBytes,
    float[]? Nll);

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EvalReport))]
[JsonSerializable(typeof(EvalReport[]))]
internal sealed partial class EvalJsonContext : JsonSerializerContext;
