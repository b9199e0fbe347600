using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>Channel sums and the largest magnitude of one KV head's keys.</summary>
public unsafe class ChannelStatsSuite : OperatorSuite
{
    private ChannelStatsKernel kernel;
    private float* x;
    private float* mean;
    private double* sums;

    /// <inheritdoc/>
    public override string Operator => ChannelStats.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(ChannelStats.Kernels);

    /// <summary>Keys.</summary>
    [Params(256, 2048)]
    public int Rows { get; set; }

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>The sum of each channel.</summary>
    [Benchmark]
    public void AddSums() => kernel.AddSums(x, Dim, Rows, Dim, sums);

    /// <summary>max |x - mean|.</summary>
    [Benchmark]
    public float AbsMax() => kernel.AbsMax(x, Dim, Rows, Dim, mean);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(ChannelStats.Kernels);
        x = Floats((long)Rows * Dim);
        mean = Floats(Dim);
        sums = Allocate<double>(Dim);
    }
}
