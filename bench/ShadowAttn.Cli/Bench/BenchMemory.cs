using System.Runtime.InteropServices;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Bench;

/// <summary>
/// Buffers of a case, aligned to 64 bytes and freed together. Numbers are normally distributed and the same in every run.
/// </summary>
public sealed unsafe class BenchMemory : IDisposable
{
    private readonly List<UnmanagedBuffer> _buffers = [];
    private readonly Random _random = new(1);

    /// <summary>Bytes of all buffers: the working set of a case that touches all of them in every call.</summary>
    public long ByteLength => _buffers.Sum(b => b.ByteLength);

    /// <summary>Zeroed memory.</summary>
    public T* Allocate<T>(long count)
        where T : unmanaged
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(Math.Max(1, count) * sizeof(T));
        _buffers.Add(buffer);
        NativeMemory.Clear(buffer.Pointer, (nuint)buffer.ByteLength);
        return (T*)buffer.Pointer;
    }

    /// <summary>Normally distributed numbers.</summary>
    public float* Floats(long count, float deviation = 1)
    {
        float* x = Allocate<float>(count);
        for (long i = 0; i < count; i++)
        {
            x[i] = deviation * NextNormal();
        }

        return x;
    }

    /// <summary>Normally distributed keys or values [rows, dim] in a format, contiguous.</summary>
    public KvRows KeyValues(int rows, int dim, KvFormat format)
    {
        long count = (long)rows * dim;
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        float* x = format == KvFormat.F32 ? Floats(count) : null;
        if (x is not null)
        {
            return new KvRows(x, dim);
        }

        ushort* narrow = Allocate<ushort>(count);
        float* scales = format == KvFormat.Q16 ? Allocate<float>(dim) : null;
        float[] row = new float[dim];
        float[] inverses = new float[dim];
        if (scales is not null)
        {
            const float largest = 6;
            new Span<float>(scales, dim).Fill(largest / short.MaxValue);
            Array.Fill(inverses, short.MaxValue / largest);
        }

        fixed (float* source = row, inverse = inverses)
        {
            for (int r = 0; r < rows; r++)
            {
                for (int d = 0; d < dim; d++)
                {
                    row[d] = NextNormal();
                }

                ushort* destination = narrow + ((long)r * dim);
                switch (format)
                {
                    case KvFormat.F16:
                        convert.F32ToF16(source, destination, dim);
                        break;
                    case KvFormat.BF16:
                        convert.F32ToBf16(source, destination, dim);
                        break;
                    default:
                        convert.F32ToQ16(source, 0, inverse, (short*)destination, 0, 1, dim);
                        break;
                }
            }
        }

        return new KvRows(narrow, dim, format, scales);
    }

    /// <summary>Normally distributed numbers, rounded and clamped to ±127.</summary>
    public sbyte* Int8(long count, float deviation)
    {
        sbyte* x = Allocate<sbyte>(count);
        for (long i = 0; i < count; i++)
        {
            x[i] = (sbyte)Math.Clamp(MathF.Round(deviation * NextNormal()), -127, 127);
        }

        return x;
    }

    /// <summary>
    /// Scores of rows whose neighbours are much alike, as those of real traces: each row is the one before, moved by a third of the deviation
    /// and drawn back to it.
    /// </summary>
    public sbyte* ScoreRows(int rows, int keys, float deviation)
    {
        sbyte* scores = Allocate<sbyte>((long)rows * keys);
        float[] row = new float[keys];
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < keys; i++)
            {
                row[i] = r == 0 ? deviation * NextNormal() : (0.95f * row[i]) + (0.31f * deviation * NextNormal());
                scores[((long)r * keys) + i] = (sbyte)Math.Clamp(MathF.Round(row[i]), -128, 127);
            }
        }

        return scores;
    }

    /// <summary><paramref name="count"/> different numbers below <paramref name="limit"/> in random order.</summary>
    public int[] Choose(int count, int limit)
    {
        int[] all = [.. Enumerable.Range(0, limit)];
        _random.Shuffle(all);
        return all[..count];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (UnmanagedBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }

        _buffers.Clear();
    }

    private float NextNormal()
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble()));
        return (float)(radius * Math.Cos(2 * Math.PI * _random.NextDouble()));
    }
}
