using ShadowAttn.Model.Gguf;
using ShadowAttn.Model.Products;

namespace ShadowAttn.Model.Llama;

/// <summary>The weights of one layer.</summary>
internal sealed record LlamaLayer(
    float[] AttentionNorm,
    WeightMatrix Query,
    WeightMatrix Key,
    WeightMatrix Value,
    WeightMatrix Output,
    float[] FeedForwardNorm,
    WeightMatrix Gate,
    WeightMatrix Up,
    WeightMatrix Down);

/// <summary>
/// The weights of a model: every tensor that the architecture needs is there with the right shape, and no tensor is left over that would change
/// the result.
/// </summary>
internal sealed unsafe class LlamaWeights
{
    private readonly GgufFile file;
    private readonly HashSet<string> used = new(StringComparer.Ordinal);

    /// <summary>Finds and checks the tensors.</summary>
    /// <param name="file">The file; must stay open.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <exception cref="ModelException">A tensor is missing, has another shape, or is not known.</exception>
    public LlamaWeights(GgufFile file, LlamaConfig config, int vocabulary)
    {
        this.file = file;
        int queries = config.Heads * config.HeadDim;
        int keys = config.KvHeads * config.HeadDim;
        Embedding = Matrix("token_embd", config.Width, vocabulary);
        OutputNorm = Vector("output_norm.weight", config.Width);
        Logits = file.Find("output.weight") is null ? Embedding : Matrix("output", config.Width, vocabulary);
        RopeFactors = file.Find("rope_freqs.weight") is null ? [] : Vector("rope_freqs.weight", config.RopeDim / 2);
        Layers = new LlamaLayer[config.Layers];
        for (int i = 0; i < Layers.Length; i++)
        {
            string prefix = $"blk.{i}.";
            Layers[i] = new LlamaLayer(
                Vector(prefix + "attn_norm.weight", config.Width),
                Matrix(prefix + "attn_q", config.Width, queries),
                Matrix(prefix + "attn_k", config.Width, keys),
                Matrix(prefix + "attn_v", config.Width, keys),
                Matrix(prefix + "attn_output", queries, config.Width, mayHaveBias: false),
                Vector(prefix + "ffn_norm.weight", config.Width),
                Matrix(prefix + "ffn_gate", config.Width, config.FeedForwardWidth, mayHaveBias: false),
                Matrix(prefix + "ffn_up", config.Width, config.FeedForwardWidth, mayHaveBias: false),
                Matrix(prefix + "ffn_down", config.FeedForwardWidth, config.Width, mayHaveBias: false));
        }

        foreach (GgufTensor tensor in file.Tensors)
        {
            if (!used.Contains(tensor.Name))
            {
                throw new ModelException(
                    $"{file.Path}: tensor {ModelException.Quote(tensor.Name)} is not part of a {config.Architecture} model as it is known here; "
                    + "the result would be wrong without it");
            }
        }
    }

    /// <summary>[vocabulary, width].</summary>
    public WeightMatrix Embedding { get; }

    /// <summary>[width].</summary>
    public float[] OutputNorm { get; }

    /// <summary>[vocabulary, width]; the embedding where the model ties both.</summary>
    public WeightMatrix Logits { get; }

    /// <summary>What the frequencies of RoPE are divided by; empty for 1.</summary>
    public float[] RopeFactors { get; }

    /// <summary>The layers.</summary>
    public LlamaLayer[] Layers { get; }

    private WeightMatrix Matrix(string name, int inputs, int outputs, bool mayHaveBias = true)
    {
        GgufTensor tensor = Tensor(name + ".weight", inputs, outputs);
        float[]? bias = mayHaveBias && file.Find(name + ".bias") is not null ? Vector(name + ".bias", outputs) : null;
        return new WeightMatrix(tensor, bias);
    }

    private float[] Vector(string name, int length)
    {
        GgufTensor tensor = Tensor(name, length, 1);
        var values = new float[length];
        fixed (float* destination = values)
        {
            BlockFormats.Dequantize(tensor.Type)(tensor.Row(0), destination, length);
        }

        return values;
    }

    private GgufTensor Tensor(string name, int columns, int rows)
    {
        GgufTensor tensor = file.Find(name) ?? throw new ModelException($"{file.Path}: has no tensor '{name}', which the model needs");
        used.Add(name);
        if (tensor.Columns != columns || tensor.Rows != rows)
        {
            string expected = rows == 1 ? $"[{columns}]" : $"[{columns}, {rows}]";
            throw new ModelException($"{file.Path}: tensor '{name}' is {tensor.Shape}, but the metadata says {expected}");
        }

        return tensor;
    }
}
