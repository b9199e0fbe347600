using System.Globalization;
using Microsoft.Extensions.Logging;
using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>How pilot graphs are prepared and kept.</summary>
public sealed record PilotOptions
{
    /// <summary>Where finalised contexts are kept between processes; null for nowhere.</summary>
    public ContextCache? Cache { get; init; }

    /// <summary>How graphs are prepared; only for HTP backends, and part of what a cached context depends on.</summary>
    public QnnGraphOptions Graph { get; init; } = new();

    /// <summary>Priority and other options of the contexts.</summary>
    public QnnContextOptions Context { get; init; } = new();

    /// <summary>Told what came from the cache, what was rebuilt, and which memory is used.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>The options that a context binary depends on, as the cache writes them.</summary>
    internal string DescribeGraphOptions() => string.Create(
        CultureInfo.InvariantCulture,
        $"vtcm {Graph.VtcmMegabytes} hvx {Graph.HvxThreads} optimisation {Graph.OptimizationLevel} dlbc {Graph.CompressActivations} priority {Graph.Priority}");
}
