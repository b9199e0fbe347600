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
                "mode", "keep", "min_keys", "tail", "backend", "model", "text", "tokens", "chunk", "mean_nll", "perplexity", "top1_agreement", "kl_to_dense", "mean_keep",
                "attention_ms", "attention_share", "prefill_ms", "tokens_per_second", "peak_memory_bytes", "nll",
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
    public void A_calibrated_way_has_the_profiles_ratios_and_dense_layers()
    {
        string model = TestModel.Path, text = TestModel.Text("gpl3");
        using var folder = new TemporaryFolder();
        string traces = folder.File("traces"), profile = folder.File("profile.json");
        string layers = string.Join(',', Enumerable.Range(0, 30));
        Assert.Equal(0, CommandRun.Of("capture", "--model", model, "--text", text, "--tokens", "160", "--layers", layers, "--output", traces).ExitCode);
        string[] inputs = [.. Directory.GetFiles(traces).Order()];
        Assert.Equal(0, CommandRun.Of(["calibrate", "--output", profile, "--budget", "0.3", "--min-keys", "8", "--dense-below", "0.8", "--input", .. inputs]).ExitCode);
        JsonElement made = JsonDocument.Parse(File.ReadAllBytes(profile)).RootElement;
        JsonElement[] profiles = [.. made.GetProperty("layers").EnumerateArray()];
        Assert.True(profiles[0].GetProperty("dense").GetBoolean(), "the first layer is not sparse");

        string[] eval = ["eval", "--model", model, "--text", text, "--tokens", "160", "--mode", "shadow-cpu", "--json", "--repeat", "2"];
        JsonElement calibrated = JsonDocument.Parse(CommandRun.Of([.. eval, "--profile", profile]).Output).RootElement;
        Assert.Equal(
            ("calibrated", profile, 8),
            (calibrated.GetProperty("keep").GetString(), calibrated.GetProperty("calibration").GetString(), calibrated.GetProperty("min_keys").GetInt32()));

        // Σ over layers and heads of Σ rows max(8, ⌈keep·n⌉), by all visible keys.
        double kept = profiles.Sum(layer => layer.GetProperty("keep").EnumerateArray().Sum(keep =>
            Enumerable.Range(1, 160).Sum(n => Math.Min(n, Math.Max(8, Math.Ceiling(keep.GetDouble() * n))))));
        Assert.Equal(kept / (30 * 9 * (160 * 161 / 2)), calibrated.GetProperty("mean_keep").GetDouble(), 1e-3);
        Assert.InRange(calibrated.GetProperty("attention_share").GetDouble(), 0.001, 0.999);

        JsonElement[] both = [.. JsonDocument.Parse(CommandRun.Of([.. eval, "--calibration", profile, "--keep", "0.3"]).Output).RootElement.EnumerateArray()];
        Assert.Equal(["0.3", "calibrated"], both.Select(r => r.GetProperty("keep").GetString()));
        CommandRun.Of([.. eval[..5], "--tokens", "8", "--mode", "dense", "--calibration", profile]).AssertBadInput("--calibration", "drops keys");
        File.WriteAllText(profile, File.ReadAllText(profile).Replace("\"layer\": 29", "\"layer\": 31", StringComparison.Ordinal));
        CommandRun.Of([.. eval, "--calibration", profile]).AssertBadInput("--calibration", "profile.json", "no layer 29");
        CommandRun.Of([.. eval, "--calibration", text]).AssertBadInput("--calibration", "gpl3.txt", "is no calibration profile");
    }

    [Theory]
    [InlineData("shadow-cpu")]
    [InlineData("shadow")]
    public void Chunks_through_caches_give_what_whole_tensors_give(string mode)
    {
        string[] eval =
            ["eval", "--model", TestModel.Path, "--text", TestModel.Text("ruth"), "--tokens", "384", "--mode", mode, "--min-keys", "16", "--json", "--keep", "0.2"];
        JsonElement whole = JsonDocument.Parse(CommandRun.Of(eval).Output).RootElement;
        Assert.False(whole.TryGetProperty("kv_format", out _));
        JsonElement chunks = JsonDocument.Parse(CommandRun.Of([.. eval, "--chunk", "64"]).Output).RootElement;
        Assert.Equal(("f32", 64), (chunks.GetProperty("kv_format").GetString(), chunks.GetProperty("chunk").GetInt32()));
        JsonElement half = JsonDocument.Parse(CommandRun.Of([.. eval, "--chunk", "64", "--kv", "f16"]).Output).RootElement;
        Assert.Equal("f16", half.GetProperty("kv_format").GetString());

        // The first 255 rows keep all: a cache takes the statistics of the keys from the first 256.
        double kept = Enumerable.Range(1, 384).Sum(n => n < 256 ? n : Math.Ceiling(0.2 * n));
        JsonElement steps = JsonDocument.Parse(CommandRun.Of([.. eval, "--chunk", "64", "--kv", "q16"]).Output).RootElement;
        foreach (JsonElement report in new[] { chunks, half, steps })
        {
            Assert.Equal(kept / (384 * 385 / 2), report.GetProperty("mean_keep").GetDouble(), 1e-3);
            Assert.Equal(whole.GetProperty("mean_nll").GetDouble(), report.GetProperty("mean_nll").GetDouble(), 0.01);
            Assert.InRange(report.GetProperty("kl_to_dense").GetDouble(), 0, 3 * whole.GetProperty("kl_to_dense").GetDouble());
        }
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
