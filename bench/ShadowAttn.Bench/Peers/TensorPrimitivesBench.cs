using System.Numerics.Tensors;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Peers;

/// <summary>What System.Numerics.Tensors has of the element-wise operators, on as many numbers.</summary>
public sealed unsafe class TensorPrimitivesBench : OperatorBench
{
    /// <inheritdoc/>
    public override string Name => "tensors";

    /// <inheritdoc/>
    public override string Summary => "System.Numerics.Tensors, for comparison with exp, half-convert and channel-stats";

    /// <inheritdoc/>
    public override IReadOnlyList<InstructionSet> Variants => [InstructionSets.Supported[^1]];

    /// <inheritdoc/>
    public override InstructionSet Best => Variants[0];

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("exp", "TensorPrimitives.Exp; compare exp.run"),
        new("f16-to-f32", "ConvertToSingle; compare half-convert.f16-to-f32"),
        new("f32-to-f16", "ConvertToHalf; compare half-convert.f32-to-f16"),
        new("abs-max", "MaxMagnitude; compare channel-stats.abs-max"),
        new("sum", "Sum; compare channel-stats.add-sums"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("count", 4096, 1 << 28));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["count=512", "count=4096"];

    /// <inheritdoc/>
    public override BenchCase Prepare(BenchRequest request)
    {
        int count = request.Shape["count"];
        var memory = new BenchMemory();
        float* x = memory.Floats(count, 4);
        float* y = memory.Allocate<float>(count);
        Half* narrow = memory.Allocate<Half>(count);
        TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(x, count), new Span<Half>(narrow, count));
        double two = 2.0 * count;
        double four = 4.0 * count;
        return request.Function.Name switch
        {
            "exp" => Case(() => TensorPrimitives.Exp(new ReadOnlySpan<float>(x, count), new Span<float>(y, count)), four, four),
            "f16-to-f32" => Case(() => TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(narrow, count), new Span<float>(y, count)), two, four),
            "f32-to-f16" => Case(() => TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(x, count), new Span<Half>(narrow, count)), four, two),
            "abs-max" => Case(() => y[0] = TensorPrimitives.MaxMagnitude(new ReadOnlySpan<float>(x, count)), four, 0),
            "sum" => Case(() => y[0] = TensorPrimitives.Sum(new ReadOnlySpan<float>(x, count)), four, 0),
            _ => throw new ArgumentException($"no function {request.Function.Name}", nameof(request)),
        };

        BenchCase Case(Action run, double read, double written) => new(run, BenchWork.Memory(read, written, count, "element"), memory);
    }
}
