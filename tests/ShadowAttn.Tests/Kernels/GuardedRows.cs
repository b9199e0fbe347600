using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Tests.Kernels;

/// <summary>Keys or values of one head in any format between guard pages, with what they are as fp32 beside them.</summary>
internal sealed unsafe class GuardedRows : IDisposable
{
    private readonly GuardedArray<float>? _floats;
    private readonly GuardedArray<ushort>? _shorts;
    private readonly GuardedArray<float>? _scales;
    private readonly GuardedArray<float> _exact;

    /// <param name="numbers">Rows of <paramref name="stride"/> numbers, the last one of <paramref name="dim"/>.</param>
    /// <param name="stride">Elements between rows.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="format">What the rows are stored as.</param>
    /// <param name="placement">Which side of the rows the guard page touches.</param>
    public GuardedRows(float[] numbers, nint stride, int dim, KvFormat format, GuardPlacement placement)
    {
        _exact = new GuardedArray<float>(numbers, GuardPlacement.After);
        if (format == KvFormat.F32)
        {
            _floats = new GuardedArray<float>(numbers, placement);
            Rows = new KvRows(_floats.Pointer, stride);
            return;
        }

        _shorts = new GuardedArray<ushort>(numbers.Length, placement);
        if (format == KvFormat.Q16)
        {
            _scales = new GuardedArray<float>(dim, placement);
            for (int d = 0; d < dim; d++)
            {
                _scales.Span[d] = (5f + (d % 7)) / 32767;
            }
        }

        Rows = new KvRows(_shorts.Pointer, stride, format, _scales is null ? null : _scales.Pointer);
        for (int i = 0; i < numbers.Length; i++)
        {
            int channel = (int)(i % stride);
            _shorts.Span[i] = format switch
            {
                KvFormat.F16 => BitConverter.HalfToUInt16Bits((Half)numbers[i]),
                KvFormat.BF16 => (ushort)(BitConverter.SingleToUInt32Bits(numbers[i]) >> 16),
                _ => channel < dim ? (ushort)(short)Math.Clamp(MathF.Round(numbers[i] / _scales!.Span[channel]), -32767, 32767) : ushort.MaxValue,
            };
            _exact.Span[i] = channel < dim ? Rows.At((nint)i / stride, channel) : float.NaN;
        }
    }

    /// <summary>The rows as a kernel reads them.</summary>
    public KvRows Rows { get; }

    /// <summary>What the rows hold, as fp32, with the same stride.</summary>
    public float* Exact => _exact.Pointer;

    public void Dispose()
    {
        _floats?.Dispose();
        _shorts?.Dispose();
        _scales?.Dispose();
        _exact.Dispose();
    }
}
