using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>The softmax mass of the dropped keys of a row.</summary>
public sealed unsafe class TailMassBench() : KernelBench<TailMassKernel>(TailMass.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "the softmax mass of a row's dropped keys, by the pilot's scores";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions => [new("sum", "Σ over the dropped keys of exp(step·(score - reference))", BenchKnobs.Keep)];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("keys", 4096, 1 << 24));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["keys=512", "keys=4096"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, TailMassKernel kernel, BenchMemory memory)
    {
        int keys = request.Shape["keys"];
        SelectedRow row = SelectedRow.Create(request, Name, memory);
        return new BenchCase(
            () => kernel.Sum(row.Scores, row.Mask, keys, row.Threshold, SelectedRow.Step),
            BenchWork.Memory(SelectedRow.Bytes(keys), 0, keys, "score"),
            memory);
    }
}
