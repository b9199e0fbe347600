using ShadowAttn.Kernels;

namespace ShadowAttn.InstructionCount;

/// <summary>The operators that work on vectors of any length.</summary>
internal static unsafe class Elementwise
{
    private const int Elements = 65536;
    private const int Channels = 64;

    public static void Count(Counter counter)
    {
        const string Shape = "64 K";
        float* x = Block.Allocate<float>(Elements);
        float* y = Block.Allocate<float>(Elements);
        ushort* half = Block.Allocate<ushort>(Elements);
        for (int i = 0; i < Elements; i++)
        {
            x[i] = -i * (20f / Elements);
        }

        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        ExpKernel exp = Exp.Kernels.Best.Kernel;
        counter.Count("f32-to-f16", Shape, "AdvSimd", 1, () => convert.F32ToF16(x, half, Elements));
        counter.Count("f16-to-f32", Shape, "AdvSimd", 1, () => convert.F16ToF32(half, y, Elements));
        counter.Count("f32-to-bf16", Shape, "AdvSimd", 1, () => convert.F32ToBf16(x, half, Elements));
        counter.Count("bf16-to-f32", Shape, "AdvSimd", 1, () => convert.Bf16ToF32(half, y, Elements));
        float* steps = Block.Allocate<float>(Channels);
        new Span<float>(steps, Channels).Fill(0.5f);
        short* levels = (short*)half;
        counter.Count("f32-to-q16", Shape, "AdvSimd", 1, () => convert.F32ToQ16(x, Channels, steps, levels, Channels, Elements / Channels, Channels));
        counter.Count("q16-to-f32", Shape, "AdvSimd", 1, () => convert.Q16ToF32(levels, Channels, steps, y, Channels, Elements / Channels, Channels));
        counter.Count("exp", Shape, "AdvSimd", 1, () => exp.Run(x, y, Elements));
    }
}
