namespace ShadowAttn.Interop;

/// <summary>The operators that this project composes, as calls on a graph builder. All of them are validated by the backend.</summary>
public static class QnnOperators
{
    /// <summary>out = a · b, or with transposed last two axes: [..., m, n] × [..., n, p] → [..., m, p]. Batch axes must be equal.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void MatMul(this QnnGraphBuilder graph, QnnTensor in0, QnnTensor in1, QnnTensor output,
        bool transposeIn0 = false, bool transposeIn1 = false, string? name = null) =>
        graph.AddNode("MatMul", [in0, in1], [output],
            [QnnParam.Bool("transpose_in0", transposeIn0), QnnParam.Bool("transpose_in1", transposeIn1)], name);

    /// <summary>out = exp(beta·in) / Σ exp(beta·in) along the last axis.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Softmax(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, float beta = 1, string? name = null) =>
        graph.AddNode("Softmax", [input], [output],
            [QnnParam.UInt32("axis", (uint)(input.Spec.Shape.Length - 1)), QnnParam.Float32("beta", beta)], name);

    /// <summary>The k largest values of the last axis, descending, and their indices. HTP gives the larger index first among equals.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void TopK(this QnnGraphBuilder graph, QnnTensor input, QnnTensor values, QnnTensor indices, int k, string? name = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        graph.AddNode("TopK", [input], [values, indices], [QnnParam.UInt32("k", (uint)k)], name);
    }

    /// <summary>Float to quantised.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Quantize(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, string? name = null) =>
        graph.AddNode("Quantize", [input], [output], default, name);

    /// <summary>Quantised to float.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Dequantize(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, string? name = null) =>
        graph.AddNode("Dequantize", [input], [output], default, name);

    /// <summary>One encoding to another.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Convert(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, string? name = null) =>
        graph.AddNode("Convert", [input], [output], default, name);

    /// <summary>Axis i of the output is axis <paramref name="permutation"/>[i] of the input.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Transpose(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, ReadOnlySpan<uint> permutation, string? name = null)
    {
        QnnTensor perm = graph.Static($"{output.Name}_perm", QnnDataType.UInt32, [permutation.Length], permutation);
        graph.AddNode("Transpose", [input], [output], [QnnParam.Tensor("perm", perm)], name);
    }

    /// <summary>The same values in another shape.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void Reshape(this QnnGraphBuilder graph, QnnTensor input, QnnTensor output, string? name = null) =>
        graph.AddNode("Reshape", [input], [output], default, name);

    /// <summary>out = a + b, broadcasting.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void ElementWiseAdd(this QnnGraphBuilder graph, QnnTensor in0, QnnTensor in1, QnnTensor output, string? name = null) =>
        graph.AddNode("ElementWiseAdd", [in0, in1], [output], default, name);

    /// <summary>out = a · b element by element, broadcasting.</summary>
    /// <inheritdoc cref="QnnGraphBuilder.AddNode"/>
    public static void ElementWiseMultiply(this QnnGraphBuilder graph, QnnTensor in0, QnnTensor in1, QnnTensor output, string? name = null) =>
        graph.AddNode("ElementWiseMultiply", [in0, in1], [output], default, name);
}
