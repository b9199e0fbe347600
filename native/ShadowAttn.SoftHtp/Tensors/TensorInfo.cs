using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Tensors;

/// <summary>The backend's own copy of a tensor's description. Nothing in it points into the client's memory.</summary>
internal sealed unsafe class TensorInfo
{
    internal const int MaxRank = 8;

    internal uint Id { get; set; }

    internal required string Name { get; init; }

    internal required Qnn_TensorType_t Type { get; init; }

    internal required Qnn_DataType_t DataType { get; init; }

    internal required uint[] Dimensions { get; init; }

    internal required Encoding Encoding { get; init; }

    internal required long Elements { get; init; }

    internal int Rank => Dimensions.Length;

    /// <summary>Length of the last dimension; 1 for a scalar.</summary>
    internal long LastDimension => Dimensions.Length == 0 ? 1 : Dimensions[^1];

    internal long Bytes => Elements * DataTypes.Bytes(DataType);

    /// <summary>Contents of a static tensor, copied; null for others.</summary>
    internal byte[]? Data { get; init; }

    internal bool IsStatic => Type == Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC;

    internal bool IsInput => Type == Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE;

    internal bool IsOutput => Type == Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ;

    internal bool IsNative => Type == Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE;

    /// <summary>Dimension <paramref name="fromEnd"/> places before the end (0: the last).</summary>
    internal long DimensionFromEnd(int fromEnd) => Dimensions[Dimensions.Length - 1 - fromEnd];

    internal bool SameShape(TensorInfo other) => Dimensions.AsSpan().SequenceEqual(other.Dimensions);

    internal string Shape => $"[{string.Join(", ", Dimensions)}]";

    public override string ToString() => $"'{Name}' {DataTypes.Name(DataType)} {Shape}";

    static bool HasDynamicDimensions(Qnn_Tensor_t* given) =>
        given->version == Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2
        && given->Anonymous.v2.isDynamicDimensions != null
        && new ReadOnlySpan<byte>(given->Anonymous.v2.isDynamicDimensions, (int)given->Anonymous.v2.rank).ContainsAnyExcept((byte)0);

    /// <summary>Number of elements; 0 when the rank, a dimension, the data type or the size (32 bits of bytes) cannot be.</summary>
    internal static long CountElements(ReadOnlySpan<uint> dimensions, Qnn_DataType_t type)
    {
        uint elementBytes = DataTypes.Bytes(type);
        if (dimensions.Length > MaxRank || elementBytes == 0)
        {
            return 0;
        }
        ulong elements = 1;
        foreach (uint dimension in dimensions)
        {
            elements *= dimension;
            if (elements * elementBytes > uint.MaxValue)
            {
                return 0;
            }
        }
        return (long)elements;
    }

    /// <summary>
    /// Copies what <paramref name="given"/> describes, whichever of the two versions it has.
    /// </summary>
    /// <param name="given">A tensor of the client's, not null.</param>
    /// <param name="copyData">Whether a static tensor's contents are wanted (they must then be there).</param>
    /// <param name="refusal">What is wrong when null is returned.</param>
    internal static TensorInfo? Read(Qnn_Tensor_t* given, bool copyData, out string refusal)
    {
        if (given->version is not (Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1 or Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2))
        {
            refusal = $"tensor version {(uint)given->version} is unknown; expected 1 or 2";
            return null;
        }
        // Version 2 begins with version 1's fields.
        Qnn_TensorV1_t* tensor = &given->Anonymous.v1;
        string name = Marshal.PtrToStringUTF8((nint)tensor->name) ?? "";
        if (tensor->rank > MaxRank || (tensor->rank > 0 && tensor->dimensions == null))
        {
            refusal = $"tensor '{name}': rank {tensor->rank} with dimensions {(tensor->dimensions == null ? "null" : "given")}; ranks up to {MaxRank} are supported";
            return null;
        }
        if (tensor->dataFormat != QnnApi.QNN_TENSOR_DATA_FORMAT_DENSE || HasDynamicDimensions(given))
        {
            refusal = $"tensor '{name}': only dense tensors of fixed dimensions are supported";
            return null;
        }
        uint elementBytes = DataTypes.Bytes(tensor->dataType);
        if (elementBytes == 0)
        {
            refusal = $"tensor '{name}': data type {(uint)tensor->dataType} is not supported";
            return null;
        }
        uint[] dimensions = new ReadOnlySpan<uint>(tensor->dimensions, (int)tensor->rank).ToArray();
        if (CountElements(dimensions, tensor->dataType) is not (long elements and > 0))
        {
            refusal = $"tensor '{name}': dimensions [{string.Join(", ", dimensions)}] are empty or need more than 4 GiB";
            return null;
        }
        Encoding? encoding = Encoding.Read(tensor->quantizeParams, dimensions, out refusal);
        if (encoding is null)
        {
            refusal = $"tensor '{name}': {refusal}";
            return null;
        }
        byte[]? data = null;
        if (copyData && tensor->type != Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC && tensor->memType == Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW
            && tensor->Anonymous.clientBuf.data != null)
        {
            refusal = $"tensor '{name}' has contents; only static ones have when they are created";
            return null;
        }
        if (copyData && tensor->type == Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC)
        {
            Qnn_ClientBuffer_t buffer = tensor->Anonymous.clientBuf;
            long bytes = elements * elementBytes;
            if (tensor->memType != Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW || buffer.data == null || buffer.dataSize < bytes)
            {
                refusal = $"static tensor '{name}': needs {bytes} bytes of raw data, got {(buffer.data == null ? 0 : buffer.dataSize)}";
                return null;
            }
            data = new ReadOnlySpan<byte>(buffer.data, checked((int)bytes)).ToArray();
        }
        return new TensorInfo
        {
            Id = tensor->id,
            Name = name,
            Type = tensor->type,
            DataType = tensor->dataType,
            Dimensions = dimensions,
            Encoding = encoding,
            Elements = elements,
            Data = data,
        };
    }
}
