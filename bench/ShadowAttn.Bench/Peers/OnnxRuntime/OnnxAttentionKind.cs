using ShadowAttn.Cli.Bench;
namespace ShadowAttn.Bench.Peers.OnnxRuntime;

/// <summary>ONNX Runtime's attention operators.</summary>
public enum OnnxAttentionKind
{
    /// <summary>com.microsoft MultiHeadAttention: no grouped heads, so every KV head is repeated for each head of its group.</summary>
    MultiHead,

    /// <summary>com.microsoft GroupQueryAttention: grouped heads, always causal.</summary>
    GroupQuery,

    /// <summary>Attention of the ONNX standard, opset 23: grouped heads.</summary>
    Standard,
}

/// <summary>The models of the operators, and which memory order each wants.</summary>
public static class OnnxAttentionModels
{
    private const string Contrib = "com.microsoft";

    /// <summary>The name in tables and JSON.</summary>
    /// <param name="kind">The operator.</param>
    public static string Name(OnnxAttentionKind kind) => kind switch
    {
        OnnxAttentionKind.MultiHead => "ort MultiHeadAttention",
        OnnxAttentionKind.GroupQuery => "ort GroupQueryAttention",
        OnnxAttentionKind.Standard => "ort Attention-23",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Whether tensors are [1, rows, heads·dim], as the com.microsoft operators have them, and not [1, heads, rows, dim].</summary>
    /// <param name="kind">The operator.</param>
    public static bool RowsFirst(OnnxAttentionKind kind) => kind != OnnxAttentionKind.Standard;

    /// <summary>Whether the operator can compute the shape: GroupQueryAttention only causal, without a cache only as many queries as keys.</summary>
    /// <param name="kind">The operator.</param>
    /// <param name="shape">The shape.</param>
    public static bool Supports(OnnxAttentionKind kind, AttentionShape shape) => kind switch
    {
        OnnxAttentionKind.GroupQuery => shape.Causal && shape.Queries == shape.Keys,
        _ => !shape.Causal || shape.Queries == shape.Keys,
    };

    /// <summary>The model for a shape.</summary>
    /// <param name="kind">The operator.</param>
    /// <param name="shape">The shape.</param>
    public static OnnxModel Create(OnnxAttentionKind kind, AttentionShape shape)
    {
        OnnxTensor query = Data("query", shape.Heads, shape.Queries);
        OnnxTensor output = Data("output", shape.Heads, shape.Queries);
        int kvHeads = kind == OnnxAttentionKind.MultiHead ? shape.Heads : shape.KvHeads;
        OnnxTensor key = Data("key", kvHeads, shape.Keys);
        OnnxTensor value = Data("value", kvHeads, shape.Keys);
        var scale = new Dictionary<string, float> { ["scale"] = shape.Scale };
        switch (kind)
        {
            case OnnxAttentionKind.MultiHead:
                return new OnnxModel(
                    "MultiHeadAttention",
                    Contrib,
                    [query, key, value],
                    [output],
                    new Dictionary<string, long> { ["num_heads"] = shape.Heads, ["unidirectional"] = shape.Causal ? 1 : 0 },
                    scale);
            case OnnxAttentionKind.GroupQuery:
                long[] cacheShape = [1, shape.KvHeads, shape.Keys, shape.HeadDim];
                return new OnnxModel(
                    "GroupQueryAttention",
                    Contrib,
                    [query, key, value, null, null, new("seqlens_k", OnnxElementType.Int32, [1]), new("total_sequence_length", OnnxElementType.Int32, [])],
                    [output, new("present_key", OnnxElementType.Float, cacheShape), new("present_value", OnnxElementType.Float, cacheShape)],
                    new Dictionary<string, long> { ["num_heads"] = shape.Heads, ["kv_num_heads"] = shape.KvHeads, ["do_rotary"] = 0 },
                    scale);
            case OnnxAttentionKind.Standard:
                return new OnnxModel(
                    "Attention",
                    string.Empty,
                    [query, key, value],
                    [output],
                    new Dictionary<string, long> { ["is_causal"] = shape.Causal ? 1 : 0 },
                    scale);
            default:
                throw new ArgumentOutOfRangeException(nameof(kind));
        }

        OnnxTensor Data(string name, long heads, long rows) => new(
            name, OnnxElementType.Float, RowsFirst(kind) ? [1, rows, heads * shape.HeadDim] : [1, heads, rows, shape.HeadDim]);
    }
}
