using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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

    /// <summary>
    /// A row of 8-bit values: <c>result[i] = Store(products[i] + rowTerm + columnTerms[i], biases[i])</c>, sixteen at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal unsafe void StoreBytes(int* products, double rowTerm, double* columnTerms, double* biases, int count, byte* result)
    {
        Vector256<double> term = Vector256.Create(rowTerm);
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            Vector128<int> a = Four(products + i, term, columnTerms + i, biases + i);
            Vector128<int> b = Four(products + i + 4, term, columnTerms + i + 4, biases + i + 4);
            Vector128<int> c = Four(products + i + 8, term, columnTerms + i + 8, biases + i + 8);
            Vector128<int> d = Four(products + i + 12, term, columnTerms + i + 12, biases + i + 12);
            Vector128.Narrow(Vector128.Narrow(a, b), Vector128.Narrow(c, d)).AsByte().Store(result + i);
        }
        for (; i < count; i++)
        {
            result[i] = (byte)Store(products[i] + rowTerm + columnTerms[i], biases[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    unsafe Vector128<int> Four(int* products, Vector256<double> rowTerm, double* columnTerms, double* biases)
    {
        Vector256<double> sums = ToDouble(Vector128.Load(products)) + (rowTerm + Vector256.Load(columnTerms));
        Vector256<double> steps = Vector256.Floor(sums * Vector256.Create(_quotient) + Vector256.Load(biases));
        steps = Vector256.Min(Vector256.Max(steps, Vector256.Create(_low)), Vector256.Create(_high));
        return ToInt(steps) - Vector128.Create(_offset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<double> ToDouble(Vector128<int> values)
    {
        if (Avx.IsSupported)
        {
            return Avx.ConvertToVector256Double(values);
        }
        (Vector128<long> lower, Vector128<long> upper) = Vector128.Widen(values);
        return Vector256.Create(Vector128.ConvertToDouble(lower), Vector128.ConvertToDouble(upper));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<int> ToInt(Vector256<double> values) => Avx.IsSupported
        ? Avx.ConvertToVector128Int32WithTruncation(values)
        : Vector128.Narrow(Vector128.ConvertToInt64(values.GetLower()), Vector128.ConvertToInt64(values.GetUpper()));
}
