using ShadowAttn.Bench.Commands;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Bench.Suites;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class OperatorSuiteTests
{
    [Fact]
    public void Every_function_of_every_kernel_has_a_case_per_variant_and_shape()
    {
        IReadOnlyList<string> names = SuitesCommand.Select(null, ["all"], null);

        foreach (OperatorBench op in BenchRegistry.Default.Operators.Where(o => !o.UsesThreads && o.Name != "peak"))
        {
            foreach (BenchFunction function in op.Functions)
            {
                Assert.Equal(
                    op.Variants.Count * op.DefaultShapes.Count,
                    names.Count(n => n.StartsWith($"{op.Name}.{function.Name} ", StringComparison.Ordinal)));
            }
        }

        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.DoesNotContain(names, n => n.StartsWith("ort.", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("exp.run", "count=33")]
    [InlineData("gather.attend-tile", "keys=50,dim=20,pairs=2")]
    [InlineData("tensors.exp", "count=33")]
    [InlineData("tensors.f16-to-f32", "count=33")]
    [InlineData("tensors.f32-to-f16", "count=33")]
    [InlineData("tensors.abs-max", "count=33")]
    [InlineData("tensors.sum", "count=33")]
    public void A_case_runs_by_its_name(string function, string shape)
    {
        foreach (string name in SuitesCommand.Select([function], ["all"], [shape]))
        {
            using var suite = new OperatorSuite { Benchmark = name };
            suite.Setup();
            suite.Call();
            suite.Cleanup();
        }
    }

    [Fact]
    public void Onnx_runtimes_attention_runs_with_the_same_numbers()
    {
        OperatorBench? ort = PeerBenchmarks.Registry.Find("ort");
        Assert.SkipWhen(ort is null, "ONNX Runtime cannot be loaded here");
        foreach (BenchFunction function in ort.Functions)
        {
            using BenchCase benchmark = ort.Prepare(new BenchRequest(function, ort.Best, ort.Syntax.Parse("--shape", "4/2x64,16x16,causal"), 1));
            benchmark.Run();
            Assert.Equal(2 * 4 * 64 * 16 * 17 / 2, benchmark.Work.Macs);
        }

        InputException error = Assert.Throws<InputException>(
            () => ort.Prepare(new BenchRequest(ort.Functions[1], ort.Best, ort.Syntax.Parse("--shape", "4/2x64,1x16,causal"), 1)));
        Assert.Contains("GroupQueryAttention cannot compute", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_those_that_they_were_made_from()
    {
        string scalar = InstructionSets.Name(InstructionSet.Scalar);
        string[] names =
        [
            $"exp.run {scalar} count=7 threads=1",
            $"gather.attend {scalar} keys=40,dim=20,pairs=8 threads=2 kv=q16 keep=0.3",
            $"attention.shadow-cpu {InstructionSets.Name(InstructionSets.Active)} 4/2x16,8x24,causal threads=3 kv=bf16 keep=mass:0.9 min-keys=4 tail=mean",
        ];

        Assert.All(names, name => Assert.Equal(name, BenchId.Of(BenchId.Parse(BenchRegistry.Default, name))));
    }

    [Theory]
    [InlineData("exp.run scalar", "needs function")]
    [InlineData("exp.run scalar count=7 threads=0", "'threads=0'")]
    [InlineData("exp.run scalar count=7 threads=1 what=3", "'what=3'")]
    [InlineData("exp.walk scalar count=7 threads=1", "'exp.walk'")]
    [InlineData("select.* scalar keys=7 threads=1", "more than one")]
    public void Names_of_nothing_are_refused(string name, string part) =>
        Assert.Contains(part, Assert.Throws<InputException>(() => BenchId.Parse(BenchRegistry.Default, name)).Message, StringComparison.Ordinal);
}
