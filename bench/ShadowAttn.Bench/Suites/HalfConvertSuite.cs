using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>16-bit floating point to and from fp32.</summary>
public unsafe class HalfConvertSuite : OperatorSuite
{
    private HalfConvertKernel kernel;
    private ushort* f16;
    private ushort* bf16;
    private ushort* narrow;
    private float* wide;

    /// <inheritdoc/>
    public override string Operator => HalfConvert.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(HalfConvert.Kernels);

    /// <summary>Numbers per call.</summary>
    [Params(4096, 262144)]
    public int Count { get; set; }

    /// <summary>fp16 to fp32.</summary>
    [Benchmark]
    public void F16ToF32() => kernel.F16ToF32(f16, wide, Count);

    /// <summary>fp32 to fp16.</summary>
    [Benchmark]
    public void F32ToF16() => kernel.F32ToF16(wide, narrow, Count);

    /// <summary>bf16 to fp32.</summary>
    [Benchmark]
    public void Bf16ToF32() => kernel.Bf16ToF32(bf16, wide, Count);

    /// <summary>fp32 to bf16.</summary>
    [Benchmark]
    public void F32ToBf16() => kernel.F32ToBf16(wide, narrow, Count);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(HalfConvert.Kernels);
        wide = Floats(Count);
        f16 = Allocate<ushort>(Count);
        bf16 = Allocate<ushort>(Count);
        narrow = Allocate<ushort>(Count);
        kernel.F32ToF16(wide, f16, Count);
        kernel.F32ToBf16(wide, bf16, Count);
    }
}
