using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>Loops that do nothing but multiply-adds, loads or copies, for one instruction set.</summary>
public readonly unsafe struct PeakKernel
{
    /// <summary>fp32 multiply-adds of one iteration of <see cref="Fma"/>.</summary>
    public readonly int FmaMacs;

    /// <summary>8-bit multiply-adds of one iteration of <see cref="Int8"/>.</summary>
    public readonly int Int8Macs;

    /// <summary>(iterations): independent chains of fused multiply-adds; the result only keeps them alive.</summary>
    public readonly delegate*<long, float> Fma;

    /// <summary>(iterations): independent chains of the instruction set's 8-bit multiply-add.</summary>
    public readonly delegate*<long, int> Int8;

    /// <summary>(source, bytes): reads a multiple of <see cref="Peaks.PeakKernels.Block"/> bytes, 64-byte aligned.</summary>
    public readonly delegate*<byte*, nint, int> Read;

    /// <summary>(source, destination, bytes): copies as many.</summary>
    public readonly delegate*<byte*, byte*, nint, void> Copy;

    /// <summary>(source, destination, bytes): copies with stores that pass the caches by.</summary>
    public readonly delegate*<byte*, byte*, nint, void> Stream;

    internal PeakKernel(
        int fmaMacs,
        delegate*<long, float> fma,
        int int8Macs,
        delegate*<long, int> int8,
        delegate*<byte*, nint, int> read,
        delegate*<byte*, byte*, nint, void> copy,
        delegate*<byte*, byte*, nint, void> stream)
    {
        FmaMacs = fmaMacs;
        Fma = fma;
        Int8Macs = int8Macs;
        Int8 = int8;
        Read = read;
        Copy = copy;
        Stream = stream;
    }
}

/// <summary>The peak loops of all instruction sets, as a kernel table like any other.</summary>
public static unsafe class PeakKernels
{
    /// <summary>What sizes of reads and copies are multiples of.</summary>
    public const int Block = 1024;

    /// <summary>All variants.</summary>
    public static KernelTable<PeakKernel> Kernels { get; } = new(
        "peak",
        new KernelVariant<PeakKernel>(InstructionSet.Scalar, PeakScalar.Kernel),
        new KernelVariant<PeakKernel>(InstructionSet.AdvSimd, PeakAdvSimd.Kernel),
        new KernelVariant<PeakKernel>(InstructionSet.Dp, PeakDp.Kernel),
        new KernelVariant<PeakKernel>(InstructionSet.Avx2, PeakAvx2.Kernel),
        new KernelVariant<PeakKernel>(InstructionSet.AvxVnni, PeakAvxVnni.Kernel),
        new KernelVariant<PeakKernel>(InstructionSet.Avx512, PeakAvx512.Kernel));
}
