using System.Text.Json;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Bench.Reports;
using ShadowAttn.Cli.Bench.Suites;
using ShadowAttn.Kernels;
using ShadowAttn.Tests.Cli;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class TargetSuiteTests
{
    [Fact]
    public void Every_target_has_a_figure_when_its_benchmarks_are_measured()
    {
        foreach (SuiteGroup group in new TargetSuite(PeerBenchmarks.Registry, [1, 2], Enum.GetValues<KvFormat>()).Groups())
        {
            var plan = new PeakPlan(new CacheSizes(32 << 10, 1 << 20, 0, 1, "default"), group.Entries.Select(e => e.Request), arithmeticOnly: true);
            BenchMeasured[] measured = [.. group.Entries.Select((e, i) => new BenchMeasured(e, Work(e), "", new Measurement(1, [100 + i])))];
            plan.Complete(measured.Select(m => (m.Entry.Request, m.Work)));
            plan.Take(plan.Entries.Select(e => new BenchMeasured(e, PeakWork(e), "", new Measurement(1, [50]))));
            var figures = new SuiteFigures(measured, plan);

            Assert.NotEmpty(group.Targets);
            foreach (SuiteTarget target in group.Targets)
            {
                bool peer = target.Name.Contains("ONNX", StringComparison.Ordinal);
                if (!peer || PeerBenchmarks.Registry.Find(TargetSuite.PeerAttention) is not null)
                {
                    Assert.True(double.IsFinite(target.Figure(figures) ?? double.NaN), $"{group.Name}: {target.Name}");
                }
            }
        }
    }

    [Fact]
    public void Without_the_peer_its_target_has_no_figure()
    {
        SuiteGroup group = new TargetSuite(BenchRegistry.Default, [1], TargetSuite.AllFormats).Groups().First();
        var plan = new PeakPlan(CacheSizes.Current, [], arithmeticOnly: true);
        var figures = new SuiteFigures([.. group.Entries.Select(e => new BenchMeasured(e, Work(e), "", new Measurement(1, [100])))], plan);

        Assert.Null(group.Targets.Single(t => t.Name.Contains("ONNX", StringComparison.Ordinal)).Figure(figures));
        Assert.Equal(1.0, group.Targets.Single(t => t.Name.EndsWith("shadow-cpu f32 against dense", StringComparison.Ordinal)).Figure(figures));
    }

    [Fact]
    public void Figures_are_ratios_of_minima_and_rates_of_peaks()
    {
        var plan = new PeakPlan(CacheSizes.Current, [Request("dense", "attend", 2)], arithmeticOnly: true);
        BenchEntry dense = new(BenchRegistry.Default.Find("dense")!, Request("dense", "attend", 2));
        BenchEntry exp = new(BenchRegistry.Default.Find("exp")!, Request("exp", "run", 2));
        BenchMeasured[] measured =
        [
            new(dense, BenchWork.Fp32(1000), "", new Measurement(1, [100, 400])),
            new(exp, BenchWork.Memory(8, 8, 20, "element"), "", new Measurement(1, [50, 60])),
        ];
        plan.Take(plan.Entries.Select(e => new BenchMeasured(e, BenchWork.Fp32(400), "", new Measurement(1, [10]))));
        var figures = new SuiteFigures(measured, plan);

        Assert.Equal(2.0, figures.SpeedUp(exp, dense));
        Assert.Equal(-0.5, figures.Overhead(exp, dense)!.Value, 1e-12);
        Assert.Equal(2.5, figures.PerElement(exp));
        Assert.Equal(0.25, figures.PeakShare(dense)!.Value, 1e-12);
        Assert.Equal(0.25, figures.FmaPeaks(dense)!.Value, 1e-12);
        Assert.Null(figures.PeakShare(exp));
    }

    [Theory]
    [InlineData(2.0, false, 2.0, true)]
    [InlineData(2.0, false, 1.99, false)]
    [InlineData(0.05, true, 0.05, true)]
    [InlineData(0.05, true, 0.051, false)]
    public void Goals_are_bounds(double goal, bool atMost, double figure, bool reached) =>
        Assert.Equal(reached, new SuiteTarget("t", _ => figure, goal, "x", atMost).Reached(figure));

    [Fact]
    public void A_group_is_measured_and_reported_with_its_targets()
    {
        SuiteGroup selection = new TargetSuite(BenchRegistry.Default, [1], TargetSuite.AllFormats).Groups().Last();

        BenchReport report = SuiteRun.Measure([selection], new BenchTiming(TimeSpan.FromMilliseconds(1)), (_, _, _) => { });

        TargetReport target = Assert.Single(report.Targets!);
        BenchResult result = Assert.Single(report.Results);
        Assert.Equal(result.NsPerElement, target.Figure);
        Assert.Equal(target.Figure <= target.Goal, target.Reached);
        using JsonDocument json = JsonDocument.Parse(JsonSerializer.Serialize(report, BenchJson.Readable.BenchReport));
        Assert.Equal(target.Figure, json.RootElement.GetProperty("targets")[0].GetProperty("figure").GetDouble());
    }

    [Fact]
    public void The_command_measures_the_groups_that_are_asked_for()
    {
        CommandRun run = CommandRun.Of("bench", "--suite", "targets", "--group", "selection*", "--time", "0.001", "--threads", "1");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("select with mask, 4096 scores per row", run.Output, StringComparison.Ordinal);
        Assert.Contains("≤ 0.0800 ns", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--suite x", "--suite", "'x'", "targets")]
    [InlineData("--suite targets --op exp", "--suite", "leave out --op")]
    [InlineData("--suite targets --group nothing", "--group", "'nothing'", "selection, 1 thread")]
    [InlineData("--group selection*", "--group", "--suite targets")]
    [InlineData("--suite targets --no-peaks", "--suite", "leave out --no-peaks")]
    public void Wrong_options_are_named(string options, params string[] parts) =>
        CommandRun.Of(["bench", .. options.Split(' ')]).AssertBadInput(parts);

    private static BenchRequest Request(string name, string function, int threads)
    {
        OperatorBench op = BenchRegistry.Default.Find(name)!;
        return new BenchRequest(op.Functions.Single(f => f.Name == function), op.Best, op.Syntax.Parse("--shape", op.DefaultShapes[0]), threads);
    }

    private static BenchWork Work(BenchEntry entry) => entry.Operator.Name switch
    {
        "half-convert" => BenchWork.Memory(1 << 20, 1 << 20, 1000, "element"),
        "select" => BenchWork.Memory(4096, 512, 4096, "score"),
        "scores" => BenchWork.Int8(1e6),
        _ => BenchWork.Fp32(1e6),
    };

    private static BenchWork PeakWork(BenchEntry entry) => entry.Request.Function.Name switch
    {
        "fma" => BenchWork.Fp32(1000),
        "int8" => BenchWork.Int8(4000),
        "read" => BenchWork.Memory(entry.Request.Shape["kib"] * 1024.0, 0, 0, ""),
        _ => BenchWork.Memory(entry.Request.Shape["kib"] * 512.0, entry.Request.Shape["kib"] * 512.0, 0, ""),
    };
}
