namespace ShadowAttn.Kernels;

/// <summary>fp16 by <see cref="Half"/>; bf16 is the upper half of fp32, rounded half to even.</summary>
internal static unsafe class HalfConvertScalar
{
    public static HalfConvertKernel Kernel => new(&F16ToF32, &F32ToF16, &Bf16ToF32, &F32ToBf16, &Q16ToF32, &F32ToQ16);

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

    public static void Q16ToF32(
        short* source, nint sourceStride, float* scales, float* destination, nint destinationStride, nint rows, nint channels)
    {
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            Q16ToF32(source, scales, destination, channels);
        }
    }

    public static void F32ToQ16(
        float* source, nint sourceStride, float* inverses, short* destination, nint destinationStride, nint rows, nint channels)
    {
        for (nint r = 0; r < rows; r++, source += sourceStride, destination += destinationStride)
        {
            F32ToQ16(source, inverses, destination, channels);
        }
    }

    /// <summary>One row.</summary>
    public static void Q16ToF32(short* source, float* scales, float* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            destination[i] = source[i] * scales[i];
        }
    }

    /// <summary>One row.</summary>
    public static void F32ToQ16(float* source, float* inverses, short* destination, nint count)
    {
        for (nint i = 0; i < count; i++)
        {
            float x = MathF.Round(source[i] * inverses[i], MidpointRounding.ToEven);
            destination[i] = (short)(x > 32767 ? 32767 : x >= -32767 ? x : -32767);
        }
    }
}
