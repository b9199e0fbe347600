using System.Globalization;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>How an encoding says what a quantised value means.</summary>
public enum QnnEncodingKind
{
    /// <summary>No encoding: floats and plain integers.</summary>
    None,

    /// <summary>One scale and offset for the tensor.</summary>
    ScaleOffset,

    /// <summary>A scale and an offset for each index along one axis.</summary>
    PerAxis,

    /// <summary>Another of the API's encodings, read from a context binary; this layer does not write it.</summary>
    Other,
}

/// <summary>The meaning of a quantised tensor's integers: real = scale · (quantised + offset).</summary>
public sealed class QnnEncoding : IEquatable<QnnEncoding>
{
    readonly float[] _scales;
    readonly int[] _offsets;

    QnnEncoding(QnnEncodingKind kind, int axis, float[] scales, int[] offsets)
    {
        Kind = kind;
        Axis = axis;
        _scales = scales;
        _offsets = offsets;
    }

    /// <summary>No encoding.</summary>
    public static QnnEncoding None { get; } = new(QnnEncodingKind.None, axis: -1, [], []);

    internal static QnnEncoding Other { get; } = new(QnnEncodingKind.Other, axis: -1, [], []);

    /// <summary>What kind it is.</summary>
    public QnnEncodingKind Kind { get; }

    /// <summary>The axis of <see cref="QnnEncodingKind.PerAxis"/>; else -1.</summary>
    public int Axis { get; }

    /// <summary>The scales: one, or one for each index along the axis.</summary>
    public ReadOnlySpan<float> Scales => _scales;

    /// <summary>The offsets: one, or one for each index along the axis.</summary>
    public ReadOnlySpan<int> Offsets => _offsets;

    /// <summary>One scale and offset for the tensor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The scale is not a positive finite number.</exception>
    public static QnnEncoding ScaleOffset(float scale, int offset = 0) =>
        new(QnnEncodingKind.ScaleOffset, axis: -1, [Positive(scale)], [offset]);

    /// <summary>A scale and an offset for each index along <paramref name="axis"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ, or there are none.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A scale is not a positive finite number, or the axis is negative.</exception>
    public static QnnEncoding PerAxis(int axis, ReadOnlySpan<float> scales, ReadOnlySpan<int> offsets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(axis);
        if (scales.Length != offsets.Length || scales.IsEmpty)
        {
            throw new ArgumentException($"A per-axis encoding needs as many scales as offsets; given are {scales.Length} and {offsets.Length}.");
        }
        foreach (float scale in scales)
        {
            Positive(scale);
        }
        return new QnnEncoding(QnnEncodingKind.PerAxis, axis, scales.ToArray(), offsets.ToArray());
    }

    /// <inheritdoc/>
    public bool Equals(QnnEncoding? other) => other is not null && Kind == other.Kind && Axis == other.Axis
        && _scales.AsSpan().SequenceEqual(other._scales) && _offsets.AsSpan().SequenceEqual(other._offsets);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as QnnEncoding);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, Axis, _scales.Length, _scales.Length > 0 ? _scales[0] : 0f);

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        QnnEncodingKind.None => "",
        QnnEncodingKind.ScaleOffset => string.Create(CultureInfo.InvariantCulture, $"scale {_scales[0]:G9} offset {_offsets[0]}"),
        QnnEncodingKind.PerAxis => string.Create(CultureInfo.InvariantCulture, $"{_scales.Length} scales along axis {Axis}"),
        _ => "another encoding",
    };

    internal unsafe Qnn_QuantizeParams_t Write(NativeArena arena)
    {
        var result = new Qnn_QuantizeParams_t
        {
            encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_UNDEFINED,
            quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_UNDEFINED,
        };
        if (Kind == QnnEncodingKind.ScaleOffset)
        {
            result.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_DEFINED;
            result.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET;
            result.scaleOffsetEncoding = new Qnn_ScaleOffset_t { scale = _scales[0], offset = _offsets[0] };
        }
        else if (Kind == QnnEncodingKind.PerAxis)
        {
            Qnn_ScaleOffset_t* values = arena.Allocate<Qnn_ScaleOffset_t>(_scales.Length);
            for (int i = 0; i < _scales.Length; i++)
            {
                values[i] = new Qnn_ScaleOffset_t { scale = _scales[i], offset = _offsets[i] };
            }
            result.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_DEFINED;
            result.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_AXIS_SCALE_OFFSET;
            result.axisScaleOffsetEncoding = new Qnn_AxisScaleOffset_t
            {
                axis = Axis,
                numScaleOffsets = (uint)_scales.Length,
                scaleOffset = values,
            };
        }
        return result;
    }

    internal static unsafe QnnEncoding Read(ref Qnn_QuantizeParams_t source)
    {
        if (source.encodingDefinition != Qnn_Definition_t.QNN_DEFINITION_DEFINED)
        {
            return None;
        }
        switch (source.quantizationEncoding)
        {
            case Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET:
                return new QnnEncoding(QnnEncodingKind.ScaleOffset, axis: -1,
                    [source.scaleOffsetEncoding.scale], [source.scaleOffsetEncoding.offset]);
            case Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_AXIS_SCALE_OFFSET:
                Qnn_AxisScaleOffset_t axis = source.axisScaleOffsetEncoding;
                int count = axis.scaleOffset == null ? 0 : (int)axis.numScaleOffsets;
                var scales = new float[count];
                var offsets = new int[count];
                for (int i = 0; i < count; i++)
                {
                    scales[i] = axis.scaleOffset[i].scale;
                    offsets[i] = axis.scaleOffset[i].offset;
                }
                return new QnnEncoding(QnnEncodingKind.PerAxis, axis.axis, scales, offsets);
            default:
                return Other;
        }
    }

    static float Positive(float scale) => float.IsFinite(scale) && scale > 0
        ? scale
        : throw new ArgumentOutOfRangeException(nameof(scale), scale, "A scale must be a positive finite number.");
}
