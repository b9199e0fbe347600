using System.Runtime.CompilerServices;

namespace ShadowAttn.Tests.Kernels;

/// <summary>16 floats, a cache line: the unit of scratch memory.</summary>
[InlineArray(16)]
internal struct Line
{
    private float _first;

    public static Line Of(float value)
    {
        Line line = default;
        ((Span<float>)line).Fill(value);
        return line;
    }
}
