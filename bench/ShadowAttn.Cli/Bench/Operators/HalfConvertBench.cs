using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>16-bit numbers to and from fp32.</summary>
public sealed unsafe class HalfConvertBench() : KernelBench<HalfConvertKernel>(HalfConvert.Kernels)
{
    private const int Channels = 128;

    /// <inheritdoc/>
    public override string Summary => "fp16, bf16 and q16 to and from fp32";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("f16-to-f32", "fp16 to fp32"),
        new("f32-to-f16", "fp32 to fp16"),
        new("bf16-to-f32", "bf16 to fp32"),
        new("f32-to-bf16", "fp32 to bf16"),
        new("q16-to-f32", "int16 with a scale per channel to fp32, rows of 128 channels"),
        new("f32-to-q16", "fp32 to int16 with a scale per channel, rows of 128 channels"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("count", 4096, 1 << 28));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["count=4096", "count=33554432"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, HalfConvertKernel kernel, BenchMemory memory)
    {
        int count = request.Shape["count"];
        bool widens = request.Function.Name.EndsWith("-to-f32", StringComparison.Ordinal);
        float* wide = memory.Allocate<float>(count);
        ushort* narrow = memory.Allocate<ushort>(count);

        // Repeated, since a normal number for each of 32 M takes longer than the benchmark.
        int distinct = Math.Min(count, 1 << 16);
        float* numbers = memory.Floats(distinct);
        for (int i = 0; i < count; i += distinct)
        {
            new ReadOnlySpan<float>(numbers, Math.Min(distinct, count - i)).CopyTo(new Span<float>(wide + i, count - i));
        }

        float* scales = memory.Allocate<float>(Channels);
        new Span<float>(scales, Channels).Fill(6f / short.MaxValue);
        float* inverses = memory.Allocate<float>(Channels);
        new Span<float>(inverses, Channels).Fill(short.MaxValue / 6f);
        if (request.Function.Name == "q16-to-f32")
        {
            F32ToQ16();
        }
        else if (request.Function.Name == "bf16-to-f32")
        {
            kernel.F32ToBf16(wide, narrow, count);
        }
        else
        {
            kernel.F32ToF16(wide, narrow, count);
        }

        Action run = request.Function.Name switch
        {
            "f16-to-f32" => () => kernel.F16ToF32(narrow, wide, count),
            "f32-to-f16" => () => kernel.F32ToF16(wide, narrow, count),
            "bf16-to-f32" => () => kernel.Bf16ToF32(narrow, wide, count),
            "f32-to-bf16" => () => kernel.F32ToBf16(wide, narrow, count),
            "q16-to-f32" => Q16ToF32,
            "f32-to-q16" => F32ToQ16,
            _ => throw Unknown(request),
        };
        double two = (double)count * sizeof(ushort);
        double four = (double)count * sizeof(float);
        return new BenchCase(run, BenchWork.Memory(widens ? two : four, widens ? four : two, count, "element"), memory);

        void Q16ToF32()
        {
            int whole = count - (count % Channels);
            kernel.Q16ToF32((short*)narrow, Channels, scales, wide, Channels, count / Channels, Channels);
            kernel.Q16ToF32((short*)narrow + whole, Channels, scales, wide + whole, Channels, 1, count % Channels);
        }

        void F32ToQ16()
        {
            int whole = count - (count % Channels);
            kernel.F32ToQ16(wide, Channels, inverses, (short*)narrow, Channels, count / Channels, Channels);
            kernel.F32ToQ16(wide + whole, Channels, inverses, (short*)narrow + whole, Channels, 1, count % Channels);
        }
    }
}
