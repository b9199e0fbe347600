using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench.Compare;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Bench.Reports;
using ShadowAttn.Tests.Cli;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class BenchComparisonTests
{
    [Theory]
    [InlineData(100, 0.01, 102, 0.01, ChangeVerdict.Same)]      // below the least noise
    [InlineData(100, 0.01, 104, 0.01, ChangeVerdict.Slower)]
    [InlineData(100, 0.01, 96, 0.01, ChangeVerdict.Faster)]
    [InlineData(100, 0.10, 112, 0.10, ChangeVerdict.Same)]      // below √(0.1² + 0.1²)
    [InlineData(100, 0.10, 116, 0.10, ChangeVerdict.Slower)]
    [InlineData(100, 0.00, 116, 0.20, ChangeVerdict.Same)]      // the second's noise alone
    [InlineData(100, 0.20, 85, 0.00, ChangeVerdict.Same)]
    [InlineData(100, 0.20, 50, 0.05, ChangeVerdict.Faster)]
    public void A_change_is_flagged_beyond_the_noise_of_both(double before, double spreadBefore, double after, double spreadAfter, ChangeVerdict expected)
    {
        BenchComparison comparison = BenchComparison.Of(Report(Result("a", before, spreadBefore)), Report(Result("a", after, spreadAfter)));

        BenchChange change = Assert.Single(comparison.Changes);
        Assert.Equal(expected, change.Verdict);
        Assert.Equal(after / before, change.Ratio);
        Assert.Equal(expected == ChangeVerdict.Slower, comparison.HasRegression);
    }

    [Fact]
    public void Minimum_and_median_must_move_the_same_way()
    {
        BenchResult before = Result("a", 100, 0.02);
        BenchResult after = Result("a", 110, 0.02) with { MedianNs = 101 };

        Assert.Equal(ChangeVerdict.Same, BenchComparison.Of(Report(before), Report(after)).Changes[0].Verdict);
    }

    [Fact]
    public void A_single_sample_says_nothing()
    {
        BenchResult counted = Result("a", 900, 0) with { Samples = 1 };

        Assert.Equal(ChangeVerdict.Unknown, BenchComparison.Of(Report(Result("a", 100, 0.01)), Report(counted)).Changes[0].Verdict);
    }

    [Fact]
    public void What_only_one_has_is_named_and_no_regression()
    {
        BenchComparison comparison = BenchComparison.Of(
            Report(Result("a", 1, 0), Result("gone", 1, 0)), Report(Result("new", 1, 0), Result("a", 1, 0)));

        Assert.Equal(["gone"], comparison.OnlyBefore);
        Assert.Equal(["new"], comparison.OnlyAfter);
        Assert.Equal(["a"], comparison.Changes.Select(c => c.Id));
        Assert.False(comparison.HasRegression);
    }

    [Fact]
    public void Another_machine_and_another_peak_are_said()
    {
        BenchReport before = Report(Result("a", 1, 0));
        BenchReport after = before with
        {
            Machine = before.Machine with { Cpu = "another", Peaks = [before.Machine.Peaks[0] with { Gmacs = 80 }] },
        };

        Assert.Equal(
            ["CPU: some before, another after", "peak fma avx2, 1 threads: 100 GMAC/s before, 80 after"],
            BenchComparison.Of(before, after).Machines);
        Assert.Empty(BenchComparison.Of(before, before).Machines);
    }

    [Fact]
    public void The_command_reads_reports_and_fails_only_when_asked()
    {
        using var folder = new TemporaryFolder();
        string before = Write(folder, "before.json", Report(Result("exp.run", 100, 0.01), Result("select.split", 50, 0.01)));
        string after = Write(folder, "after.json", Report(Result("exp.run", 120, 0.01), Result("select.split", 40, 0.01)));

        CommandRun text = CommandRun.Of("bench", "--compare", before, after);
        CommandRun failing = CommandRun.Of("bench", "--compare", before, after, "--fail-on-regression", "--json");
        CommandRun passing = CommandRun.Of("bench", "--compare", after, after, "--fail-on-regression");

        Assert.Equal((EntryPoint.Success, ""), (text.ExitCode, text.Error));
        Assert.Contains("1 slower, 1 faster, 0 the same within noise", text.Output, StringComparison.Ordinal);
        Assert.Contains("+20.0 %", text.Output, StringComparison.Ordinal);
        Assert.Equal((EntryPoint.CheckFailed, ""), (failing.ExitCode, failing.Error));
        using JsonDocument json = JsonDocument.Parse(failing.Output);
        Assert.Equal("slower", json.RootElement.GetProperty("changes")[0].GetProperty("verdict").GetString());
        Assert.Equal(EntryPoint.Success, passing.ExitCode);
    }

    [Fact]
    public void A_report_of_the_command_can_be_compared()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("bench", "--op", "exp", "--shape", "count=33", "--time", "0.001", "--no-peaks", "--json");
        string path = folder.Write("a.json", System.Text.Encoding.UTF8.GetBytes(run.Output));

        CommandRun compared = CommandRun.Of("bench", "--compare", path, path, "--fail-on-regression");

        Assert.Equal((EntryPoint.Success, ""), (compared.ExitCode, compared.Error));
        Assert.Contains("0 slower, 0 faster, 1 the same within noise", compared.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_do_not_fit_are_named()
    {
        using var folder = new TemporaryFolder();
        string good = Write(folder, "good.json", Report(Result("a", 1, 0)));
        string other = Write(folder, "other.json", Report(Result("b", 1, 0)));
        string twice = Write(folder, "twice.json", Report(Result("a", 1, 0), Result("a", 1, 0)));
        string zero = Write(folder, "zero.json", Report(Result("a", 0, 0)));
        string text = folder.Write("text.json", "no report"u8);
        string empty = folder.Write("empty.json", "{}"u8);
        string run = folder.Write("run.json", """{"machine": {"cpu": "x"}, "results": [{"id": "a"}]}"""u8);

        Compare(good, other).AssertBadInput("no benchmark in common", good, other);
        Compare(twice, good).AssertBadInput(twice, "'a' more than once");
        Compare(good, zero).AssertBadInput(zero, "no time above 0");
        Compare(good, text).AssertBadInput(text, "bench --json");
        Compare(good, empty).AssertBadInput(empty, "no machine or no results");
        Compare(run, good).AssertBadInput(run, "bench --json");
        Compare(Path.Combine(folder.Path, "none.json"), good).AssertBadInput("none.json", "cannot be read");
        CommandRun.Of("bench", "--compare", good).AssertBadInput("--compare");
        CommandRun.Of("bench", "--compare", good, good, "--op", "exp").AssertBadInput("--compare", "leave out --op");
        CommandRun.Of("bench", "--fail-on-regression").AssertBadInput("--fail-on-regression", "--compare");
    }

    private static CommandRun Compare(string before, string after) => CommandRun.Of("bench", "--compare", before, after);

    private static string Write(TemporaryFolder folder, string name, BenchReport report) =>
        folder.Write(name, JsonSerializer.SerializeToUtf8Bytes(report, BenchJson.Readable.BenchReport));

    private static BenchReport Report(params BenchResult[] results) => new(
        new MachineReport(
            "some", "x64", "avx2", 4, "os", "runtime", new CacheSizes(32 << 10, 1 << 20, 0, 1, "default"), [new PeakReport("fma", "avx2", 1, null, null, 100, null, 0)]),
        results);

    private static BenchResult Result(string id, double minNs, double spread) => new()
    {
        Id = id,
        Operator = "op",
        Function = "f",
        Isa = "avx2",
        Shape = "n=1",
        Threads = 1,
        Calls = 10,
        Samples = 7,
        MinNs = minNs,
        MedianNs = minNs * (1 + spread),
        MaxNs = minNs * (1 + (2 * spread)),
        Spread = spread,
    };
}
