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
    [InlineData(
        "Llama 3", true, "{{ bos_token + '<|start_header_id|>' + role + '<|end_header_id|>\n\n' + content | trim + '<|eot_id|>' }}",
        "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")]
    [InlineData(
        "Llama 2", true, "{{ bos_token + '[INST] ' + '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + content.strip() + ' [/INST]' }}",
        "[INST] Hello [/INST]", "[INST] <<SYS>>\nBe brief\n<</SYS>>\n\nHello [/INST]")]
    [InlineData(
        "Mistral", true, "{{ bos_token }}{{ '[INST] ' + message['content'] + ' [/INST]' }}", "[INST] Hello [/INST]", "[INST] Be brief\n\nHello [/INST]")]
    [InlineData("Mistral", false, "{{ \"[INST]\" + message['content'] + \"[/INST]\" }}", "[INST]Hello[/INST]", "[INST]Be brief\n\nHello[/INST]")]
    [InlineData(
        "Gemma", true, "{{ bos_token }}{{ '<start_of_turn>' + role + '\n' + content | trim + '<end_of_turn>\n' }}",
        "<start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n", "<start_of_turn>user\nBe brief\n\nHello<end_of_turn>\n<start_of_turn>model\n")]
    public void Families_are_known_by_their_markers(string family, bool begins, string template, string plain, string instructed)
    {
        ChatTemplate read = ChatTemplate.Read("m.gguf", template);
        Assert.Equal((family, begins), (read.Family, read.AddsBegin));
        Assert.Equal(plain, read.Prompt("Hello"));
        Assert.Equal(instructed, read.Prompt("Hello", "Be brief"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("{{ '<|user|>' + message['content'] + '<|end|>' }}")]
    [InlineData("{{ '[INST' + message['content'] }}")]
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
