using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>exp: the weights of a row.</summary>
public unsafe class ExpSuite : OperatorSuite
{
    private ExpKernel kernel;
    private float* x;
    private float* y;

    /// <inheritdoc/>
    public override string Operator => Exp.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(Exp.Kernels);

    /// <summary>Numbers per call.</summary>
    [Params(512, 4096)]
    public int Count { get; set; }

    /// <summary>y = exp(x).</summary>
    [Benchmark]
    public void Run() => kernel.Run(x, y, Count);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(Exp.Kernels);
        x = Floats(Count, 4);
        y = Allocate<float>(Count);
    }
}
