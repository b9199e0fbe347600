using System.Text.Json;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class TraceTests
{
    [Theory]
    [InlineData("shadow", "--exact-topk", "2")]
    [InlineData("shadow-cpu", "--tail", "linear")]
    [InlineData("dense", "--threads", "2")]
    [InlineData("dense", "--sliding-window", "200")]
    [InlineData("npu-int8", "--threads", "2")]
    [InlineData("sparse-cpu", "--threads", "2")]
    public void EventsAddUpToTheOperatorsOfTheReport(string mode, string option, string value)
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "t.json");
        CommandRun run = CommandRun.Of("trace", "--output", path, "--mode", mode, option, value, "--repeat", "1", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        JsonElement trace = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        JsonElement about = trace.GetProperty("otherData");
        Assert.Equal(mode, about.GetProperty("mode").GetString());
        Assert.Equal(0, report.GetProperty("dropped_events").GetInt64());
        double total = about.GetProperty("total_ms").GetDouble();
        int threads = about.GetProperty("threads").GetInt32();

        JsonElement[] events = [.. trace.GetProperty("traceEvents").EnumerateArray()];
        var lanes = events.Where(e => Text(e, "ph") == "X").GroupBy(e => (Pid: Number(e, "pid"), Tid: Number(e, "tid"))).ToArray();
        foreach (var lane in lanes)
        {
            Assert.Single(events, e => Text(e, "name") == "thread_name" && Number(e, "pid") == lane.Key.Pid && Number(e, "tid") == lane.Key.Tid);
            double end = 0;
            foreach (JsonElement e in lane)
            {
                Assert.InRange(Number(e, "ts"), end - 0.002, total * 1000);
                end = Number(e, "ts") + Number(e, "dur");
            }

            Assert.InRange(end, 0, (total * 1000) + 0.002);
        }

        foreach (JsonElement op in about.GetProperty("operators").EnumerateArray())
        {
            bool npu = Text(op, "device") == "npu";
            double sum = lanes.Where(l => npu ? l.Key.Pid == 2 : l.Key is { Pid: 1, Tid: > 0 })
                .SelectMany(l => l).Where(e => Text(e, "cat") == Text(op, "name")).Sum(e => Number(e, "dur")) / 1000;
            double ms = op.GetProperty("ms").GetDouble();
            Assert.True(Math.Abs((npu ? sum : sum / threads) - ms) < (0.01 * ms) + 0.01, $"{Text(op, "name")}: {sum} ms in {threads} threads, reported {ms}");
        }

        double waited = lanes.Where(l => l.Key is { Pid: 1, Tid: 0 }).SelectMany(l => l).Where(e => Text(e, "cat") == "wait").Sum(e => Number(e, "dur")) / 1000;
        double exposed = about.GetProperty("exposed_estimate_ms").GetDouble();
        Assert.InRange(waited, (0.98 * exposed) - 0.1, (1.02 * exposed) + 0.1);
        IEnumerable<double> kvHeads = lanes.SelectMany(l => l).Where(e => e.TryGetProperty("args", out _)).Select(e => e.GetProperty("args").GetProperty("kv_head").GetDouble());
        Assert.Equal([0, 1, 2], kvHeads.Distinct().Order());
    }

    [Fact]
    public void ThePipelineOfModeShadowHasBothStagesWithNames()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "t.json");
        CommandRun run = CommandRun.Of("trace", "--output", path, "--threads", "2", "--repeat", "3");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("CPU stage", run.Output, StringComparison.Ordinal);
        Assert.Contains("NPU stage", run.Output, StringComparison.Ordinal);
        JsonElement[] events = [.. JsonDocument.Parse(File.ReadAllBytes(path)).RootElement.GetProperty("traceEvents").EnumerateArray()];
        string[] names = [.. events.Select(e => Text(e, "name")!)];
        foreach (string name in new[] { "pilot kv0 q0-255", "pilot kv2 q256-511", "attend kv1 q256-511", "wait kv0 q0-255", "quantize kv2 k256-511" })
        {
            Assert.Contains(name, names);
        }

        Assert.Contains(names, n => n.StartsWith("gather h8 q", StringComparison.Ordinal));
    }

    [Fact]
    public void WhatIsWrongIsNamed()
    {
        CommandRun.Of("trace").AssertBadInput("--output");
        CommandRun.Of("trace", "--output", "/nowhere/t.json").AssertBadInput("/nowhere/t.json", "there is no folder");
        CommandRun.Of("trace", "--output", "t.json", "--mode", "npu-int8", "--alibi").AssertBadInput("--mode: npu-int8");
    }

    private static string? Text(JsonElement e, string name) => e.GetProperty(name).GetString();

    private static double Number(JsonElement e, string name) => e.GetProperty(name).GetDouble();
}
