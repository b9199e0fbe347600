using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ShadowAttn.Graphs;

namespace ShadowAttn.Cli.Cache;

/// <summary>What <c>cache list</c> says.</summary>
/// <param name="Folder">The cache's folder.</param>
/// <param name="Bytes">Size of all entries.</param>
/// <param name="Entries">The entries, the one used last first.</param>
internal sealed record CacheListReport(string Folder, long Bytes, IReadOnlyList<CacheEntryReport> Entries);

/// <summary>What <c>cache verify</c> says.</summary>
/// <param name="Folder">The cache's folder.</param>
/// <param name="Entries">How many entries were read.</param>
/// <param name="Broken">Those that will not be used.</param>
internal sealed record CacheVerifyReport(string Folder, int Entries, IReadOnlyList<CacheProblemReport> Broken);

/// <summary>What <c>cache clear</c> says.</summary>
/// <param name="Folder">The cache's folder.</param>
/// <param name="Removed">How many entries were removed.</param>
/// <param name="Left">Files that could not be removed.</param>
internal sealed record CacheClearReport(string Folder, int Removed, IReadOnlyList<string> Left);

/// <summary>An entry that will not be used.</summary>
/// <param name="File">Its file.</param>
/// <param name="Problem">Why.</param>
internal sealed record CacheProblemReport(string File, string Problem);

/// <summary>An entry of the cache.</summary>
/// <param name="File">Its file.</param>
/// <param name="Bytes">Size of the file.</param>
/// <param name="LastUsed">When it was last read or written, UTC.</param>
/// <param name="Provider">Name of the backend that made it; null when the entry is broken, as are the next two.</param>
/// <param name="Build">Build id of the backend.</param>
/// <param name="Chip">The chip that it is for; empty where the backend does not say.</param>
/// <param name="Graphs">Names of its graphs.</param>
/// <param name="Problem">Why it will not be used; null when it is whole.</param>
internal sealed record CacheEntryReport(
    string File,
    long Bytes,
    DateTime LastUsed,
    string? Provider,
    string? Build,
    string? Chip,
    IReadOnlyList<string> Graphs,
    string? Problem)
{
    /// <summary>Takes an entry's description, as <see cref="ContextIdentity.Describe"/> writes it, apart.</summary>
    public static CacheEntryReport From(ContextCacheEntry entry)
    {
        string[] lines = entry.Description.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return new CacheEntryReport(
            entry.Path, entry.Bytes, entry.LastUsed, Values("provider").FirstOrDefault(), Values("build").FirstOrDefault(),
            Values("chip").FirstOrDefault(), [.. Values("graph")], entry.Problem);

        IEnumerable<string> Values(string name) => lines
            .Where(line => line.StartsWith(name + " ", StringComparison.Ordinal))
            .Select(line => InputException.OneLine(line[(name.Length + 1)..]));
    }
}

/// <summary>JSON of the reports.</summary>
[JsonSerializable(typeof(CacheListReport))]
[JsonSerializable(typeof(CacheVerifyReport))]
[JsonSerializable(typeof(CacheClearReport))]
internal sealed partial class CacheJson : JsonSerializerContext
{
    /// <summary>Snake case, indented, without escapes that only web pages need.</summary>
    public static CacheJson CreateReadable() => new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
