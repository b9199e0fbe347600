using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Native;

/// <summary>A caller's tensor, [heads, rows, dim], checked and with its strides filled in.</summary>
internal readonly unsafe struct TensorArgument
{
    private readonly void* data;
    private readonly int heads;
    private readonly int rows;
    private readonly int dim;
    private readonly nint headStride;
    private readonly nint rowStride;

    private TensorArgument(void* data, KvFormat format, int heads, int rows, int dim, nint headStride, nint rowStride)
    {
        this.data = data;
        Format = format;
        this.heads = heads;
        this.rows = rows;
        this.dim = dim;
        this.headStride = headStride;
        this.rowStride = rowStride;
    }

    /// <summary>fp32, fp16 or bf16.</summary>
    public KvFormat Format { get; }

    /// <summary>Number of elements.</summary>
    public long Elements => (long)heads * rows * dim;

    /// <summary>A dtype of the header.</summary>
    /// <exception cref="SaException">There is no such dtype.</exception>
    public static KvFormat ReadFormat(int dtype, string name) => dtype switch
    {
        0 => KvFormat.F32,
        1 => KvFormat.F16,
        2 => KvFormat.BF16,
        _ => throw SaException.Argument($"{name}.dtype is {dtype}; it must be SA_F32, SA_F16 or SA_BF16"),
    };

    /// <summary>A number of rows, keys or queries.</summary>
    /// <exception cref="SaException">It is 0 or beyond int32.</exception>
    public static int ReadCount(uint count, string name) =>
        count is >= 1 and <= int.MaxValue ? (int)count : throw SaException.Argument($"{name} is {count}; it must be 1 to {int.MaxValue}");

    /// <exception cref="SaException">A null pointer, or a field that is wrong.</exception>
    public static TensorArgument Read(SaTensor* tensor, string name, int heads, int rows, int dim)
    {
        if (tensor == null)
        {
            throw SaException.Null(name);
        }

        SaTensor t = *tensor;
        KvFormat format = ReadFormat(t.Dtype, name);
        int elementBytes = format == KvFormat.F32 ? sizeof(float) : sizeof(ushort);
        if (t.Data == null)
        {
            throw SaException.Null(name + ".data");
        }

        if ((nint)t.Data % elementBytes != 0)
        {
            throw SaException.Argument($"{name}.data is not aligned to its elements of {elementBytes} bytes");
        }

        if (t.Reserved != 0)
        {
            throw SaException.Argument($"{name}.reserved is {t.Reserved}; it must be 0");
        }

        long rowStride = t.RowStride == 0 ? dim : t.RowStride;
        if (rowStride < dim)
        {
            throw SaException.Argument($"{name}.row_stride is {t.RowStride} elements; it must be 0 or at least head_dim, {dim}");
        }

        if (t.HeadStride < 0)
        {
            throw SaException.Argument($"{name}.head_stride is {t.HeadStride} elements; it must not be negative");
        }

        Int128 headStride = t.HeadStride == 0 ? (Int128)rows * rowStride : t.HeadStride;
        Int128 last = ((heads - 1) * headStride) + ((Int128)(rows - 1) * rowStride) + dim;
        if ((Int128)(nint)t.Data + (last * elementBytes) > nint.MaxValue || headStride > nint.MaxValue)
        {
            throw SaException.Argument($"{name} with its strides exceeds the address space");
        }

        return new TensorArgument(t.Data, format, heads, rows, dim, (nint)headStride, (nint)rowStride);
    }

    /// <summary>The tensor where it is, for keys and values.</summary>
    public KvView View() => Format switch
    {
        KvFormat.F32 => new TensorView<float>((float*)data, [heads, rows, dim], [headStride, rowStride, 1]),
        KvFormat.F16 => new TensorView<Half>((Half*)data, [heads, rows, dim], [headStride, rowStride, 1]),
        _ => KvView.BF16(new TensorView<ushort>((ushort*)data, [heads, rows, dim], [headStride, rowStride, 1])),
    };

    /// <summary>The tensor where it is, if it is fp32; else contiguous in the scratch.</summary>
    /// <param name="scratch">Room for fp32 [heads, rows, dim].</param>
    public TensorView<float> Floats(float* scratch) => Format == KvFormat.F32
        ? new TensorView<float>((float*)data, [heads, rows, dim], [headStride, rowStride, 1])
        : new TensorView<float>(scratch, heads, rows, dim);

    /// <summary>Widens all rows into the scratch of <see cref="Floats"/>.</summary>
    public void Widen(float* scratch)
    {
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        for (int head = 0; head < heads; head++)
        {
            for (int row = 0; row < rows; row++)
            {
                ushort* source = (ushort*)data + (head * headStride) + (row * rowStride);
                float* target = scratch + ((((nint)head * rows) + row) * dim);
                if (Format == KvFormat.F16)
                {
                    convert.F16ToF32(source, target, dim);
                }
                else
                {
                    convert.Bf16ToF32(source, target, dim);
                }
            }
        }
    }

    /// <summary>Rounds one head of the scratch of <see cref="Floats"/> to where the tensor is.</summary>
    public void Narrow(float* scratch, int head)
    {
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        for (int row = 0; row < rows; row++)
        {
            float* source = scratch + ((((nint)head * rows) + row) * dim);
            ushort* target = (ushort*)data + (head * headStride) + (row * rowStride);
            if (Format == KvFormat.F16)
            {
                convert.F32ToF16(source, target, dim);
            }
            else
            {
                convert.F32ToBf16(source, target, dim);
            }
        }
    }
}
