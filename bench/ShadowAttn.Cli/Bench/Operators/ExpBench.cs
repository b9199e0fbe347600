using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>exp: the weights of a row.</summary>
public sealed unsafe class ExpBench() : KernelBench<ExpKernel>(Exp.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "exp of fp32, element by element";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions => [new("run", "y = exp(x)")];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("count", 4096, 1 << 28));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["count=512", "count=4096"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, ExpKernel kernel, BenchMemory memory)
    {
        int count = request.Shape["count"];
        float* x = memory.Floats(count, 4);
        float* y = memory.Allocate<float>(count);
        double bytes = (double)count * sizeof(float);
        return new BenchCase(() => kernel.Run(x, y, count), BenchWork.Memory(bytes, bytes, count, "element"), memory);
    }
}
