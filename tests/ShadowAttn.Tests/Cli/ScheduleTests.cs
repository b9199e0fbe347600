using System.Text.Json;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class ScheduleTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("schedule").FullName;

    private string Profile => Path.Combine(folder, "stages.json");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void MeasuresEveryOrderAndSimulatesWhatItSaved()
    {
        JsonElement[] measured = Rows("schedule", "--repeat", "1", "--threads", "1", "--json", "--save", Profile);

        // 3 KV heads: graphs of 1 and of 2 heads, three orders each.
        Assert.Equal([1, 1, 1, 2, 2, 2], measured.Select(r => r.GetProperty("heads_per_graph").GetInt32()));
        Assert.Equal(["fifo", "greedy", "johnson"], measured.Take(3).Select(r => r.GetProperty("schedule").GetString()));
        Assert.All(measured, r => Assert.True(r.GetProperty("measured_ms").GetDouble() > 0));
        JsonElement[] simulated = Rows("schedule", "--profile", Profile, "--json");
        Assert.Equal(measured.Select(Simulated), simulated.Select(Simulated));
        Assert.All(simulated, r => Assert.Equal(JsonValueKind.Null, r.GetProperty("measured_ms").ValueKind));
    }

    [Fact]
    public void FusedHeadsHideTheLaunchThatSingleOnesExpose()
    {
        // 32 heads of 128 x 64 by 2,048 x 64: 2, 2.7 and 4 ms for 1, 2 and 4 heads on the NPU, 1.2 ms a head on the CPU.
        var plans = new (int Heads, double NpuMs)[] { (1, 2), (2, 2.667), (4, 4) }.Select(p =>
        {
            string job = FormattableString.Invariant($"{{\"npu_ms\":{p.NpuMs},\"cpu_ms\":{1.2 * p.Heads}}}");
            return $"{{\"heads_per_graph\":{p.Heads},\"slots\":2,\"jobs\":[{string.Join(',', Enumerable.Repeat(job, 32 / p.Heads))}]}}";
        });
        File.WriteAllText(Profile, $"{{\"plans\":[{string.Join(',', plans)}]}}");
        JsonElement[] rows = Rows("schedule", "--profile", Profile, "--json");
        Assert.True(rows[0].GetProperty("simulated_exposed_share").GetDouble() > 0.4);
        Assert.InRange(rows[^1].GetProperty("simulated_exposed_share").GetDouble(), 0.05, 0.1);
        Assert.Equal(2 * 32 + 1.2, rows[0].GetProperty("simulated_ms").GetDouble(), 9);
        Assert.Contains("heads per graph", CommandRun.Of("schedule", "--profile", Profile).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "is no profile of stage times")]
    [InlineData("{\"plans\":[]}", "has no plans")]
    [InlineData("{\"plans\":[null]}", "a plan is null")]
    [InlineData("{\"plans\":[{\"heads_per_graph\":0,\"slots\":2,\"jobs\":[]}]}", "heads_per_graph is 0")]
    [InlineData("{\"plans\":[{\"heads_per_graph\":1,\"slots\":0,\"jobs\":[]}]}", "slots is 0")]
    [InlineData("{\"plans\":[{\"heads_per_graph\":1,\"slots\":2,\"jobs\":[]}]}", "needs 1 to")]
    [InlineData("{\"plans\":[{\"heads_per_graph\":1,\"slots\":2,\"jobs\":[{\"npu_ms\":-1,\"cpu_ms\":1}]}]}", "not negative")]
    public void AWrongProfileIsNamed(string json, string message)
    {
        File.WriteAllText(Profile, json);
        CommandRun.Of("schedule", "--profile", Profile).AssertBadInput(Profile, message);
    }

    [Fact]
    public void WrongOptionsAreNamed()
    {
        CommandRun.Of("schedule", "--profile", Profile).AssertBadInput("cannot be read");
        CommandRun.Of("schedule", "--profile", Profile, "--save", Profile).AssertBadInput("--save");
        string input = Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors");
        CommandRun.Of("schedule", "--input", input, "--save", input).AssertBadInput("--save", "is the input");
        CommandRun.Of("run", "--heads-per-graph", "3").AssertBadInput("--heads-per-graph", "1, 2 or 4");
        CommandRun.Of("run", "--heads-per-graph", "2", "--buckets", "paper").AssertBadInput("--heads-per-graph");
        CommandRun.Of("run", "--schedule", "best").AssertBadInput("--schedule", "johnson, greedy or fifo");
    }

    private static (double, double) Simulated(JsonElement row) =>
        (row.GetProperty("simulated_ms").GetDouble(), row.GetProperty("simulated_exposed_ms").GetDouble());

    private static JsonElement[] Rows(params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.Equal(0, run.ExitCode);
        return [.. JsonDocument.Parse(run.Output).RootElement.GetProperty("rows").EnumerateArray()];
    }
}
