using ShadowAttn.Cli.Conformance.Areas;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Conformance;

/// <summary>All checks, by area.</summary>
internal static class ConformanceSuite
{
    private static readonly (string Name, Action<CheckRun> Run)[] s_areas =
    [
        ("interface", InterfaceChecks.Run),
        ("capability", CapabilityChecks.Run),
        ("log", LogChecks.Run),
        ("device", DeviceChecks.Run),
        ("context", ContextChecks.Run),
        ("config", ConfigChecks.Run),
        ("graph", GraphChecks.Run),
        ("matmul", MatMulChecks.Run),
        ("topk", TopKChecks.Run),
        ("softmax", SoftmaxChecks.Run),
        ("quantize", QuantizeChecks.Run),
        ("layout", LayoutChecks.Run),
        ("elementwise", ElementWiseChecks.Run),
        ("order", OrderChecks.Run),
        ("handle", HandleChecks.Run),
        ("execute", ExecuteChecks.Run),
        ("binary", BinaryChecks.Run),
        ("memory", MemoryChecks.Run),
        ("profile", ProfileChecks.Run),
        ("async", AsyncChecks.Run),
        ("thread", ThreadChecks.Run),
        ("optional", OptionalChecks.Run),
    ];

    /// <summary>Names of the areas, in their order.</summary>
    public static IReadOnlyList<string> Areas { get; } = [.. s_areas.Select(area => area.Name)];

    /// <summary>Runs the checks on a backend.</summary>
    /// <param name="library">The backend.</param>
    /// <param name="filter">Areas to run; empty for all.</param>
    /// <param name="isGuarded">Whether the backend is known to survive what makes HTP crash, such as buffers that are too small.</param>
    /// <param name="progress">Told how far it is.</param>
    public static ConformanceReport Run(QnnLibrary library, IReadOnlyCollection<string> filter, bool isGuarded, ProgressReporter? progress = null)
    {
        var checks = new List<CheckReport>();
        IReadOnlySet<string> operators = CheckRun.OperatorsOf(library);
        for (int i = 0; i < s_areas.Length; i++)
        {
            (string name, Action<CheckRun> run) = s_areas[i];
            if (filter.Count == 0 || filter.Contains(name))
            {
                progress?.Report($"checking {name}", i, s_areas.Length);
                run(new CheckRun(library, name, operators, isGuarded, checks.Add));
            }
        }

        return new ConformanceReport(
            library.Name, library.Info.CoreApiVersion.ToString(), InterfaceChecks.BuildIdOf(library), SummaryReport.Of(checks), checks);
    }
}
