using System.Text.Json;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class CompareTests
{
    [Fact]
    public void EveryModeIsARunObjectAndTheFiguresSayWhatThePaperSays()
    {
        CommandRun run = CommandRun.Of("compare", "--json", "--repeat", "1", "--threads", "2");
        Assert.Equal(0, run.ExitCode);
        JsonElement[] modes = [.. JsonDocument.Parse(run.Output).RootElement.EnumerateArray()];
        Assert.Equal(["dense", "sparse-cpu", "block-sparse", "npu-int8", "shadow-cpu", "shadow"], modes.Select(m => m.GetProperty("mode").GetString()));
        Dictionary<string, JsonElement> by = modes.ToDictionary(m => m.GetProperty("mode").GetString()!);
        double Error(string mode) => by[mode].GetProperty("rel_l2_error").GetDouble();
        Assert.InRange(Error("dense"), 0, 1e-6);
        Assert.InRange(Error("shadow"), Error("sparse-cpu") * 0.98, Error("sparse-cpu") * 1.05);
        Assert.Equal(Error("shadow"), Error("shadow-cpu"), 6);
        Assert.True(Error("npu-int8") > 5 * Error("shadow"), "INT8 as a whole loses accuracy");
        Assert.True(Error("block-sparse") > 5 * Error("shadow"), "blocks are too coarse");
        Assert.Equal(1, by["sparse-cpu"].GetProperty("recall").GetDouble(), 4);
        Assert.All(modes, m => Assert.Equal(1181952, m.GetProperty("visible_keys").GetInt64()));
    }

    [Fact]
    public void ChoicesThatDoNotGoTogetherAreNamed()
    {
        CommandRun.Of("compare", "--keep", "mass:0.9").AssertBadInput("--keep: mass:P is no choice of block-sparse");
        CommandRun.Of("run", "--mode", "block-sparse", "--keep", "mass:0.9").AssertBadInput("--keep: mass:P is no choice of --mode block-sparse");
        CommandRun.Of("run", "--mode", "npu-int8", "--alibi").AssertBadInput("--mode: npu-int8 has no other mask than the causal one");
    }

    [Fact]
    public void TheTableHasAColumnPerMode()
    {
        CommandRun run = CommandRun.Of("compare", "--repeat", "1", "--sliding-window", "64");
        Assert.Equal(0, run.ExitCode);
        foreach (string part in new[] { "dense", "sparse-cpu", "block-sparse", "shadow-cpu", "share of the estimate", "relative L2 error", "kept keys" })
        {
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("npu-int8", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void MasksOfRunAreInItsReport()
    {
        CommandRun run = CommandRun.Of(
            "run", "--json", "--repeat", "1", "--mode", "shadow-cpu", "--sliding-window", "100", "--sinks", "3", "--window", "5", "--alibi");
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal(100, report.GetProperty("sliding_window").GetInt32());
        Assert.Equal(3, report.GetProperty("sinks").GetInt32());
        Assert.Equal(5, report.GetProperty("window").GetInt32());
        Assert.True(report.GetProperty("alibi").GetBoolean());
        Assert.Equal(9 * ((100 * 101 / 2) + (412 * 100)), report.GetProperty("visible_keys").GetInt64());
        Assert.InRange(report.GetProperty("rel_l2_error").GetDouble(), 0, 0.2);
    }
}
