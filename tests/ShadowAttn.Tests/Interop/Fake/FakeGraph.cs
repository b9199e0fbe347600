using ShadowAttn.Interop;

namespace ShadowAttn.Tests.Interop.Fake;

/// <summary>A graph with two inputs and an output, composed on the fake provider.</summary>
static class FakeGraph
{
    public const int InputBytes = 64;
    public const int KeyBytes = 32;
    public const int OutputBytes = 64;

    public static QnnGraphBuilder Builder(QnnContext context, string name = "pilot", QnnGraphOptions? options = null)
    {
        QnnGraphBuilder b = context.CreateGraph(name, options);
        QnnTensor q = b.Input("q8", QnnDataType.SFixed8, [1, 1, 8, 8], QnnEncoding.ScaleOffset(1f));
        QnnTensor k = b.Input("k8", QnnDataType.SFixed8, [1, 1, 4, 8], QnnEncoding.ScaleOffset(1f));
        QnnTensor s = b.Output("scores", QnnDataType.SFixed16, [1, 1, 8, 4], QnnEncoding.ScaleOffset(8f));
        b.MatMul(q, k, s, transposeIn1: true);
        return b;
    }

    public static QnnGraph Compose(QnnContext context, string name = "pilot", QnnGraphOptions? options = null)
    {
        using QnnGraphBuilder b = Builder(context, name, options);
        return b.FinalizeGraph();
    }
}
