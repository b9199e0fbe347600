using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>
/// Whole calls that continue a cache: each appends the keys of its queries and attends. Up to 64 calls follow each other until the cache has
/// the keys of the shape; then it is cut back. One query is a step of decode.
/// </summary>
public sealed class CachedAttentionBench : AttentionBench
{
    /// <inheritdoc/>
    public override string Name => "attention-cached";

    /// <inheritdoc/>
    public override string Summary => "append to a cache and attend: decode, or a chunk of prefill";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions => [.. base.Functions.Where(f => f.Name is not ("sparse-cpu" or "block-sparse"))];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["12/2x128,1x8192,causal"];

    /// <inheritdoc/>
    public override IReadOnlyList<KvFormat> KvFormats => [KvFormat.F32, KvFormat.F16, KvFormat.BF16, KvFormat.Q16];

    /// <inheritdoc/>
    protected override bool IsCached => true;
}
