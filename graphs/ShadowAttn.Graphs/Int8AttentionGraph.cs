using System.Globalization;
using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>
/// Whole attention of a block of queries as one INT8 graph, with static per-tensor encodings: the way that loses accuracy, kept as the
/// baseline that the paper compares with.
/// </summary>
/// <param name="Group">Query heads per KV head, stacked as rows.</param>
/// <param name="Queries">Queries of the block.</param>
/// <param name="Keys">Keys of the bucket.</param>
/// <param name="Dim">Channels of a head.</param>
/// <param name="FirstVisible">Keys that the block's first query sees.</param>
/// <param name="VisibleStep">Keys that each further query sees more: 1 for causal attention, 0 otherwise.</param>
/// <param name="QueryScale">Encoding of Q with the attention's scale folded in.</param>
/// <param name="KeyScale">Encoding of K.</param>
/// <param name="LogitScale">Encoding of the logits.</param>
/// <param name="ValueScale">Encoding of V.</param>
/// <param name="OutputScale">Encoding of O.</param>
public readonly record struct Int8AttentionSpec(
    int Group,
    int Queries,
    int Keys,
    int Dim,
    int FirstVisible,
    int VisibleStep,
    float QueryScale,
    float KeyScale,
    float LogitScale,
    float ValueScale,
    float OutputScale)
{
    /// <summary>Rows of Q and O: the queries of all heads of the group.</summary>
    public int Rows => Group * Queries;
}

/// <summary>
/// The finalised graph: Q [1, 1, rows, dim] u8 × K [1, 1, keys, dim]ᵀ s8 → logits u8, + mask, softmax → weights u8 / 256,
/// × V [1, 1, keys, dim] s8 → O [1, 1, rows, dim] u8. Unsigned tensors have offset -128.
/// </summary>
/// <remarks>
/// The mask drives hidden keys' logits to the low end of their encoding, as INT8 exports of language models do: they weigh little, not nothing.
/// </remarks>
public sealed unsafe class Int8AttentionGraph : IDisposable
{
    private const int Offset = -128;

    private readonly QnnContext context;
    private readonly QnnGraph graph;

    private Int8AttentionGraph(Int8AttentionSpec spec, QnnContext context, QnnGraph graph)
    {
        Spec = spec;
        this.context = context;
        this.graph = graph;
    }

    /// <summary>What the graph was composed for.</summary>
    public Int8AttentionSpec Spec { get; }

    /// <summary>Composes, validates and finalises the graph in a context of its own.</summary>
    /// <param name="backend">The backend; must outlive the graph.</param>
    /// <param name="spec">Shape and encodings.</param>
    /// <exception cref="QnnException">The backend refuses the graph.</exception>
    public static Int8AttentionGraph Compose(QnnBackend backend, Int8AttentionSpec spec)
    {
        ArgumentNullException.ThrowIfNull(backend);
        QnnContext context = backend.CreateContext();
        try
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"int8_attention_r{spec.Rows}_k{spec.Keys}_d{spec.Dim}_v{spec.FirstVisible}");
            QnnGraphBuilder b = context.CreateGraph(name);
            int[] scores = [1, 1, spec.Rows, spec.Keys];
            QnnEncoding logits = QnnEncoding.ScaleOffset(spec.LogitScale, Offset);
            QnnTensor q = b.Input("q", QnnDataType.UFixed8, [1, 1, spec.Rows, spec.Dim], QnnEncoding.ScaleOffset(spec.QueryScale, Offset));
            QnnTensor k = b.Input("k", QnnDataType.SFixed8, [1, 1, spec.Keys, spec.Dim], QnnEncoding.ScaleOffset(spec.KeyScale, 0));
            QnnTensor v = b.Input("v", QnnDataType.SFixed8, [1, 1, spec.Keys, spec.Dim], QnnEncoding.ScaleOffset(spec.ValueScale, 0));
            QnnTensor o = b.Output("o", QnnDataType.UFixed8, [1, 1, spec.Rows, spec.Dim], QnnEncoding.ScaleOffset(spec.OutputScale, Offset));
            QnnTensor s = b.Native("logits", QnnDataType.UFixed8, scores, logits);
            QnnTensor masked = b.Native("masked", QnnDataType.UFixed8, scores, logits);
            QnnTensor weights = b.Native("weights", QnnDataType.UFixed8, scores, QnnEncoding.ScaleOffset(1f / 256, 0));
            QnnTensor mask = b.Static("mask", QnnDataType.UFixed8, scores, Mask(spec).AsSpan(), QnnEncoding.ScaleOffset(spec.LogitScale, -255));
            b.MatMul(q, k, s, transposeIn1: true);
            b.ElementWiseAdd(s, mask, masked);
            b.Softmax(masked, weights);
            b.MatMul(weights, v, o);
            return new Int8AttentionGraph(spec, context, b.FinalizeGraph());
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <summary>Runs the graph. Buffers are used in place.</summary>
    /// <param name="q">[rows, dim], unsigned with offset -128.</param>
    /// <param name="k">[keys, dim].</param>
    /// <param name="v">[keys, dim].</param>
    /// <param name="o">Receives [rows, dim], unsigned with offset -128.</param>
    /// <exception cref="QnnException">The backend reports an error.</exception>
    public void Execute(byte* q, sbyte* k, sbyte* v, byte* o)
    {
        nuint rowBytes = (nuint)Spec.Rows * (nuint)Spec.Dim;
        nuint keyBytes = (nuint)Spec.Keys * (nuint)Spec.Dim;
        graph.BindInput(0, q, rowBytes);
        graph.BindInput(1, k, keyBytes);
        graph.BindInput(2, v, keyBytes);
        graph.BindOutput(0, o, rowBytes);
        graph.Execute();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        graph.Dispose();
        context.Dispose();
    }

    /// <summary>255 (real 0) where a row sees a key, 0 (255 steps down) where it does not.</summary>
    private static byte[] Mask(Int8AttentionSpec spec)
    {
        byte[] mask = new byte[(long)spec.Rows * spec.Keys];
        for (int row = 0; row < spec.Rows; row++)
        {
            int visible = spec.FirstVisible + (row % spec.Queries * spec.VisibleStep);
            mask.AsSpan(row * spec.Keys, Math.Min(visible, spec.Keys)).Fill(byte.MaxValue);
        }

        return mask;
    }
}
