using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>Keys or values where they are, [kvHeads, keys, headDim], in one of the formats; somebody else keeps the memory alive.</summary>
public readonly unsafe struct KvView
{
    private readonly void* pointer;
    private readonly float* scales;
    private readonly nint scaleStride;
    private readonly int rank;
    private readonly (int Heads, int Keys, int Dim) lengths;
    private readonly (nint Head, nint Row, nint Channel) strides;

    /// <summary>fp32.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim], any strides with adjacent channels.</param>
    public KvView(in TensorView<float> tensor)
        : this(tensor.Pointer, KvFormat.F32, Shape(tensor), Strides(tensor), tensor.Rank)
    {
    }

    /// <summary>fp16.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim], any strides with adjacent channels.</param>
    public KvView(in TensorView<Half> tensor)
        : this(tensor.Pointer, KvFormat.F16, Shape(tensor), Strides(tensor), tensor.Rank)
    {
    }

    /// <summary>int16 with a scale per channel and KV head.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim], any strides with adjacent channels.</param>
    /// <param name="scales">What one step means, fp32 [kvHeads, headDim], adjacent channels.</param>
    /// <exception cref="ArgumentException">The scales' shape or strides do not fit the tensor.</exception>
    public KvView(in TensorView<short> tensor, in TensorView<float> scales)
        : this(tensor.Pointer, KvFormat.Q16, Shape(tensor), Strides(tensor), tensor.Rank)
    {
        if (scales.Rank != 2 || scales.Length(0) != lengths.Heads || scales.Length(1) != lengths.Dim || scales.Stride(1) != 1)
        {
            throw new ArgumentException(
                $"scales must be [{lengths.Heads}, {lengths.Dim}] with adjacent channels: one scale per KV head and channel", nameof(scales));
        }

        this.scales = scales.Pointer;
        scaleStride = scales.Stride(0);
    }

    private KvView(void* pointer, KvFormat format, (int Heads, int Keys, int Dim) lengths, (nint Head, nint Row, nint Channel) strides, int rank)
    {
        this.pointer = pointer;
        this.lengths = lengths;
        this.strides = strides;
        this.rank = rank;
        Format = format;
    }

    /// <summary>What an element is.</summary>
    public KvFormat Format { get; }

    /// <summary>KV heads.</summary>
    public int Heads => lengths.Heads;

    /// <summary>Keys per KV head.</summary>
    public int Keys => lengths.Keys;

    /// <summary>Channels.</summary>
    public int Dim => lengths.Dim;

    internal int Rank => rank;

    internal nint HeadStride => strides.Head;

    internal nint RowStride => strides.Row;

    internal nint ChannelStride => strides.Channel;

    /// <summary>bfloat16.</summary>
    /// <param name="tensor">Bits of bfloat16, [kvHeads, keys, headDim], any strides with adjacent channels.</param>
    public static KvView BF16(in TensorView<ushort> tensor) =>
        new(tensor.Pointer, KvFormat.BF16, Shape(tensor), Strides(tensor), tensor.Rank);

    /// <summary>fp32 as it is.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim].</param>
    public static implicit operator KvView(TensorView<float> tensor) => new(tensor);

    /// <summary>fp16 as it is.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim].</param>
    public static implicit operator KvView(TensorView<Half> tensor) => new(tensor);

    /// <summary>The same as <c>new KvView(tensor)</c>.</summary>
    /// <param name="tensor">[kvHeads, keys, headDim].</param>
    public static KvView FromTensorView(TensorView<float> tensor) => new(tensor);

    /// <summary>The rows of one KV head.</summary>
    /// <param name="head">The KV head; not checked.</param>
    public KvRows Rows(int head)
    {
        int elementBytes = Format == KvFormat.F32 ? sizeof(float) : sizeof(ushort);
        return new KvRows((byte*)pointer + (head * strides.Head * elementBytes), strides.Row, Format, scales + (head * scaleStride));
    }

    private static (int Heads, int Keys, int Dim) Shape<T>(in TensorView<T> t)
        where T : unmanaged => t.Rank == 3 ? (t.Length(0), t.Length(1), t.Length(2)) : default;

    private static (nint Head, nint Row, nint Channel) Strides<T>(in TensorView<T> t)
        where T : unmanaged => t.Rank == 3 ? (t.Stride(0), t.Stride(1), t.Stride(2)) : default;
}
