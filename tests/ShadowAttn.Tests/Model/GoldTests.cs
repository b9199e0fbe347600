using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Model.Evaluation;
using ShadowAttn.Model.Llama;
using Xunit;

namespace ShadowAttn.Tests.Model;

/// <summary>A real model gives the figures of a float32 forward pass that was made elsewhere.</summary>
public sealed class GoldTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("gpl3")]
    [InlineData("ruth")]
    public void Tokens_and_likelihoods_are_the_gold_ones(string text)
    {
        using LanguageModel model = LanguageModel.Open(TestModel.Path, 2);
        JsonElement gold = TestModel.Gold(text);
        int[] expected = [.. gold.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32())];
        int[] tokens = model.Tokenizer.Encode(File.ReadAllText(TestModel.Text(text)))[..expected.Length];
        Assert.Equal(expected, tokens);

        using OperatorAttention attention = Attention(model, tokens.Length, new AttentionOptions
        {
            Heads = model.Config.Heads, KvHeads = model.Config.KvHeads, HeadDim = model.Config.HeadDim, Mode = AttentionMode.Dense, Threads = 2,
        });
        using TextPass pass = TextPass.Run(model, tokens, attention, tokens.Length, cancellation: TestContext.Current.CancellationToken);
        TextFigures figures = TextFigures.Of(model, pass, pass);
        output.WriteLine($"{text}: mean NLL {figures.MeanNll:F6}, {pass.Milliseconds:F0} ms");
        Assert.Equal(gold.GetProperty("mean_nll").GetDouble(), figures.MeanNll, 1e-3);
        double[] nll = [.. gold.GetProperty("nll").EnumerateArray().Select(x => x.GetDouble())];
        Assert.All(nll, (value, i) => Assert.Equal(value, figures.Nll[i], 5e-3));
        double[] gap = [.. gold.GetProperty("top1_gap").EnumerateArray().Select(x => x.GetDouble())];
        int[] top1 = [.. gold.GetProperty("top1").EnumerateArray().Select(x => x.GetInt32())];
        Assert.All(top1, (value, i) => Assert.True(gap[i] <= 0.02 || value == figures.Top1[i], $"token {i}"));
    }

    [Fact]
    public void Chunks_give_what_one_call_gives()
    {
        using LanguageModel model = LanguageModel.Open(TestModel.Path, 2);
        int[] tokens = model.Tokenizer.Encode(File.ReadAllText(TestModel.Text("gpl3")))[..200];
        var options = new AttentionOptions
        {
            Heads = model.Config.Heads, KvHeads = model.Config.KvHeads, HeadDim = model.Config.HeadDim, Mode = AttentionMode.Dense, Threads = 2,
        };
        using OperatorAttention whole = Attention(model, tokens.Length, options);
        using OperatorAttention parts = Attention(model, tokens.Length, options);
        using TextPass one = TextPass.Run(model, tokens, whole, 200, cancellation: TestContext.Current.CancellationToken);
        using TextPass many = TextPass.Run(model, tokens, parts, 33, cancellation: TestContext.Current.CancellationToken);
        TextFigures figures = TextFigures.Of(model, many, one);
        Assert.Equal(1, figures.Top1Agreement);
        Assert.InRange(figures.KlToExact, -1e-7, 1e-7);
    }

    [Fact]
    public void The_defaults_keep_the_model_what_it_is()
    {
        using LanguageModel model = LanguageModel.Open(TestModel.Path, 2);
        int[] tokens = model.Tokenizer.Encode(File.ReadAllText(TestModel.Text("ruth")))[..1024];
        var sparse = new AttentionOptions
        {
            Heads = model.Config.Heads, KvHeads = model.Config.KvHeads, HeadDim = model.Config.HeadDim, Mode = AttentionMode.ShadowCpu, Crossover = false, Threads = 2,
        };
        using OperatorAttention exactAttention = Attention(model, tokens.Length, sparse with { Mode = AttentionMode.Dense });
        using OperatorAttention sparseAttention = Attention(model, tokens.Length, sparse);
        using TextPass exact = TextPass.Run(model, tokens, exactAttention, tokens.Length, cancellation: TestContext.Current.CancellationToken);
        using TextPass pass = TextPass.Run(model, tokens, sparseAttention, tokens.Length, cancellation: TestContext.Current.CancellationToken);
        TextFigures before = TextFigures.Of(model, exact, exact);
        TextFigures after = TextFigures.Of(model, pass, exact);
        Assert.InRange((double)sparseAttention.KeptKeys / sparseAttention.VisibleKeys, 0.2, 0.22);
        Assert.InRange(after.Perplexity / before.Perplexity, 0.995, 1.005);
        Assert.InRange(after.Top1Agreement, 0.98, 1);
    }

    private static OperatorAttention Attention(LanguageModel model, int tokens, AttentionOptions options) =>
        new(null, [.. Enumerable.Repeat(options, model.Config.Layers)], tokens);
}
