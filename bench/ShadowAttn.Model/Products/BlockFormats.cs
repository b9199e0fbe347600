using ShadowAttn.Kernels;
using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Model.Products;

/// <summary>Turns rows of quantised blocks into fp32.</summary>
internal static unsafe class BlockFormats
{
    /// <summary>The function for a type: (source, destination, elements), whole blocks.</summary>
    public static delegate*<byte*, float*, nint, void> Dequantize(GgufTensorType type)
    {
        if (type == GgufTensorType.Q4_0)
        {
            return &LegacyBlocks.Q4_0;
        }

        if (type == GgufTensorType.Q4_1)
        {
            return &LegacyBlocks.Q4_1;
        }

        if (type == GgufTensorType.Q5_0)
        {
            return &LegacyBlocks.Q5_0;
        }

        if (type == GgufTensorType.Q5_1)
        {
            return &LegacyBlocks.Q5_1;
        }

        if (type == GgufTensorType.Q8_0)
        {
            return &LegacyBlocks.Q8_0;
        }

        if (type == GgufTensorType.Q4_K)
        {
            return &SuperBlocks.Q4_K;
        }

        if (type == GgufTensorType.Q5_K)
        {
            return &SuperBlocks.Q5_K;
        }

        if (type == GgufTensorType.Q6_K)
        {
            return &SuperBlocks.Q6_K;
        }

        return type == GgufTensorType.F16 ? &F16 : type == GgufTensorType.BF16 ? &Bf16 : &F32;
    }

    private static void F32(byte* source, float* destination, nint elements) =>
        Buffer.MemoryCopy(source, destination, elements * sizeof(float), elements * sizeof(float));

    private static void F16(byte* source, float* destination, nint elements) =>
        HalfConvert.Kernels.Best.Kernel.F16ToF32((ushort*)source, destination, elements);

    private static void Bf16(byte* source, float* destination, nint elements) =>
        HalfConvert.Kernels.Best.Kernel.Bf16ToF32((ushort*)source, destination, elements);
}
