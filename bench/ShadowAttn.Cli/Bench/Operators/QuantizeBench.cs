using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>Keys and queries of one head to INT8.</summary>
public sealed unsafe class QuantizeBench() : KernelBench<QuantizeKernel>(Quantize.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "keys and queries of a head to INT8";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("keys", "K minus its mean to INT8, with the squares per channel"),
        new("queries", "Q to INT8, a scale per row"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("rows", 4096, 1 << 20), new ShapeSize("dim", 128, 4096));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["rows=256,dim=128", "rows=4096,dim=64"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, QuantizeKernel kernel, BenchMemory memory)
    {
        int rows = request.Shape["rows"];
        int dim = request.Shape["dim"];
        long count = (long)rows * dim;
        float* x = memory.Floats(count);
        float* mean = memory.Floats(dim, 0.1f);
        float* power = memory.Allocate<float>(dim);
        new Span<float>(power, dim).Fill(600);
        float* rowScales = memory.Allocate<float>(rows);
        sbyte* x8 = memory.Allocate<sbyte>(count);
        double* squareSums = memory.Allocate<double>(dim);
        Action run = request.Function.Name switch
        {
            "keys" => () => kernel.Keys(x, dim, rows, dim, mean, 127 / 5f, x8, dim, squareSums),
            "queries" => () => kernel.Queries(x, dim, rows, dim, power, 127 * 64 / 3f, x8, dim, rowScales),
            _ => throw Unknown(request),
        };
        return new BenchCase(run, BenchWork.Memory(count * sizeof(float), count, count, "element"), memory);
    }
}
