using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Eval;

/// <summary>The options of <c>shadowattn eval</c>, checked.</summary>
internal sealed record EvalOptions
{
    /// <summary>The model's GGUF file.</summary>
    public required string ModelPath { get; init; }

    /// <summary>The text, UTF-8.</summary>
    public required string TextPath { get; init; }

    /// <summary>The first so many tokens of the text are evaluated; null for all, up to the model's context.</summary>
    public int? Tokens { get; init; }

    /// <summary>The ways to compute attention; every one with every keep ratio, dense once.</summary>
    public required IReadOnlyList<AttentionMode> Modes { get; init; }

    /// <summary>How many keys a row keeps.</summary>
    public required IReadOnlyList<KeepRatio> Keeps { get; init; }

    /// <summary>Profiles with a keep ratio for every head, beside the same ratio for all.</summary>
    public IReadOnlyList<ProfileFile> Calibrations { get; init; } = [];

    /// <summary>What stands in for the keys that were not kept.</summary>
    public required IReadOnlyList<TailCompensation> Tails { get; init; }

    /// <summary>A row keeps at least this many of its visible keys.</summary>
    public required int MinKeys { get; init; }

    /// <summary>Tokens of a call.</summary>
    public required int Chunk { get; init; }

    /// <summary>
    /// The format of the caches of the modes that take one; null for whole tensors when the text is one call, and caches in fp32 when it is cut into chunks.
    /// </summary>
    public KvFormat? KvFormat { get; init; }

    /// <summary>Whether rows are computed densely where that is faster.</summary>
    public bool Crossover { get; init; }

    /// <summary>How often every way is computed; times are the least.</summary>
    public int Repeat { get; init; } = 1;

    /// <summary>Number of threads.</summary>
    public required int Threads { get; init; }

    /// <summary>Which QNN backend is used, and how.</summary>
    public required BackendOptions Backend { get; init; }

    /// <summary>Whether the report has the likelihood of every token.</summary>
    public bool PerToken { get; init; }

    /// <summary>Whether the report is JSON.</summary>
    public bool Json { get; init; }

    /// <summary>Whether more is said.</summary>
    public bool Verbose { get; init; }
}
