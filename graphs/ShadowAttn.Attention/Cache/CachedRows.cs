using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>Storage of a cache's keys or values, [kvHeads, capacity, dim], in one format.</summary>
internal sealed unsafe class CachedRows : IDisposable
{
    private readonly UnmanagedBuffer buffer;
    private readonly HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
    private readonly int kvHeads;
    private readonly int capacity;
    private readonly int dim;
    private readonly KvFormat format;
    private readonly CachedSteps? steps;

    public CachedRows(int kvHeads, int capacity, int dim, KvFormat format)
    {
        this.kvHeads = kvHeads;
        this.capacity = capacity;
        this.dim = dim;
        this.format = format;
        buffer = UnmanagedBuffer.Allocate(checked((nint)kvHeads * capacity * dim * (format == KvFormat.F32 ? sizeof(float) : sizeof(ushort))));
        try
        {
            steps = format == KvFormat.Q16 ? new CachedSteps(kvHeads, dim) : null;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>The rows of a KV head, from the first on.</summary>
    public KvRows Rows(int kvHead) => View(1).Rows(kvHead);

    /// <summary>The first <paramref name="count"/> rows of all heads.</summary>
    public KvView View(int count)
    {
        ReadOnlySpan<int> shape = [kvHeads, count, dim];
        ReadOnlySpan<nint> strides = [(nint)capacity * dim, dim, 1];
        return format switch
        {
            KvFormat.F32 => buffer.ViewAt<float>(0, shape, strides),
            KvFormat.F16 => buffer.ViewAt<Half>(0, shape, strides),
            KvFormat.Q16 => new KvView(buffer.ViewAt<short>(0, shape, strides), steps!.Scales),
            _ => KvView.BF16(buffer.ViewAt<ushort>(0, shape, strides)),
        };
    }

    /// <summary>Copies rows of any format to their place, rounding half to even.</summary>
    /// <param name="kvHead">The KV head.</param>
    /// <param name="first">The first row to write.</param>
    /// <param name="source">The rows.</param>
    /// <param name="count">How many.</param>
    /// <param name="widened">Room for fp32 [<see cref="KeyTables.ValueBlock"/>, dim].</param>
    /// <returns>Whether rows that were there before have changed: their scales have grown.</returns>
    public bool Store(int kvHead, int first, in KvRows source, int count, float* widened)
    {
        if (steps is not null)
        {
            return StoreSteps(steps, kvHead, first, source, count, widened);
        }

        KvRows target = Rows(kvHead).From(first);
        for (int row = 0; row < count; row++)
        {
            KvRows from = source.From(row);
            KvRows to = target.From(row);
            if (from.Format == format)
            {
                nint bytes = (nint)dim * to.ElementBytes;
                Buffer.MemoryCopy(from.Data, to.Data, bytes, bytes);
                continue;
            }

            from.Widen(1, dim, widened, dim);
            switch (format)
            {
                case KvFormat.F32:
                    new ReadOnlySpan<float>(widened, dim).CopyTo(new Span<float>(to.Floats, dim));
                    break;
                case KvFormat.F16:
                    convert.F32ToF16(widened, to.Shorts, dim);
                    break;
                default:
                    convert.F32ToBf16(widened, to.Shorts, dim);
                    break;
            }
        }

        return false;
    }

    /// <summary>Forgets all rows: scales start anew.</summary>
    public void Clear() => steps?.Reset();

    public void Dispose()
    {
        steps?.Dispose();
        buffer.Dispose();
    }

    private bool StoreSteps(CachedSteps scales, int kvHead, int first, in KvRows source, int count, float* widened)
    {
        bool changed = false;
        short* stored = (short*)Rows(kvHead).Shorts;
        for (int row = 0; row < count; row += KeyTables.ValueBlock)
        {
            int block = Math.Min(KeyTables.ValueBlock, count - row);
            KvRows next = source.From(row);
            if (next.Format != KvFormat.F32)
            {
                next.Widen(block, dim, widened, dim);
                next = new KvRows(widened, dim);
            }

            changed |= scales.Store(kvHead, next.Floats, next.Stride, stored, first + row, block);
        }

        return changed;
    }
}
