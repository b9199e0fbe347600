using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>The checks that the Span forms of all operators share.</summary>
internal static class KernelArguments
{
    /// <summary>Throws unless <paramref name="length"/> elements hold [rows, columns] with the given stride.</summary>
    public static void CheckMatrix(long length, long rowStride, int rows, int columns, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rowStride, columns);
        if (((rows - 1) * rowStride) + columns > length)
        {
            throw new ArgumentException($"{name} has {length} elements; [{rows}, {columns}] with row stride {rowStride} needs "
                + $"{((rows - 1) * rowStride) + columns}", name);
        }
    }

    /// <summary>Throws unless the span holds at least <paramref name="needed"/> elements.</summary>
    public static void CheckLength(long length, long needed, [CallerArgumentExpression(nameof(length))] string name = "")
    {
        if (length < needed)
        {
            throw new ArgumentException($"{name} is {length}, needs at least {needed}");
        }
    }
}
