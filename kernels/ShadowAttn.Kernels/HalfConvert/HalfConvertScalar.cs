namespace ShadowAttn.Kernels;

/// <summary>fp16 by <see cref="Half"/>; bf16 is the upper half of fp32, rounded half to even.</summary>
internal static unsafe class HalfConvertScalar
{
    public static HalfConvertKernel Kernel => new(&F16ToF32, &F32ToF16, &Bf16ToF32, &F32ToBf16);

    public static void F16ToF32(ushort* source, float* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    public static void F32ToF16(float* source, ushort* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            destination[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
        }
    }

    public static void Bf16ToF32(ushort* source, float* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }

    public static void F32ToBf16(float* source, ushort* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);
            destination[i] = float.IsNaN(source[i])
                ? (ushort)((bits >> 16) | 0x40)
                : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }
}
