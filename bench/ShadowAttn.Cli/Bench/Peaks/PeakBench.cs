using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>What the machine can do at most: measured like any operator, in the same run, interleaved with what is compared with it.</summary>
public sealed unsafe class PeakBench() : KernelBench<PeakKernel>(PeakKernels.Kernels)
{
    /// <summary>Fused multiply-adds of fp32.</summary>
    public const string Fma = "fma";

    /// <summary>Multiply-adds of 8-bit numbers.</summary>
    public const string Int8 = "int8";

    /// <summary>Bytes read.</summary>
    public const string Read = "read";

    /// <summary>Bytes read and written by a copy.</summary>
    public const string Copy = "copy";

    /// <summary>The same with stores that pass the caches by.</summary>
    public const string Stream = "copy-stream";

    private const int Iterations = 4096;

    /// <inheritdoc/>
    public override string Summary => "what the machine can do at most";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new(Fma, "fp32 multiply-adds without memory"),
        new(Int8, "8-bit multiply-adds without memory: VPMADDUBSW, VPDPBUSD, SMLAL or SDOT"),
        new(Read, "reads"),
        new(Copy, "copies; bytes read and written count"),
        new(Stream, "copies with stores that pass the caches by"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("kib", 16, 1 << 20, Least: 2));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["kib=16"];

    /// <summary>A request for a peak.</summary>
    /// <param name="function">What is measured.</param>
    /// <param name="isa">The variant.</param>
    /// <param name="kib">KiB that are read, or read and written.</param>
    /// <param name="threads">Threads at once.</param>
    public BenchRequest Request(string function, InstructionSet isa, int kib, int threads) => new(
        Functions.Single(f => f.Name == function), isa, Syntax.Parse("--shape", FormattableString.Invariant($"kib={kib}")), threads);

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, PeakKernel kernel, BenchMemory memory)
    {
        nint bytes = (nint)Math.Max(1, request.Shape["kib"] / 2) * 2 * 1024;
        nint half = bytes / 2;
        switch (request.Function.Name)
        {
            case Fma:
                return new BenchCase(() => kernel.Fma(Iterations), BenchWork.Fp32((double)Iterations * kernel.FmaMacs), memory);
            case Int8:
                return new BenchCase(() => kernel.Int8(Iterations), BenchWork.Int8((double)Iterations * kernel.Int8Macs), memory);
            case Read:
                byte* x = memory.Allocate<byte>(bytes);
                return new BenchCase(() => kernel.Read(x, bytes), BenchWork.Memory(bytes, 0, 0, string.Empty), memory);
            case Copy or Stream:
                byte* source = memory.Allocate<byte>(half);
                byte* destination = memory.Allocate<byte>(half);
                delegate*<byte*, byte*, nint, void> copy = request.Function.Name == Copy ? kernel.Copy : kernel.Stream;
                return new BenchCase(() => copy(source, destination, half), BenchWork.Memory(half, half, 0, string.Empty), memory);
            default:
                throw Unknown(request);
        }
    }
}
