using ShadowAttn.Graphs;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Prepare;

/// <summary>The options of <c>shadowattn prepare</c>, checked.</summary>
internal sealed record PrepareOptions
{
    /// <summary>The chip to prepare for.</summary>
    public required HtpChip Chip { get; init; }

    /// <summary>The calls to prepare graphs for.</summary>
    public required IReadOnlyList<PilotShape> Shapes { get; init; }

    /// <summary>How graphs are prepared.</summary>
    public QnnGraphOptions Graph { get; init; } = new();

    /// <summary>Path of the HTP backend that prepares; null for the first one found.</summary>
    public string? BackendPath { get; init; }

    /// <summary>The folder that receives the entries.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>Whether the report is JSON.</summary>
    public bool Json { get; init; }

    /// <summary>Whether more is said.</summary>
    public bool Verbose { get; init; }
}
