using ShadowAttn.Model.Gguf;
using ShadowAttn.Model.Tokens;
using ShadowAttn.Tests.Model.Gguf;
using ShadowAttn.Tests.Model.Products;

namespace ShadowAttn.Tests.Model.Llama;

/// <summary>A model of two layers with random weights, as a file and as numbers.</summary>
internal sealed class TinyModel
{
    public const int Layers = 2;
    public const int Width = 64;
    public const int FeedForward = 96;
    public const int Heads = 4;
    public const int KvHeads = 2;
    public const int HeadDim = 16;
    public const string ChatTemplate = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";

    private readonly Random random = new(5);

    public TinyModel(string architecture = "llama", GgufTensorType? type = null, bool biases = false, bool tied = true)
    {
        GgufTensorType weights = type ?? GgufTensorType.F32;
        string[] vocabulary =
        [
            .. Enumerable.Range(0, 256).Select(b => ByteAlphabet.Letter((byte)b).ToString()), "<|im_start|>", "<|im_end|>", "th", "the", "\u0120the",
        ];
        Vocabulary = vocabulary.Length;
        Builder
            .Set("general.architecture", architecture)
            .Set($"{architecture}.block_count", (uint)Layers)
            .Set($"{architecture}.context_length", 128u)
            .Set($"{architecture}.embedding_length", (uint)Width)
            .Set($"{architecture}.feed_forward_length", (uint)FeedForward)
            .Set($"{architecture}.attention.head_count", (uint)Heads)
            .Set($"{architecture}.attention.head_count_kv", (uint)KvHeads)
            .Set($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5f)
            .Set($"{architecture}.rope.freq_base", 100f)
            .Set("tokenizer.ggml.model", "gpt2")
            .Set("tokenizer.ggml.pre", "smollm")
            .Set("tokenizer.ggml.tokens", vocabulary)
            .Set("tokenizer.ggml.token_type", vocabulary.Select(t => t.StartsWith("<|", StringComparison.Ordinal) ? 3 : 1).ToArray())
            .Set("tokenizer.ggml.merges", new[] { "t h", "th e", "\u0120 the" })
            .Set("tokenizer.ggml.eos_token_id", 257u)
            .Set("tokenizer.chat_template", ChatTemplate);
        Add("token_embd.weight", weights, Width, Vocabulary);
        Add("output_norm.weight", GgufTensorType.F32, Width);
        if (!tied)
        {
            Add("output.weight", weights, Width, Vocabulary);
        }

        for (int i = 0; i < Layers; i++)
        {
            string p = $"blk.{i}.";
            Add(p + "attn_norm.weight", GgufTensorType.F32, Width);
            Add(p + "attn_q.weight", weights, Width, Heads * HeadDim);
            Add(p + "attn_k.weight", weights, Width, KvHeads * HeadDim);
            Add(p + "attn_v.weight", weights, Width, KvHeads * HeadDim);
            Add(p + "attn_output.weight", weights, Heads * HeadDim, Width);
            Add(p + "ffn_norm.weight", GgufTensorType.F32, Width);
            Add(p + "ffn_gate.weight", weights, Width, FeedForward);
            Add(p + "ffn_up.weight", weights, Width, FeedForward);
            Add(p + "ffn_down.weight", weights, FeedForward, Width);
            if (biases)
            {
                Add(p + "attn_q.bias", GgufTensorType.F32, Heads * HeadDim);
                Add(p + "attn_k.bias", GgufTensorType.F32, KvHeads * HeadDim);
                Add(p + "attn_v.bias", GgufTensorType.F32, KvHeads * HeadDim);
            }
        }
    }

    public int Vocabulary { get; }

    public GgufBuilder Builder { get; } = new();

    /// <summary>The weights, row after row.</summary>
    public Dictionary<string, float[]> Weights { get; } = [];

    public string Write(TemporaryFolder folder) => folder.Write("tiny.gguf", Builder.Build().Bytes);

    public void Add(string name, GgufTensorType type, params long[] lengths)
    {
        byte[] data = BlockFormatsTests.Blocks(type, (int)lengths.Aggregate((a, b) => a * b), random.Next());
        Weights[name] = BlockFormula.Dequantize(type, data);
        Builder.Add(name, type, data, lengths);
    }
}
