using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>A converted copy of keys or values, [kvHeads, keys, headDim], contiguous, in memory of its own.</summary>
public sealed unsafe class KvTensor : IDisposable
{
    /// <summary>The largest fp16 number.</summary>
    public const float MaxF16 = 65504;

    private readonly UnmanagedBuffer buffer;
    private readonly UnmanagedBuffer? scales;

    private KvTensor(UnmanagedBuffer buffer, UnmanagedBuffer? scales, KvView view)
    {
        this.buffer = buffer;
        this.scales = scales;
        View = view;
    }

    /// <summary>The copy; valid until the tensor is disposed.</summary>
    public KvView View { get; }

    /// <summary>Converts, rounding half to even. For q16 a channel's scale is its absolute maximum / 32767.</summary>
    /// <param name="source">fp32 [kvHeads, keys, headDim], any strides with adjacent channels.</param>
    /// <param name="format">What to convert to; fp16 makes numbers beyond <see cref="MaxF16"/> infinite.</param>
    /// <exception cref="ArgumentException">The source has another rank, or channels that are not adjacent.</exception>
    public static KvTensor Convert(in TensorView<float> source, KvFormat format)
    {
        if (source.Rank != 3 || source.Stride(2) != 1)
        {
            throw new ArgumentException("the source must be [kvHeads, keys, headDim] with adjacent channels", nameof(source));
        }

        int heads = source.Length(0);
        int keys = source.Length(1);
        int dim = source.Length(2);
        UnmanagedBuffer copy = UnmanagedBuffer.Allocate(source.ElementCount * (format == KvFormat.F32 ? sizeof(float) : sizeof(ushort)));
        UnmanagedBuffer? steps = format == KvFormat.Q16 ? UnmanagedBuffer.Allocate(2L * heads * dim * sizeof(float)) : null;
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        for (int head = 0; head < heads; head++)
        {
            float* scale = null;
            float* inverse = null;
            if (steps is not null)
            {
                scale = (float*)steps.Pointer + ((nint)head * dim);
                inverse = scale + ((nint)heads * dim);
                FindScales(source, head, scale, inverse);
            }

            for (int key = 0; key < keys; key++)
            {
                float* row = source.RowPointer(head, key);
                nint offset = (((nint)head * keys) + key) * dim;
                switch (format)
                {
                    case KvFormat.F32:
                        new ReadOnlySpan<float>(row, dim).CopyTo(new Span<float>((float*)copy.Pointer + offset, dim));
                        break;
                    case KvFormat.F16:
                        convert.F32ToF16(row, (ushort*)copy.Pointer + offset, dim);
                        break;
                    case KvFormat.BF16:
                        convert.F32ToBf16(row, (ushort*)copy.Pointer + offset, dim);
                        break;
                    default:
                        convert.F32ToQ16(row, 0, inverse, (short*)copy.Pointer + offset, 0, 1, dim);
                        break;
                }
            }
        }

        KvView view = format switch
        {
            KvFormat.F32 => copy.View<float>(heads, keys, dim),
            KvFormat.F16 => copy.View<Half>(heads, keys, dim),
            KvFormat.BF16 => KvView.BF16(copy.View<ushort>(heads, keys, dim)),
            _ => new KvView(copy.View<short>(heads, keys, dim), steps!.View<float>(heads, dim)),
        };
        return new KvTensor(copy, steps, view);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        buffer.Dispose();
        scales?.Dispose();
    }

    private static void FindScales(in TensorView<float> source, int head, float* scale, float* inverse)
    {
        int dim = source.Length(2);
        new Span<float>(scale, dim).Clear();
        for (int key = 0; key < source.Length(1); key++)
        {
            float* row = source.RowPointer(head, key);
            for (int d = 0; d < dim; d++)
            {
                scale[d] = MathF.Max(scale[d], MathF.Abs(row[d]));
            }
        }

        for (int d = 0; d < dim; d++)
        {
            scale[d] = scale[d] > Quantize.MinScale && float.IsFinite(scale[d]) ? scale[d] / 32767 : 1;
            inverse[d] = 1 / scale[d];
        }
    }
}
