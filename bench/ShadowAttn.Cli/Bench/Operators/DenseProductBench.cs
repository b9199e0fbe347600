using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>q·C of a tile of queries, and KᵀV of a block of keys, added to what is there.</summary>
public sealed unsafe class DenseProductBench() : KernelBench<DenseProductKernel>(DenseProduct.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "small dense products of the first-order tail";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("queries", "q·C: [rows, dim] x [dim, dim]"),
        new("keys-values", "KᵀV: [rows, dim]ᵀ x [rows, dim]"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("rows", 48, 4096), new ShapeSize("dim", 128, 1024));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["rows=48,dim=64", "rows=48,dim=128"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, DenseProductKernel kernel, BenchMemory memory)
    {
        int rows = request.Shape["rows"];
        int dim = request.Shape["dim"];
        float* x = memory.Floats((long)rows * dim, 1e-3f);
        float* y = memory.Floats((long)rows * dim, 1e-3f);
        float* square = memory.Floats((long)dim * dim, 1e-3f);
        Action run = request.Function.Name switch
        {
            "queries" => () => kernel.Add(x, dim, 1, rows, dim, square, dim, dim, y, dim),
            "keys-values" => () => kernel.Add(x, 1, dim, dim, rows, y, dim, dim, square, dim),
            _ => throw Unknown(request),
        };
        return new BenchCase(run, BenchWork.Fp32((double)rows * dim * dim), memory);
    }
}
