using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Prepare;

/// <summary>What <c>prepare</c> did.</summary>
/// <param name="Backend">The backend that prepared the graphs; the device needs one of the same build.</param>
/// <param name="Target">The chip that they are for.</param>
/// <param name="Folder">The cache folder.</param>
/// <param name="Entries">An entry per shape.</param>
/// <param name="VerifiedOnHardware">Always false: no entry prepared so has been seen to run on a device.</param>
internal sealed record PrepareReport(
    PrepareBackendReport Backend, PrepareTargetReport Target, string Folder, IReadOnlyList<PrepareEntryReport> Entries, bool VerifiedOnHardware);

/// <summary>The backend that prepared the graphs.</summary>
internal sealed record PrepareBackendReport(string Name, string ApiVersion, string Build);

/// <summary>The chip that graphs were prepared for.</summary>
/// <param name="Soc">SoC model number.</param>
/// <param name="Name">The chip's name, where known.</param>
/// <param name="Arch">HTP generation.</param>
/// <param name="VtcmMb">Size of its tightly coupled memory.</param>
/// <param name="CacheName">The chip as the cache's entries name it.</param>
internal sealed record PrepareTargetReport(uint Soc, string Name, string Arch, int VtcmMb, string CacheName);

/// <summary>A cache entry.</summary>
/// <param name="Shape">The call: heads, KV heads, queries, keys, channels.</param>
/// <param name="Causal">Whether it is causal.</param>
/// <param name="File">The entry's file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Graphs">Names of its graphs.</param>
/// <param name="Written">False when the entry was there already and the backend took it.</param>
/// <param name="Ms">Time that the graphs took.</param>
internal sealed record PrepareEntryReport(
    IReadOnlyList<int> Shape, bool Causal, string File, long Bytes, IReadOnlyList<string> Graphs, bool Written, double Ms);

/// <summary>JSON of the report.</summary>
[JsonSerializable(typeof(PrepareReport))]
internal sealed partial class PrepareJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need.</summary>
    public static PrepareJson CreateReadable() => new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
