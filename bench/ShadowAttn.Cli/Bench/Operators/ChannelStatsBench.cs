using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>Channel sums and the largest magnitude of one KV head's keys.</summary>
public sealed unsafe class ChannelStatsBench() : KernelBench<ChannelStatsKernel>(ChannelStats.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "sums per channel and the largest magnitude of a matrix";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("add-sums", "the sum of each channel"),
        new("abs-max", "max |x - mean|"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("rows", 4096, 1 << 20), new ShapeSize("dim", 128, 4096));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["rows=256,dim=128", "rows=4096,dim=64"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, ChannelStatsKernel kernel, BenchMemory memory)
    {
        int rows = request.Shape["rows"];
        int dim = request.Shape["dim"];
        long count = (long)rows * dim;
        float* x = memory.Floats(count);
        float* mean = memory.Floats(dim);
        double* sums = memory.Allocate<double>(dim);
        Action run = request.Function.Name switch
        {
            "add-sums" => () => kernel.AddSums(x, dim, rows, dim, sums),
            "abs-max" => () => kernel.AbsMax(x, dim, rows, dim, mean),
            _ => throw Unknown(request),
        };
        return new BenchCase(run, BenchWork.Memory(count * sizeof(float), 0, count, "element"), memory);
    }
}
