using ShadowAttn.Attention;
using ShadowAttn.Cli.Files;

namespace ShadowAttn.Cli.Eval;

/// <summary>A way of attention to evaluate.</summary>
/// <param name="Mode">How it is computed.</param>
/// <param name="Keep">How many keys a row keeps; 1 in modes that compute all.</param>
/// <param name="MinKeys">The floor.</param>
/// <param name="Tail">What stands in for the dropped keys.</param>
/// <param name="Calibration">Has a keep ratio for every head, and the floor, instead; null for the same everywhere.</param>
internal sealed record EvalWay(AttentionMode Mode, KeepRatio Keep, int MinKeys, TailCompensation Tail, ProfileFile? Calibration = null)
{
    /// <summary>Exact attention: what the others are compared with.</summary>
    public static EvalWay Exact { get; } = new(AttentionMode.Dense, KeepRatio.Share(1), 1, TailCompensation.None);

    /// <summary>Whether the mode needs a QNN backend.</summary>
    public bool NeedsBackend => Mode is AttentionMode.Shadow or AttentionMode.NpuInt8;

    /// <summary>Whether the mode leaves keys out.</summary>
    public bool DropsKeys => Drops(Mode);

    /// <summary>Whether the mode can read keys and values from a cache.</summary>
    public bool TakesCache => Mode is AttentionMode.Shadow or AttentionMode.ShadowCpu or AttentionMode.Dense;

    /// <summary>The keep ratio as it is reported.</summary>
    public string KeepText => Calibration is null ? Keep.ToString() : "calibrated";

    /// <summary>Whether a mode leaves keys out.</summary>
    public static bool Drops(AttentionMode mode) => mode is not (AttentionMode.Dense or AttentionMode.NpuInt8);
}
