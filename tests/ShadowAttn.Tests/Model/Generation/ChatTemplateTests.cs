using ShadowAttn.Model;
using ShadowAttn.Model.Generation;
using Xunit;

namespace ShadowAttn.Tests.Model.Generation;

public sealed class ChatTemplateTests
{
    private const string ChatMl =
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are kind<|im_end|>\n' }}{% endif %}"
        + "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}";

    [Fact]
    public void Chatml_with_and_without_a_system_message()
    {
        ChatTemplate template = ChatTemplate.Read("m.gguf", ChatMl);
        Assert.Equal("<|im_start|>system\nYou are kind<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", template.Prompt("Hello"));
        Assert.Equal("<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", template.Prompt("Hello", "Be brief"));
        ChatTemplate bare = ChatTemplate.Read("m.gguf", "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}");
        Assert.Equal("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", bare.Prompt("Hello"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("{{ '[INST] ' + message['content'] + ' [/INST]' }}")]
    public void Other_templates_are_refused(string? template)
    {
        ModelException e = Assert.Throws<ModelException>(() => ChatTemplate.Read("m.gguf", template));
        Assert.Contains("m.gguf", e.Message, StringComparison.Ordinal);
        Assert.Contains("--raw", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Chance_follows_the_softmax_and_zero_is_the_most_likely()
    {
        float[] logits = [0, MathF.Log(3), -1e9f, 0];
        Assert.Equal(1, new TokenSampler(0, 5).Next(logits));
        var sampler = new TokenSampler(1, 5);
        int[] counts = new int[4];
        for (int i = 0; i < 20_000; i++)
        {
            counts[sampler.Next(logits)]++;
        }

        Assert.Equal(0, counts[2]);
        Assert.InRange(counts[1], 11_700, 12_300);
        Assert.InRange(counts[0], 3_750, 4_250);
    }
}
