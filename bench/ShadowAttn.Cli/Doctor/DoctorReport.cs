using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Cli.Doctor;

/// <summary>What this machine has.</summary>
/// <param name="Version">Version of this program.</param>
/// <param name="System">Operating system, processor architecture and runtime.</param>
/// <param name="Processors">Number of logical processors that this process may use.</param>
/// <param name="Isa">Instruction sets.</param>
/// <param name="Memory">Kinds of unmanaged memory.</param>
/// <param name="Qnn">The QNN API and the backends that were found.</param>
/// <param name="Cache">The contexts that are kept on disk.</param>
internal sealed record DoctorReport(
    string Version, SystemReport System, int Processors, IsaReport Isa, IReadOnlyList<MemoryReport> Memory, QnnReport Qnn, CacheReport Cache);

/// <summary>Operating system, processor architecture and runtime, as they name themselves.</summary>
internal sealed record SystemReport(string Os, string Architecture, string Runtime);

/// <summary>Instruction sets.</summary>
/// <param name="Active">The best one that kernels use.</param>
/// <param name="Supported">All that the processor can run, worst first.</param>
/// <param name="Problem">What is wrong with SHADOWATTN_ISA, or null.</param>
internal sealed record IsaReport(string Active, IReadOnlyList<string> Supported, string? Problem);

/// <summary>A kind of unmanaged memory.</summary>
/// <param name="Kind">Its name.</param>
/// <param name="Available">Whether the machine has it.</param>
/// <param name="Detail">What it is based on, or why there is none.</param>
internal sealed record MemoryReport(string Kind, bool Available, string Detail);

/// <summary>The QNN API and the backends that were found.</summary>
/// <param name="ApiVersion">Core API that the bindings describe.</param>
/// <param name="OldestApiVersion">Oldest core API that can be driven.</param>
/// <param name="SdkRoot">QNN_SDK_ROOT, or null.</param>
/// <param name="BuiltIn">The built-in backend.</param>
/// <param name="Search">The places of the search, in its order.</param>
internal sealed record QnnReport(
    string ApiVersion, string OldestApiVersion, string? SdkRoot, BackendReport BuiltIn, IReadOnlyList<BackendReport> Search);

/// <summary>What a place of the search has.</summary>
/// <param name="Source">Why this place is looked at.</param>
/// <param name="Path">The place.</param>
/// <param name="Usable">Whether a backend there can be driven.</param>
/// <param name="Detail">Provider and version, or the reason why not.</param>
/// <param name="ApiVersion">The core API version of the backend, or null.</param>
/// <param name="Build">Its build id, which has the version of its SDK, or null.</param>
/// <param name="Chip">The chip that it prepares graphs for, as the context cache names it; null where it does not say.</param>
internal sealed record BackendReport(
    string Source, string Path, bool Usable, string Detail, string? ApiVersion, string? Build, string? Chip);

/// <summary>The contexts that are kept on disk.</summary>
/// <param name="Folder">Where.</param>
/// <param name="Entries">How many are whole.</param>
/// <param name="Bytes">Their size.</param>
/// <param name="Problems">What is wrong with others, or with the folder; they will be rebuilt.</param>
internal sealed record CacheReport(string Folder, int Entries, long Bytes, IReadOnlyList<string> Problems);

/// <summary>JSON of the report.</summary>
[JsonSerializable(typeof(DoctorReport))]
internal sealed partial class DoctorJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need.</summary>
    public static DoctorJson CreateReadable()
        => new(new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            WriteIndented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        });
}
