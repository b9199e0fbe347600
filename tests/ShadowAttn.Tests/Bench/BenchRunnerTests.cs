using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Reports;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class BenchRunnerTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(2);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 1)]
    [InlineData(5, 3)]
    public void Iterations_are_the_calls_that_happen(int iterations, int threads)
    {
        var counting = new CountingBench();

        IReadOnlyList<BenchMeasured> results = Run(counting, new BenchTiming(Short, iterations), threads);

        Assert.Equal(iterations * threads, counting.Calls);
        Assert.Equal((iterations, 1), ((int)results[0].Measurement.Calls, results[0].Measurement.SamplesNs.Count));
        Assert.Equal((threads, threads), (counting.Prepared, counting.Disposed));
    }

    [Fact]
    public void Measuring_takes_samples_in_ascending_order_and_disposes_the_cases()
    {
        var counting = new CountingBench();

        BenchMeasured result = Run(counting, new BenchTiming(Short), threads: 2)[0];

        Measurement measurement = result.Measurement;
        Assert.InRange(measurement.SamplesNs.Count, 3, 300);
        Assert.Equal(measurement.SamplesNs.Order(), measurement.SamplesNs);
        Assert.Equal((measurement.SamplesNs[0], measurement.SamplesNs[^1]), (measurement.MinNs, measurement.MaxNs));
        Assert.InRange(counting.Calls, 2 * measurement.Calls * measurement.SamplesNs.Count, long.MaxValue);
        Assert.Equal((2, 2, 2), (result.Copies, counting.Prepared, counting.Disposed));
    }

    [Fact]
    public void An_operator_with_threads_of_its_own_is_one_case()
    {
        var counting = new CountingBench { Own = true };

        BenchMeasured result = Run(counting, new BenchTiming(Short, 3), threads: 4)[0];

        Assert.Equal((3, 1, 1), (counting.Calls, counting.Prepared, result.Copies));
    }

    [Fact]
    public void Excluded_time_does_not_count()
    {
        var slow = new CountingBench { CallTime = TimeSpan.FromMilliseconds(2), Excluded = TimeSpan.FromHours(1) };

        Assert.Equal(0, Run(slow, new BenchTiming(Short, 2), threads: 1)[0].Measurement.MinNs);
    }

    [Fact]
    public void A_failing_case_fails_the_run_and_all_cases_are_disposed()
    {
        var failing = new CountingBench { FailAt = 3 };

        Assert.Throws<InvalidOperationException>(() => Run(failing, new BenchTiming(Short, 5), threads: 2));

        Assert.Equal(failing.Prepared, failing.Disposed);
    }

    [Fact]
    public void The_median_of_an_even_number_is_between_the_middle_two()
    {
        var measurement = new Measurement(1, [2, 3, 5, 90]);

        Assert.Equal((2.0, 4.0, 90.0, 1.0), (measurement.MinNs, measurement.MedianNs, measurement.MaxNs, measurement.Spread));
    }

    [Fact]
    public void Rates_are_those_of_all_copies_at_the_minimum()
    {
        var counting = new CountingBench();
        BenchEntry entry = Entry(counting, threads: 2);
        var work = new BenchWork(WorkBound.Fp32) { Macs = 1000, BytesRead = 300, BytesWritten = 100, Elements = 50, Element = "row" };

        BenchResult result = BenchReportBuilder.Build([new BenchMeasured(entry, work, "", new Measurement(4, [10, 12, 14]))], null).Results[0];

        Assert.Equal((200.0, 400.0, 80.0, 0.2, "row"), (result.Gmacs!.Value, result.Gflops!.Value, result.Gbs!.Value, result.NsPerElement!.Value, result.Element));
        Assert.Equal((10.0, 12.0, 14.0, 0.2), (result.MinNs, result.MedianNs, result.MaxNs, result.Spread));
        Assert.Equal("count.call scalar n=1 threads=2", result.Id);
        Assert.Null(result.PeakShare);
    }

    private static IReadOnlyList<BenchMeasured> Run(CountingBench bench, BenchTiming timing, int threads) =>
        new BenchRunner(timing, (_, _, _) => { }).Run([Entry(bench, threads)]);

    private static BenchEntry Entry(CountingBench bench, int threads) =>
        new(bench, new BenchRequest(bench.Functions[0], InstructionSet.Scalar, bench.Syntax.Parse("--shape", ""), threads));

    private sealed class CountingBench : OperatorBench
    {
        private int calls;
        private int prepared;
        private int disposed;

        public int Calls => calls;

        public int Prepared => prepared;

        public int Disposed => disposed;

        public bool Own { get; init; }

        public int FailAt { get; init; }

        public TimeSpan CallTime { get; init; }

        public TimeSpan Excluded { get; init; }

        public override string Name => "count";

        public override string Summary => "counts its calls";

        public override IReadOnlyList<InstructionSet> Variants => [InstructionSet.Scalar];

        public override InstructionSet Best => InstructionSet.Scalar;

        public override IReadOnlyList<BenchFunction> Functions { get; } = [new("call", "one more")];

        public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("n", 1, 10));

        public override IReadOnlyList<string> DefaultShapes => ["n=1"];

        public override bool UsesThreads => Own;

        public override BenchCase Prepare(BenchRequest request)
        {
            Interlocked.Increment(ref prepared);
            return new BenchCase(Call, new BenchWork(WorkBound.None), new Owned(this)) { ExcludedNs = () => Excluded.TotalNanoseconds };
        }

        private void Call()
        {
            if (Interlocked.Increment(ref calls) == FailAt)
            {
                throw new InvalidOperationException("this call fails");
            }

            if (CallTime > TimeSpan.Zero)
            {
                Thread.Sleep(CallTime);
            }
        }

        private sealed class Owned(CountingBench bench) : IDisposable
        {
            public void Dispose() => Interlocked.Increment(ref bench.disposed);
        }
    }
}
