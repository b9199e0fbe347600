using ShadowAttn.Attention;
using ShadowAttn.Memory;
using ShadowAttn.Model;
using ShadowAttn.Model.Gguf;
using ShadowAttn.Model.Llama;
using ShadowAttn.Tests.Model.Gguf;
using Xunit;

namespace ShadowAttn.Tests.Model.Llama;

public sealed class LanguageModelTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama", "F32", false, true)]
    [InlineData("llama", "Q8_0", false, false)]
    [InlineData("llama", "Q4_1", true, true)]
    [InlineData("qwen2", "F16", true, false)]
    [InlineData("qwen2", "Q5_0", true, true)]
    public void Logits_are_those_of_the_formula(string architecture, string type, bool biases, bool tied)
    {
        var tiny = new TinyModel(architecture, GgufTensorType.All.Single(t => t.Name == type), biases, tied);
        CheckLogits(tiny, new LlamaFormula(tiny.Weights, architecture == "qwen2", i => Frequency(i)));
    }

    [Fact]
    public void Positions_are_stretched_as_the_file_says()
    {
        var linear = new TinyModel();
        linear.Builder.Set("llama.rope.scaling.type", "linear").Set("llama.rope.scaling.factor", 4f);
        CheckLogits(linear, new LlamaFormula(linear.Weights, false, i => Frequency(i) / 4));

        var factors = new TinyModel();
        factors.Add("rope_freqs.weight", GgufTensorType.F32, TinyModel.HeadDim / 2);
        float[] f = factors.Weights["rope_freqs.weight"];
        CheckLogits(factors, new LlamaFormula(factors.Weights, false, i => Frequency(i) / f[i]));

        // With 64 tokens and base 100: low = floor(16·ln(64/(32·2π)) / (2·ln 100)) < 0, so 0; high = ceil(16·ln(64/2π) / (2·ln 100)) = 5.
        var yarn = new TinyModel();
        yarn.Builder.Set("llama.rope.scaling.type", "yarn").Set("llama.rope.scaling.factor", 4f).Set("llama.rope.scaling.original_context_length", 64u);
        CheckLogits(
            yarn, new LlamaFormula(yarn.Weights, false, i => Frequency(i) * (1 - (0.75 * Math.Min(1, i / 5.0))), 1 + (0.1 * Math.Log(4))));
    }

    [Fact]
    public void What_is_wrong_with_a_model_is_named()
    {
        Refuses(t => t.Set("general.architecture", "mamba"), "'mamba'", "llama and qwen2");
        Refuses(t => t.Version = 1, "version 1");
        Refuses(t => t.Remove("llama.block_count"), "'llama.block_count'");
        Refuses(t => t.Set("llama.block_count", 3u), "'blk.2.attn_norm.weight'");
        Refuses(t => t.Set("llama.embedding_length", "wide"), "llama.embedding_length", "whole number");
        Refuses(t => t.Set("llama.attention.head_count_kv", 3u), "4 heads and 3 KV heads");
        Refuses(t => t.Set("llama.attention.key_length", 8u), "'blk.0.attn_q.weight'", "[64, 64]", "[64, 32]");
        Refuses(t => t.Set("llama.attention.key_length", 16u).Set("llama.attention.value_length", 8u), "16 channels", "8");
        Refuses(t => t.Set("llama.expert_count", 8u), "mixture of experts");
        Refuses(t => t.Set("llama.rope.scaling.type", "longrope"), "'longrope'");
        Refuses(t => t.Remove("blk.1.ffn_up.weight"), "'blk.1.ffn_up.weight'");
        Refuses(t => t.Add("blk.0.attn_q_norm.weight", GgufTensorType.F32, new byte[64], 16), "'blk.0.attn_q_norm.weight'");
        Refuses(t => t.Add("blk.0.ffn_up.weight", 10u, new byte[84], 256, 1), "'blk.0.ffn_up.weight'", "Q2_K");
        Refuses(t => t.Add("blk.0.ffn_up.weight", 77u, new byte[84], 256, 1), "'blk.0.ffn_up.weight'", "77");
        Refuses(t => t.Add("blk.0.ffn_up.weight", GgufTensorType.Q8_0, new byte[100], 33, 2), "'blk.0.ffn_up.weight'", "33", "32");
        Refuses(t => t.Set("tokenizer.ggml.model", "llama"), "'llama'", "'gpt2'");
        Refuses(t => t.Set("tokenizer.ggml.pre", "klingon"), "'klingon'", "smollm");
        Refuses(t => t.Set("tokenizer.ggml.merges", new[] { "t q" }), "'t q'");
        Refuses(t => t.Set("tokenizer.ggml.token_type", new[] { 1, 2 }), "tokenizer.ggml.token_type", "2");
    }

    [Fact]
    public void A_file_that_ends_early_is_refused_wherever_it_ends()
    {
        (byte[] bytes, int header) = new TinyModel().Builder.Build();
        for (int length = 0; length < bytes.Length; length += length < header ? 997 : 20011)
        {
            AssertRefused(folder.Write("short.gguf", bytes.AsSpan(0, length)), "short.gguf");
        }
    }

    [Fact]
    public void Control_tokens_count_where_asked_for_and_missing_bytes_are_left_out()
    {
        using LanguageModel model = LanguageModel.Open(new TinyModel().Write(folder), 1);
        Assert.Equal([256, .. model.Tokenizer.Encode("then"), 257], model.Tokenizer.Encode("<|im_start|>then<|im_end|>", withControls: true));
        Assert.Equal([259, 'n'], model.Tokenizer.Encode("then").Select(id => id == 259 ? 259 : model.Tokenizer.Decode([id])[0]));
        string text = "the 12 the\r\n thé \U0001F600 <|im_end|>";
        Assert.Equal(text, model.Tokenizer.Decode(model.Tokenizer.Encode(text)));
        Assert.Equal(string.Empty, model.Tokenizer.Decode([256]));
        Assert.Equal(260, model.Tokenizer.Encode("1 the")[1]);
    }

    [Fact]
    public void Cancelling_ends_the_work_after_the_layer()
    {
        using LanguageModel model = LanguageModel.Open(new TinyModel().Write(folder), 1);
        using var source = new CancellationTokenSource();
        int layers = 0;
        Assert.Throws<OperationCanceledException>(() => Run(model, [1, 2, 3], afterLayer: done =>
        {
            layers = done;
            source.Cancel();
        }, cancellation: source.Token));
        Assert.Equal(1, layers);
    }

    private static double Frequency(int i) => Math.Pow(100, -2.0 * i / TinyModel.HeadDim);

    /// <summary>In one call, which takes the panels, then token by token, which takes the dot products.</summary>
    private void CheckLogits(TinyModel tiny, LlamaFormula formula)
    {
        int[] tokens = [3, 258, 77, 260, 0, 255, 100, 101, 17];
        using LanguageModel model = LanguageModel.Open(tiny.Write(folder), 2);
        double[] expected = formula.Logits(tokens, tiny.Vocabulary);
        double size = expected.Max(Math.Abs);
        Assert.All(Run(model, tokens), (logit, i) => Assert.Equal(expected[i], logit, 2e-5 * size));
        Assert.All(Run(model, tokens, 1), (logit, i) => Assert.Equal(expected[i], logit, 2e-5 * size));
    }

    internal static float[] Run(
        LanguageModel model, int[] tokens, int chunk = int.MaxValue, Action<int>? afterLayer = null, CancellationToken cancellation = default)
    {
        LlamaConfig config = model.Config;
        var options = new AttentionOptions { Heads = config.Heads, KvHeads = config.KvHeads, HeadDim = config.HeadDim, Mode = AttentionMode.Dense, Threads = 1 };
        using var attention = new OperatorAttention(null, [.. Enumerable.Repeat(options, config.Layers)], tokens.Length);
        using UnmanagedBuffer hidden = UnmanagedBuffer.Allocate((long)tokens.Length * config.Width * sizeof(float));
        using UnmanagedBuffer logits = UnmanagedBuffer.Allocate((long)model.Tokenizer.Count * sizeof(float));
        TensorView<float> rows = hidden.View<float>(tokens.Length, config.Width);
        for (int at = 0; at < tokens.Length; at += Math.Min(chunk, tokens.Length))
        {
            int count = Math.Min(chunk, tokens.Length - at);
            model.Forward(tokens.AsSpan(at, count), at, attention, rows.Slice(0, at, count), afterLayer, cancellation);
        }

        model.Logits(rows.Slice(0, tokens.Length - 1, 1), logits.View<float>(1, model.Tokenizer.Count));
        return logits.AsSpan<float>().ToArray();
    }

    private void Refuses(Action<GgufBuilder> change, params string[] parts)
    {
        var tiny = new TinyModel();
        change(tiny.Builder);
        AssertRefused(tiny.Write(folder), [.. parts, "tiny.gguf"]);
    }

    private static void AssertRefused(string path, params string[] parts)
    {
        ModelException e = Assert.Throws<ModelException>(() => LanguageModel.Open(path, 1).Dispose());
        Assert.All(parts, part => Assert.Contains(part, e.Message, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', e.Message);
    }
}
