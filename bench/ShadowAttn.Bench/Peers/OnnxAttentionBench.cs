using ShadowAttn.Bench.Peers.OnnxRuntime;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Operators;
using ShadowAttn.Cli.Bench.Suites;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Peers;

/// <summary>ONNX Runtime's attention on its CPU provider, with the numbers of <see cref="AttentionBench"/>.</summary>
public sealed class OnnxAttentionBench : OperatorBench
{
    /// <summary>Its threads keep spinning for a while after a call; the next benchmark waits until they sleep.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(25);

    private static readonly (string Name, string Summary, OnnxAttentionKind Kind)[] s_kinds =
    [
        ("multi-head", "com.microsoft MultiHeadAttention, KV heads repeated", OnnxAttentionKind.MultiHead),
        ("group-query", "com.microsoft GroupQueryAttention", OnnxAttentionKind.GroupQuery),
        ("attention-23", "Attention of the ONNX standard, opset 23", OnnxAttentionKind.Standard),
    ];

    /// <inheritdoc/>
    public override string Name => TargetSuite.PeerAttention;

    /// <inheritdoc/>
    public override string Summary => "ONNX Runtime's attention, for comparison";

    /// <inheritdoc/>
    public override IReadOnlyList<InstructionSet> Variants => [InstructionSets.Supported[^1]];

    /// <inheritdoc/>
    public override InstructionSet Best => Variants[0];

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions { get; } = [.. s_kinds.Select(k => new BenchFunction(k.Name, k.Summary, BenchKnobs.Input))];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new AttentionShapeSyntax();

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["12/2x128,1024x1024,causal"];

    /// <inheritdoc/>
    public override bool UsesThreads => true;

    /// <inheritdoc/>
    public override BenchCase Prepare(BenchRequest request)
    {
        AttentionShape shape = AttentionShapeSyntax.ToAttention(request.Shape);
        OnnxAttentionKind kind = Array.Find(s_kinds, k => k.Name == request.Function.Name).Kind;
        if (!OnnxAttentionModels.Supports(kind, shape))
        {
            throw new InputException($"--shape: {OnnxAttentionModels.Name(kind)} cannot compute {shape.ToString()}");
        }

        AttentionData data = AttentionBench.Load(shape, request.Input);
        var peer = new OnnxAttentionPeer(kind, shape, data, request.Threads);
        double visible = shape.Heads * (shape.Causal ? (double)shape.Keys * (shape.Keys + 1) / 2 : (double)shape.Keys * shape.Queries);
        var work = new BenchWork(WorkBound.Fp32) { Macs = 2 * visible * shape.HeadDim, Elements = visible, Element = "score" };
        return new BenchCase(peer.Compute, work, peer) { Settle = s_settle, Note = data.Source };
    }
}
