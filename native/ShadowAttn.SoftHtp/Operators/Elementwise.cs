using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>What operators that work on one element at a time have in common: checks and how elements are shared out.</summary>
internal static class Elementwise
{
    const long ElementsPerPart = 32 * 1024;

    /// <summary>The fixed-point types that HTP quantises to.</summary>
    internal static readonly Qnn_DataType_t[] Quantised =
        [QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16];

    internal static string? RefuseTypes(TensorInfo tensor, ReadOnlySpan<Qnn_DataType_t> accepted)
    {
        if (accepted.Contains(tensor.DataType))
        {
            return null;
        }
        var names = new List<string>();
        foreach (Qnn_DataType_t type in accepted)
        {
            names.Add(DataTypes.Name(type));
        }
        return $"{tensor} has the wrong type; expected {string.Join(" or ", names)}";
    }

    internal static string? RefuseRank(TensorInfo tensor, int maxRank) =>
        tensor.Rank >= 1 && tensor.Rank <= maxRank ? null : $"{tensor} has rank {tensor.Rank}; expected 1 to {maxRank}";

    /// <summary>Refuses ranks above the limit and outputs of another shape than the first input's.</summary>
    internal static string? RefuseShape(OpCall call, int maxRank) =>
        RefuseRank(call.Inputs[0], maxRank)
        ?? (call.Outputs[0].SameShape(call.Inputs[0]) ? null : $"{call.Outputs[0]} must have the shape of {call.Inputs[0]}");

    internal static string? RefuseEncoding(TensorInfo tensor) =>
        !DataTypes.IsFixedPoint(tensor.DataType) || tensor.Encoding.IsUsablePerTensor
            ? null
            : $"{tensor} needs one finite positive scale for the whole tensor";

    internal static int Parts(long elements) => (int)((elements + ElementsPerPart - 1) / ElementsPerPart);

    internal static (long First, long Last) Range(int part, long elements) =>
        (part * ElementsPerPart, Math.Min((part + 1) * ElementsPerPart, elements));
}
