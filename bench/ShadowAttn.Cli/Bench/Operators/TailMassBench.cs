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
        if (request.Keep.IsMass)
        {
            throw new InputException($"--keep {request.Keep}: {Name} keeps a share of the keys, such as 0.2");
        }

        sbyte* scores = memory.Int8(keys, 40);
        ulong* mask = memory.Allocate<ulong>((keys + 63) / 64);
        TopKResult result;
        TopKSelect.Kernels.Scalar.Kernel.Select(scores, keys, Math.Clamp((int)Math.Ceiling(request.Keep.Value * keys), 1, keys), 0, mask, &result);
        int threshold = result.Threshold;
        return new BenchCase(
            () => kernel.Sum(scores, mask, keys, threshold, 0.05f), BenchWork.Memory(keys + ((keys + 7) / 8), 0, keys, "score"), memory);
    }
}
