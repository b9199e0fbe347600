using ShadowAttn.Bench.Peers.OnnxRuntime;
using ShadowAttn.Cli.Bench;

namespace ShadowAttn.Bench.Peers;

/// <summary>The command's benchmarks with those of other libraries beside them.</summary>
public static class PeerBenchmarks
{
    /// <summary>This project's operators, System.Numerics.Tensors, and ONNX Runtime where it can be loaded.</summary>
    public static BenchRegistry Registry { get; } = OnnxAttentionPeer.Unavailable is null
        ? BenchRegistry.Default.With(new TensorPrimitivesBench(), new OnnxAttentionBench())
        : BenchRegistry.Default.With(new TensorPrimitivesBench());
}
