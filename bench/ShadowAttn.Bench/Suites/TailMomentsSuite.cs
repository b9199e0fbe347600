using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>The sums over a row's scores that the first-order tail needs.</summary>
public unsafe class TailMomentsSuite : OperatorSuite
{
    private TailMomentsKernel kernel;
    private int threshold;
    private sbyte* scores;
    private ulong* mask;

    /// <inheritdoc/>
    public override string Operator => TailMoments.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(TailMoments.Kernels);

    /// <summary>Keys of the row.</summary>
    [Params(512, 4096)]
    public int Keys { get; set; }

    /// <summary>Mass and distance of the dropped keys, sum and squares of all.</summary>
    [Benchmark]
    public float Sum()
    {
        TailMomentSums sums;
        kernel.Sum(scores, mask, Keys, threshold, 0.05f, &sums);
        return sums.Mass;
    }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(TailMoments.Kernels);
        scores = Int8(Keys, 40);
        mask = Allocate<ulong>((Keys + 63) / 64);
        TopKResult result;
        TopKSelect.Kernels.Scalar.Kernel.Select(scores, Keys, (Keys + 4) / 5, 0, mask, &result);
        threshold = result.Threshold;
    }
}
