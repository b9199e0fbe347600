using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>Keys and queries of one head to INT8.</summary>
public unsafe class QuantizeSuite : OperatorSuite
{
    private QuantizeKernel kernel;
    private float* x;
    private float* mean;
    private float* power;
    private float* rowScales;
    private sbyte* x8;
    private double* squareSums;

    /// <inheritdoc/>
    public override string Operator => Quantize.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(Quantize.Kernels);

    /// <summary>Keys or queries.</summary>
    [Params(256, 2048)]
    public int Rows { get; set; }

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>K minus its mean to INT8, with the squares per channel.</summary>
    [Benchmark]
    public void Keys() => kernel.Keys(x, Dim, Rows, Dim, mean, 127 / 5f, x8, Dim, squareSums);

    /// <summary>Q to INT8, a scale per row.</summary>
    [Benchmark]
    public void Queries() => kernel.Queries(x, Dim, Rows, Dim, power, 127 * 64 / 3f, x8, Dim, rowScales);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(Quantize.Kernels);
        x = Floats((long)Rows * Dim);
        mean = Floats(Dim, 0.1f);
        power = Allocate<float>(Dim);
        new Span<float>(power, Dim).Fill(600);
        rowScales = Allocate<float>(Rows);
        x8 = Allocate<sbyte>((long)Rows * Dim);
        squareSums = Allocate<double>(Dim);
    }
}
