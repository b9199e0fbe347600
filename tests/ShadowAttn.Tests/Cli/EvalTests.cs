using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Tests.Model;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class EvalTests
{
    [Fact]
    public void Json_of_one_way_is_an_object_and_of_several_an_array()
    {
        string model = TestModel.Path, text = TestModel.Text("gpl3");
        CommandRun one = CommandRun.Of("eval", "--model", model, "--text", text, "--tokens", "96", "--mode", "shadow", "--json", "--per-token");
        Assert.True(one.ExitCode == EntryPoint.Success, one.Error);
        JsonElement report = JsonDocument.Parse(one.Output).RootElement;
        Assert.Equal(
            [
                "mode", "keep", "min_keys", "tail", "backend", "model", "text", "tokens", "mean_nll", "perplexity", "top1_agreement", "kl_to_dense", "mean_keep",
                "attention_ms", "prefill_ms", "tokens_per_second", "peak_memory_bytes", "nll",
            ],
            report.EnumerateObject().Select(p => p.Name));
        Assert.InRange(report.GetProperty("peak_memory_bytes").GetInt64(), 50_000_000, 4_000_000_000);
        Assert.Equal(95, report.GetProperty("nll").GetArrayLength());
        double mean = report.GetProperty("nll").EnumerateArray().Average(x => x.GetDouble());
        Assert.Equal(mean, report.GetProperty("mean_nll").GetDouble(), 1e-6);
        Assert.Equal(Math.Exp(mean), report.GetProperty("perplexity").GetDouble(), 1e-3);

        CommandRun several = CommandRun.Of("eval", "--model", model, "--text", text, "--tokens", "96", "--mode", "dense,npu-int8,shadow-cpu", "--keep", "0.1,0.9", "--json");
        JsonElement[] reports = [.. JsonDocument.Parse(several.Output).RootElement.EnumerateArray()];
        Assert.Equal(
            ["dense 1", "npu-int8 1", "shadow-cpu 0.1", "shadow-cpu 0.9"],
            reports.Select(r => $"{r.GetProperty("mode").GetString()} {r.GetProperty("keep").GetString()}"));
        Assert.Equal(1, reports[0].GetProperty("top1_agreement").GetDouble());
        Assert.True(reports[1].GetProperty("kl_to_dense").GetDouble() > reports[3].GetProperty("kl_to_dense").GetDouble());
    }

    [Fact]
    public void What_is_wrong_is_said_in_one_line()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", "some text"u8), bad = folder.Write("bad.txt", [0x61, 0xFF, 0xFE]), noModel = folder.Write("model.gguf", "no model"u8);
        CommandRun.Of("eval", "--text", text).AssertBadInput("--model");
        CommandRun.Of("eval", "--model", noModel, "--text", folder.File("nowhere.txt")).AssertBadInput("--text", "nowhere.txt");
        CommandRun.Of("eval", "--model", noModel, "--text", bad).AssertBadInput("--text", "bad.txt", "UTF-8", "byte 1");
        CommandRun.Of("eval", "--model", noModel, "--text", text).AssertBadInput("model.gguf");
        CommandRun.Of("eval", "--model", folder.File("none.gguf"), "--text", text).AssertBadInput("none.gguf");
        CommandRun.Of("eval", "--model", noModel, "--text", text, "--mode", "dense,thick").AssertBadInput("--mode", "'thick'");
        CommandRun.Of("eval", "--model", noModel, "--text", text, "--keep", "0.2,2").AssertBadInput("--keep", "'2'");
        CommandRun.Of("eval", "--model", TestModel.Path, "--text", text, "--tokens", "500").AssertBadInput("--tokens", "text.txt", "500");
    }
}
