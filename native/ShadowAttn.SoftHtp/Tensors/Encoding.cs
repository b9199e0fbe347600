using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Tensors;

/// <summary>How stored integers stand for real numbers: real = scale * (stored + offset).</summary>
internal enum EncodingForm
{
    /// <summary>None was given.</summary>
    None,

    /// <summary>One scale and offset for the tensor.</summary>
    PerTensor,

    /// <summary>One scale and offset per index of an axis.</summary>
    PerAxis,

    /// <summary>A form that no operator here takes.</summary>
    Other,
}

/// <summary>A tensor's own copy of its quantisation parameters.</summary>
internal sealed record Encoding(EncodingForm Form, float Scale, int Offset, int Axis, float[] Scales, int[] Offsets)
{
    internal static readonly Encoding None = new(EncodingForm.None, 0, 0, 0, [], []);

    internal static Encoding PerTensor(float scale, int offset) => new(EncodingForm.PerTensor, scale, offset, 0, [], []);

    /// <summary>Copies <paramref name="given"/>; null with a reason when it cannot be right.</summary>
    internal static unsafe Encoding? Read(in Qnn_QuantizeParams_t given, ReadOnlySpan<uint> dimensions, out string reason)
    {
        reason = "";
        if (given.encodingDefinition == Qnn_Definition_t.QNN_DEFINITION_UNDEFINED
            || given.quantizationEncoding == Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_UNDEFINED)
        {
            return None;
        }
        switch (given.quantizationEncoding)
        {
            case Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET:
                Qnn_ScaleOffset_t whole = given.Anonymous.scaleOffsetEncoding;
                // An all-zero struct is how C clients say "none".
                return whole.scale == 0 && whole.offset == 0 ? None : PerTensor(whole.scale, whole.offset);
            case Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_AXIS_SCALE_OFFSET:
                Qnn_AxisScaleOffset_t axis = given.Anonymous.axisScaleOffsetEncoding;
                if (axis.axis < 0 || axis.axis >= dimensions.Length || axis.numScaleOffsets != dimensions[axis.axis] || axis.scaleOffset == null)
                {
                    reason = $"per-axis encoding: axis {axis.axis} with {axis.numScaleOffsets} scales does not fit the dimensions";
                    return null;
                }
                var scales = new float[axis.numScaleOffsets];
                var offsets = new int[axis.numScaleOffsets];
                for (int i = 0; i < scales.Length; i++)
                {
                    scales[i] = axis.scaleOffset[i].scale;
                    offsets[i] = axis.scaleOffset[i].offset;
                }
                return new Encoding(EncodingForm.PerAxis, 0, 0, axis.axis, scales, offsets);
            default:
                return new Encoding(EncodingForm.Other, 0, 0, 0, [], []);
        }
    }

    /// <summary>Whether this is one finite positive scale for the whole tensor.</summary>
    internal bool IsUsablePerTensor => Form == EncodingForm.PerTensor && float.IsFinite(Scale) && Scale > 0;

    internal bool SameAs(Encoding other) => Form == other.Form && Scale == other.Scale && Offset == other.Offset;
}
