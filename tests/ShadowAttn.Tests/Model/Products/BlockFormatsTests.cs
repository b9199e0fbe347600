using ShadowAttn.Memory;
using ShadowAttn.Model.Gguf;
using ShadowAttn.Model.Products;
using Xunit;

namespace ShadowAttn.Tests.Model.Products;

public sealed class BlockFormatsTests
{
    public static TheoryData<string> Types => [.. GgufTensorType.All.Select(t => t.Name)];

    /// <summary>Random blocks whose scales are ordinary numbers, with a guard page behind both buffers.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public unsafe void Every_format_equals_its_formula(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "guard pages need Linux");
        GgufTensorType type = GgufTensorType.All.Single(t => t.Name == name);
        int elements = Math.Max(3 * type.BlockElements, 96);
        byte[] bytes = Blocks(type, elements, seed: 7);
        float[] expected = BlockFormula.Dequantize(type, bytes);
        using UnmanagedBuffer source = UnmanagedBuffer.AllocateGuarded(bytes.Length);
        using UnmanagedBuffer destination = UnmanagedBuffer.AllocateGuarded(elements * sizeof(float));
        bytes.CopyTo(source.AsSpan<byte>());
        BlockFormats.Dequantize(type)(source.Pointer, (float*)destination.Pointer, elements);
        Assert.Equal(expected, destination.AsSpan<float>().ToArray());
        Assert.True(expected.Distinct().Count() > 20, "the test's blocks are too uniform to show anything");
    }

    internal static byte[] Blocks(GgufTensorType type, int elements, int seed)
    {
        var random = new Random(seed);
        var bytes = new byte[elements / type.BlockElements * type.BlockBytes];
        random.NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += type.BlockBytes)
        {
            Span<byte> block = bytes.AsSpan(at, type.BlockBytes);
            switch (type.Name)
            {
                case "F32":
                    BitConverter.TryWriteBytes(block, (float)(random.NextDouble() - 0.5));
                    break;
                case "F16":
                    BitConverter.TryWriteBytes(block, (Half)(random.NextDouble() - 0.5));
                    break;
                case "BF16":
                    BitConverter.TryWriteBytes(block, (ushort)(BitConverter.SingleToInt32Bits((float)(random.NextDouble() - 0.5)) >> 16));
                    break;
                case "Q6_K":
                    BitConverter.TryWriteBytes(block[208..], (Half)(random.NextDouble() / 4096));
                    break;
                default:
                    BitConverter.TryWriteBytes(block, (Half)(random.NextDouble() / 64));
                    if (type.Name is "Q4_1" or "Q5_1" or "Q4_K" or "Q5_K")
                    {
                        BitConverter.TryWriteBytes(block[2..], (Half)(-random.NextDouble() / 64));
                    }

                    break;
            }
        }

        return bytes;
    }
}
