using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>
/// stored = clamp(floor(sum * quotient + bias + 1/2) - offset, min, max): round half up, then saturate. In double precision, so sums
/// below 2^53 and quotients that are powers of two give the exact result.
/// </summary>
internal readonly struct Requantizer
{
    readonly double _quotient;
    readonly double _low;
    readonly double _high;
    readonly int _offset;

    internal Requantizer(double quotient, Qnn_DataType_t type, int offset)
    {
        (long min, long max) = DataTypes.Range(type);
        _quotient = quotient;
        _offset = offset;
        _low = (double)min + offset;
        _high = (double)max + offset;
    }

    /// <summary>Stored value for a real value of <c>sum * quotient + bias</c> output steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Store(double sum, double bias = 0.5)
    {
        double steps = Math.Floor(sum * _quotient + bias);
        // In this order a NaN becomes the lowest value.
        steps = steps > _low ? steps : _low;
        steps = steps < _high ? steps : _high;
        return (int)steps - _offset;
    }
}
