using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Reports;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Bench.Peers;

/// <summary>One implementation with one number of threads.</summary>
/// <param name="Name">The implementation.</param>
/// <param name="Exact">Whether it computes exact attention.</param>
/// <param name="Threads">Its threads.</param>
/// <param name="MinMs">The fastest call.</param>
/// <param name="MedianMs">The median call.</param>
/// <param name="Calls">Measured calls.</param>
/// <param name="MaxAbsDifference">Largest difference of an output element from the dense reference of this run.</param>
/// <param name="RelL2Difference">‖O - O_dense‖ / ‖O_dense‖.</param>
public sealed record PeerResult(
    string Name, bool Exact, int Threads, double MinMs, double MedianMs, int Calls, double MaxAbsDifference, double RelL2Difference);

/// <summary>All measurements of one run.</summary>
/// <param name="Machine">Where.</param>
/// <param name="OnnxRuntime">ONNX Runtime's version; null when it cannot be loaded.</param>
/// <param name="Shape">The shape of a call.</param>
/// <param name="Data">Where Q, K and V come from.</param>
/// <param name="Results">The measurements.</param>
public sealed record PeerReport(Machine Machine, string? OnnxRuntime, AttentionShape Shape, string Data, IReadOnlyList<PeerResult> Results)
{
    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
    };

    /// <summary>The report as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, JsonOptions);

    /// <summary>The report as a Markdown table: a row per implementation, two columns per number of threads.</summary>
    public string ToTable()
    {
        int[] threads = [.. Results.Select(r => r.Threads).Distinct()];
        var lines = new List<string>
        {
            $"{Shape}; {Data}",
            $"{Machine.Cpu}, {Machine.Architecture}, kernels {Machine.Isa}; {Machine.Runtime}{(OnnxRuntime is null ? string.Empty : $"; ONNX Runtime {OnnxRuntime}")}",
            string.Empty,
            $"| fp32, milliseconds: minimum (median) | {string.Join(" | ", threads.Select(t => $"{t} thread{(t == 1 ? string.Empty : "s")}"))} | max abs difference |",
            $"|---|{string.Concat(threads.Select(_ => "---:|"))}---:|",
        };
        foreach (IGrouping<string, PeerResult> peer in Results.GroupBy(r => r.Name))
        {
            IEnumerable<string> cells = threads.Select(t => peer.FirstOrDefault(r => r.Threads == t) is { } r
                ? string.Create(CultureInfo.InvariantCulture, $"{r.MinMs:F1} ({r.MedianMs:F1})")
                : string.Empty);
            lines.Add(string.Create(
                CultureInfo.InvariantCulture, $"| {peer.Key} | {string.Join(" | ", cells)} | {peer.Max(r => r.MaxAbsDifference):E1} |"));
        }

        return string.Join(Environment.NewLine, lines);
    }
}
