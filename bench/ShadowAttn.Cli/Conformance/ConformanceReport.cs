using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Conformance;

/// <summary>How a backend did.</summary>
/// <param name="Backend">Name of the library, or of the built-in backend.</param>
/// <param name="ApiVersion">Core API of its provider.</param>
/// <param name="Build">Its build id; empty if it does not say.</param>
/// <param name="Summary">Counts.</param>
/// <param name="Checks">Every check in its order.</param>
internal sealed record ConformanceReport(string Backend, string ApiVersion, string Build, SummaryReport Summary, IReadOnlyList<CheckReport> Checks)
{
    /// <summary>Whether no check failed.</summary>
    [JsonIgnore]
    public bool Passed => Summary.Fail == 0;
}

/// <summary>Counts of checks.</summary>
internal sealed record SummaryReport(int Pass, int Fail, int NotSupported)
{
    public static SummaryReport Of(IReadOnlyList<CheckReport> checks) => new(
        checks.Count(c => c.Result == CheckResult.Pass),
        checks.Count(c => c.Result == CheckResult.Fail),
        checks.Count(c => c.Result == CheckResult.NotSupported));
}

/// <summary>A check and how it ended.</summary>
/// <param name="Area">What part of the interface it is about.</param>
/// <param name="Name">What it checks.</param>
/// <param name="Result">How it ended.</param>
/// <param name="Detail">What was seen; of a failure, what was expected too.</param>
/// <param name="KnownDifference">A difference from what the interface promises that HTP is known to have; null for none.</param>
internal sealed record CheckReport(string Area, string Name, CheckResult Result, string Detail, string? KnownDifference)
{
    public CheckReport(string area, string name, Verdict verdict)
        : this(area, name, verdict.Result, InputException.OneLine(verdict.Detail), verdict.KnownDifference)
    {
    }

    /// <summary>The result as it is written.</summary>
    public static string NameOf(CheckResult result) => result switch
    {
        CheckResult.Pass => "pass",
        CheckResult.Fail => "fail",
        _ => "not supported",
    };
}

/// <summary>JSON of the report.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(ConformanceReport))]
internal sealed partial class ConformanceJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need.</summary>
    public static ConformanceJson CreateReadable() => new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter<CheckResult>(JsonNamingPolicy.SnakeCaseLower) },
    });
}
