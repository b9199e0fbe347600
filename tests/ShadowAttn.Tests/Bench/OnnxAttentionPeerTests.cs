using ShadowAttn.Cli.Bench;
using ShadowAttn.Bench.Peers.OnnxRuntime;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class OnnxAttentionPeerTests
{
    [Theory]
    [InlineData(OnnxAttentionKind.MultiHead, 4, 2, 32, 24, 24, true, 1)]
    [InlineData(OnnxAttentionKind.MultiHead, 4, 2, 32, 9, 24, false, 2)]
    [InlineData(OnnxAttentionKind.GroupQuery, 6, 2, 64, 33, 33, true, 1)]
    [InlineData(OnnxAttentionKind.GroupQuery, 4, 4, 16, 20, 20, true, 2)]
    [InlineData(OnnxAttentionKind.Standard, 6, 2, 32, 24, 24, true, 2)]
    [InlineData(OnnxAttentionKind.Standard, 4, 1, 32, 9, 24, false, 1)]
    public void OutputIsExactAttention(OnnxAttentionKind kind, int heads, int kvHeads, int dim, int queries, int keys, bool causal, int threads)
    {
        Assert.SkipWhen(OnnxAttentionPeer.Unavailable is not null, OnnxAttentionPeer.Unavailable ?? string.Empty);
        var shape = new AttentionShape(heads, kvHeads, dim, queries, keys, causal);
        AttentionData data = AttentionData.Generate(shape, seed: 5);
        using var peer = new OnnxAttentionPeer(kind, shape, data, threads);

        peer.Compute();

        float[] output = new float[shape.QueryLength];
        peer.CopyOutput(output);
        double[] expected = ExactAttention(shape, data);
        for (int i = 0; i < output.Length; i++)
        {
            Assert.Equal(expected[i], output[i], 1e-5);
        }
    }

    [Fact]
    public void AnOperatorRefusesAShapeThatItCannotCompute()
    {
        var shape = new AttentionShape(4, 2, 32, 8, 24, Causal: false);
        AttentionData data = AttentionData.Generate(shape, seed: 1);

        ArgumentException error = Assert.Throws<ArgumentException>(() => new OnnxAttentionPeer(OnnxAttentionKind.GroupQuery, shape, data, 1));

        Assert.Contains("GroupQueryAttention cannot compute", error.Message, StringComparison.Ordinal);
    }

    private static double[] ExactAttention(AttentionShape shape, AttentionData data)
    {
        double[] output = new double[shape.QueryLength];
        for (int row = 0; row < shape.Heads * shape.Queries; row++)
        {
            int kvRow = row / shape.Queries / shape.Group * shape.Keys;
            int visible = shape.Causal ? shape.Keys - shape.Queries + (row % shape.Queries) + 1 : shape.Keys;
            double[] weights = new double[visible];
            for (int i = 0; i < visible; i++)
            {
                for (int d = 0; d < shape.HeadDim; d++)
                {
                    weights[i] += (double)data.Queries[(row * shape.HeadDim) + d] * data.Keys[((kvRow + i) * shape.HeadDim) + d];
                }
            }

            double top = weights.Max();
            double sum = 0;
            for (int i = 0; i < visible; i++)
            {
                weights[i] = Math.Exp((weights[i] - top) * shape.Scale);
                sum += weights[i];
            }

            for (int d = 0; d < shape.HeadDim; d++)
            {
                for (int i = 0; i < visible; i++)
                {
                    output[(row * shape.HeadDim) + d] += weights[i] / sum * data.Values[((kvRow + i) * shape.HeadDim) + d];
                }
            }
        }

        return output;
    }
}
