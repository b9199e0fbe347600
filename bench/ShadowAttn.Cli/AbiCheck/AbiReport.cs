using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>What <c>abi-check</c> found.</summary>
/// <param name="Headers">Folder of the headers.</param>
/// <param name="Compiler">The compiler that measured them.</param>
/// <param name="OurApi">Core API of the bindings.</param>
/// <param name="TheirApi">Core API of the headers; empty when they do not say.</param>
/// <param name="Compared">Number of facts that were compared.</param>
/// <param name="Compatible">Whether a client of the bindings can drive a backend of the headers.</param>
/// <param name="Different">What is not compatible.</param>
/// <param name="Newer">What the headers have beyond the bindings; compatible, since it was appended.</param>
/// <param name="Older">What older headers do not have yet; compatible, since a client looks at the version first.</param>
internal sealed record AbiReport(
    string Headers,
    string Compiler,
    string OurApi,
    string TheirApi,
    int Compared,
    bool Compatible,
    IReadOnlyList<AbiFinding> Different,
    IReadOnlyList<AbiFinding> Newer,
    IReadOnlyList<AbiFinding> Older);

/// <summary>One thing that is not the same.</summary>
/// <param name="Subject">Header, struct, enum, type or constant.</param>
/// <param name="Member">Field or constant of it; null for the subject itself.</param>
/// <param name="What">What was compared: offset, size, value…</param>
/// <param name="Ours">As the bindings have it.</param>
/// <param name="Theirs">As the headers have it.</param>
internal sealed record AbiFinding(string Subject, string? Member, string What, string Ours, string Theirs)
{
    public override string ToString() => $"{(Member is null ? Subject : $"{Subject}.{Member}")}: {What}: ours {Ours}, theirs {Theirs}";
}

/// <summary>JSON of the report.</summary>
[JsonSerializable(typeof(AbiReport))]
internal sealed partial class AbiJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need.</summary>
    public static AbiJson CreateReadable() => new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
