using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Interop.Htp;

[Collection("HTP simulator")]
public unsafe class HtpMatMulTests(HtpSimulator htp)
{
    [Theory]
    [InlineData(1, 64, 128, 64, 6)]
    [InlineData(2, 7, 33, 64, 6)]
    [InlineData(1, 1, 256, 128, 7)]
    public void A_power_of_two_quotient_is_exact(int batch, int queries, int keys, int dim, int shift)
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        QnnGraphBuilder b = context.CreateGraph("pilot");
        QnnTensor q = b.Input("q8", QnnDataType.SFixed8, [1, batch, queries, dim], QnnEncoding.ScaleOffset(1f));
        QnnTensor k = b.Input("k8", QnnDataType.SFixed8, [1, batch, keys, dim], QnnEncoding.ScaleOffset(1f));
        QnnTensor s = b.Output("scores", QnnDataType.SFixed8, [1, batch, queries, keys], QnnEncoding.ScaleOffset(1 << shift));
        b.MatMul(q, k, s, transposeIn1: true);
        using QnnGraph graph = b.FinalizeGraph();

        sbyte[] q8 = Int8(new Random(1), batch * queries * dim);
        sbyte[] k8 = Int8(new Random(2), batch * keys * dim);
        var scores = new sbyte[batch * queries * keys];
        fixed (sbyte* pq = q8, pk = k8, ps = scores)
        {
            graph.BindInput(0, pq, (nuint)q8.Length);
            graph.BindInput(1, pk, (nuint)k8.Length);
            graph.BindOutput(0, ps, (nuint)scores.Length);
            graph.Execute();
        }

        int ties = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            int head = i / (queries * keys);
            int query = i / keys % queries;
            int key = i % keys;
            int sum = 0;
            for (int d = 0; d < dim; d++)
            {
                sum += q8[((head * queries) + query) * dim + d] * k8[((head * keys) + key) * dim + d];
            }
            double exact = Math.Clamp(sum / (double)(1 << shift), sbyte.MinValue, sbyte.MaxValue);
            double distance = Math.Abs(scores[i] - exact);
            Assert.True(distance <= 0.5, $"score {i}: {scores[i]}, exactly {exact}");
            ties += distance == 0.5 ? 1 : 0;
        }
        Assert.True(ties < scores.Length / 8, $"{ties} of {scores.Length} are ties");
    }

    static sbyte[] Int8(Random random, int count)
    {
        var values = new sbyte[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (sbyte)random.Next(-40, 41);
        }
        return values;
    }
}
