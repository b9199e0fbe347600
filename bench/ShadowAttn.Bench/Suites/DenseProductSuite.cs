using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>q·C of a tile of 48 queries, and KᵀV of a block of 64 keys.</summary>
public unsafe class DenseProductSuite : OperatorSuite
{
    private const int Rows = 48;
    private const int Keys = 64;

    private DenseProductKernel kernel;
    private float* queries;
    private float* keys;
    private float* slope;
    private float* output;

    /// <inheritdoc/>
    public override string Operator => DenseProduct.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(DenseProduct.Kernels);

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>[48, dim] x [dim, dim].</summary>
    [Benchmark]
    public void Queries() => kernel.Add(queries, Dim, 1, Rows, Dim, slope, Dim, Dim, output, Dim);

    /// <summary>[64, dim]ᵀ x [64, dim].</summary>
    [Benchmark]
    public void KeysAndValues() => kernel.Add(keys, 1, Dim, Dim, Keys, keys, Dim, Dim, slope, Dim);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(DenseProduct.Kernels);
        queries = Floats(Rows * Dim, 1e-3f);
        keys = Floats(Keys * Dim, 1e-3f);
        slope = Floats(Dim * Dim, 1e-3f);
        output = Floats(Rows * Dim, 1e-3f);
    }
}
