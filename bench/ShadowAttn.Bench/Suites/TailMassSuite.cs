using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>The softmax mass of the dropped keys of a row.</summary>
public unsafe class TailMassSuite : OperatorSuite
{
    private TailMassKernel kernel;
    private int threshold;
    private sbyte* scores;
    private ulong* mask;

    /// <inheritdoc/>
    public override string Operator => TailMass.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(TailMass.Kernels);

    /// <summary>Keys of the row.</summary>
    [Params(512, 4096)]
    public int Keys { get; set; }

    /// <summary>Σ over the dropped keys of exp(step·(score - reference)).</summary>
    [Benchmark]
    public float Sum() => kernel.Sum(scores, mask, Keys, threshold, 0.05f);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(TailMass.Kernels);
        scores = Int8(Keys, 40);
        mask = Allocate<ulong>((Keys + 63) / 64);
        TopKResult result;
        TopKSelect.Kernels.Scalar.Kernel.Select(scores, Keys, (Keys + 4) / 5, 0, mask, &result);
        threshold = result.Threshold;
    }
}
