using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Tests.Model;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class GenerateTests
{
    [Fact]
    public void The_model_answers_and_modes_agree_while_rows_keep_all_keys()
    {
        string model = TestModel.Path;
        string[] common = ["generate", "--model", model, "--prompt", "What is the capital of France?", "--max-tokens", "12", "--json"];
        JsonElement[] reports = [.. new[] { "dense", "shadow-cpu", "shadow" }.Select(mode => Report([.. common, "--mode", mode]))];
        Assert.All(reports, report => Assert.Contains("Paris", report.GetProperty("text").GetString(), StringComparison.Ordinal));
        Assert.Single(reports.Select(report => report.GetProperty("text").GetString()).Distinct());
        Assert.Equal(["mode", "keep", "text", "prompt_tokens", "tokens", "prompt_ms", "generate_ms", "tokens_per_second"],
            reports[0].EnumerateObject().Select(p => p.Name));

        CommandRun plain = CommandRun.Of([.. common[..^1], "--mode", "dense"]);
        Assert.Equal(reports[0].GetProperty("text").GetString(), plain.Output.TrimEnd());
        Assert.Contains("tokens/s", plain.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Chance_is_as_the_seed_says()
    {
        string[] common = ["generate", "--model", TestModel.Path, "--raw", "--prompt", "Once upon a time", "--max-tokens", "10", "--temperature", "1.5", "--json", "--seed"];
        string? first = Report([.. common, "1"]).GetProperty("text").GetString();
        Assert.Equal(first, Report([.. common, "1"]).GetProperty("text").GetString());
        Assert.NotEqual(first, Report([.. common, "2"]).GetProperty("text").GetString());
    }

    [Fact]
    public void What_is_wrong_is_said_in_one_line()
    {
        CommandRun.Of("generate", "--model", "m").AssertBadInput("--prompt");
        CommandRun.Of("generate", "--model", "no.gguf", "--prompt", "x").AssertBadInput("no.gguf");
        CommandRun.Of("generate", "--model", "m", "--prompt", "x", "--temperature", "hot").AssertBadInput("--temperature", "'hot'");
        CommandRun.Of("generate", "--model", "m", "--prompt", "x", "--mode", "npu-int8").AssertBadInput("--mode", "shadow-cpu");
        CommandRun.Of("generate", "--model", TestModel.Path, "--raw", "--prompt", "").AssertBadInput("--prompt");
    }

    private static JsonElement Report(string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.True(run.ExitCode == EntryPoint.Success, run.Error);
        return JsonDocument.Parse(run.Output).RootElement;
    }
}
