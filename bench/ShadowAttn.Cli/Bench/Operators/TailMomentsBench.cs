using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>The sums over a row's scores that the first-order tail needs.</summary>
public sealed unsafe class TailMomentsBench() : KernelBench<TailMomentsKernel>(TailMoments.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "mass and first moment of a row's dropped keys, sum and squares of all its scores";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions => [new("sum", "all four sums of a row", BenchKnobs.Keep)];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("keys", 4096, 1 << 24));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["keys=512", "keys=4096"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, TailMomentsKernel kernel, BenchMemory memory)
    {
        int keys = request.Shape["keys"];
        SelectedRow row = SelectedRow.Create(request, Name, memory);
        TailMomentSums* sums = memory.Allocate<TailMomentSums>(1);
        return new BenchCase(
            () => kernel.Sum(row.Scores, row.Mask, keys, row.Threshold, SelectedRow.Step, sums),
            BenchWork.Memory(SelectedRow.Bytes(keys), 0, keys, "score"),
            memory);
    }
}
