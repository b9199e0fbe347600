using System.Runtime.CompilerServices;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>Where the elements of two broadcast operands lie for each line (last axis) of the result. Plain numbers only.</summary>
internal readonly struct BroadcastShape
{
    const int MaxOuterAxes = 7;
    const int ElementsPerPart = 32 * 1024;

    readonly Axes _lengths;
    readonly Axes _stridesA;
    readonly Axes _stridesB;
    readonly long _lines;
    readonly long _linesPerPart;

    [InlineArray(MaxOuterAxes)]
    struct Axes
    {
        long _first;
    }

    internal BroadcastShape(TensorInfo a, TensorInfo b, TensorInfo result)
    {
        Length = result.LastDimension;
        StepA = a.LastDimension == 1 ? 0 : 1;
        StepB = b.LastDimension == 1 ? 0 : 1;
        long strideA = a.LastDimension, strideB = b.LastDimension;
        for (int i = 0; i < MaxOuterAxes; i++)
        {
            long lengthA = i + 1 < a.Rank ? a.DimensionFromEnd(i + 1) : 1;
            long lengthB = i + 1 < b.Rank ? b.DimensionFromEnd(i + 1) : 1;
            _lengths[i] = i + 1 < result.Rank ? result.DimensionFromEnd(i + 1) : 1;
            _stridesA[i] = lengthA == 1 ? 0 : strideA;
            _stridesB[i] = lengthB == 1 ? 0 : strideB;
            strideA *= lengthA;
            strideB *= lengthB;
        }
        _lines = result.Elements / Length;
        _linesPerPart = Math.Max(ElementsPerPart / Length, 1);
    }

    /// <summary>Elements of a line.</summary>
    internal long Length { get; }

    /// <summary>1, or 0 where the operand's last axis is repeated.</summary>
    internal int StepA { get; }

    /// <inheritdoc cref="StepA"/>
    internal int StepB { get; }

    internal int Parts => (int)((_lines + _linesPerPart - 1) / _linesPerPart);

    internal (long First, long Last) Lines(int part) => (part * _linesPerPart, Math.Min((part + 1) * _linesPerPart, _lines));

    /// <summary>First element of each operand for one line of the result.</summary>
    internal (long A, long B) Starts(long line)
    {
        long a = 0, b = 0;
        for (int i = 0; i < MaxOuterAxes && line > 0; i++)
        {
            (line, long index) = Math.DivRem(line, _lengths[i]);
            a += index * _stridesA[i];
            b += index * _stridesB[i];
        }
        return (a, b);
    }
}
