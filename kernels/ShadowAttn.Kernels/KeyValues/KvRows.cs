using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>The keys or the values of one KV head where they are: rows of adjacent channels, any distance apart, in one of the formats.</summary>
public unsafe struct KvRows
{
    /// <summary>The first row, aligned to the size of an element.</summary>
    public void* Data;

    /// <summary>Elements between rows.</summary>
    public nint Stride;

    /// <summary>What an element is.</summary>
    public KvFormat Format;

    /// <summary>What one step of a channel means, [dim]; read for <see cref="KvFormat.Q16"/> only.</summary>
    public float* Scales;

    /// <summary>fp32 rows.</summary>
    /// <param name="data">The first row.</param>
    /// <param name="stride">Elements between rows.</param>
    public KvRows(float* data, nint stride)
    {
        Data = data;
        Stride = stride;
        Format = KvFormat.F32;
        Scales = null;
    }

    /// <summary>Rows of any format.</summary>
    /// <param name="data">The first row.</param>
    /// <param name="stride">Elements between rows.</param>
    /// <param name="format">What an element is.</param>
    /// <param name="scales">What one step of a channel means, [dim]; for <see cref="KvFormat.Q16"/> only.</param>
    public KvRows(void* data, nint stride, KvFormat format, float* scales = null)
    {
        Data = data;
        Stride = stride;
        Format = format;
        Scales = scales;
    }

    /// <summary>The rows as fp32; valid for <see cref="KvFormat.F32"/>.</summary>
    public readonly float* Floats => (float*)Data;

    /// <summary>The rows as 16-bit numbers; valid for the other formats.</summary>
    public readonly ushort* Shorts => (ushort*)Data;

    /// <summary>Bytes of an element.</summary>
    public readonly int ElementBytes => Format == KvFormat.F32 ? sizeof(float) : sizeof(ushort);

    /// <summary>The rows from <paramref name="row"/> on.</summary>
    /// <param name="row">A row.</param>
    public readonly KvRows From(nint row) => new((byte*)Data + (row * Stride * ElementBytes), Stride, Format, Scales);

    /// <summary>One number.</summary>
    /// <param name="row">The row.</param>
    /// <param name="channel">The channel.</param>
    public readonly float At(nint row, int channel)
    {
        nint i = (row * Stride) + channel;
        return Format switch
        {
            KvFormat.F32 => Floats[i],
            KvFormat.F16 => (float)BitConverter.UInt16BitsToHalf(Shorts[i]),
            KvFormat.BF16 => BitConverter.UInt32BitsToSingle((uint)Shorts[i] << 16),
            _ => (short)Shorts[i] * Scales[channel],
        };
    }

    /// <summary>Writes the first rows as fp32.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="destination">Receives fp32 [rows, dim].</param>
    /// <param name="stride">Elements between rows of <paramref name="destination"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Widen(int rows, int dim, float* destination, nint stride)
    {
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        if (Format == KvFormat.Q16)
        {
            convert.Q16ToF32((short*)Shorts, Stride, Scales, destination, stride, rows, dim);
            return;
        }

        for (int r = 0; r < rows; r++, destination += stride)
        {
            switch (Format)
            {
                case KvFormat.F32:
                    new ReadOnlySpan<float>(Floats + (r * Stride), dim).CopyTo(new Span<float>(destination, dim));
                    break;
                case KvFormat.F16:
                    convert.F16ToF32(Shorts + (r * Stride), destination, dim);
                    break;
                default:
                    convert.Bf16ToF32(Shorts + (r * Stride), destination, dim);
                    break;
            }
        }
    }
}
