using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>What a tensor is to its graph.</summary>
public enum QnnTensorKind
{
    /// <summary>Written by the application before each execution (<c>APP_WRITE</c>).</summary>
    Input = (int)Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE,

    /// <summary>Read by the application after each execution (<c>APP_READ</c>).</summary>
    Output = (int)Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ,

    /// <summary>Between two nodes, invisible from outside (<c>NATIVE</c>).</summary>
    Native = (int)Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE,

    /// <summary>Constant data (<c>STATIC</c>).</summary>
    Static = (int)Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC,
}

/// <summary>Name, kind, data type, shape and encoding of a tensor: all that is fixed when its graph is finalised.</summary>
public sealed class QnnTensorSpec
{
    readonly int[] _shape;

    /// <summary>Describes a tensor.</summary>
    /// <param name="name">Its name, unique in its graph.</param>
    /// <param name="kind">What it is to the graph.</param>
    /// <param name="dataType">Element type.</param>
    /// <param name="shape">Lengths of its axes, outermost first; every one at least 1.</param>
    /// <param name="encoding">Meaning of its integers; null or <see cref="QnnEncoding.None"/> for floats and plain integers.</param>
    /// <exception cref="ArgumentException">No name, no shape, an axis below 1, or 4 GiB and more.</exception>
    public QnnTensorSpec(string name, QnnTensorKind kind, QnnDataType dataType, ReadOnlySpan<int> shape, QnnEncoding? encoding = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (shape.IsEmpty)
        {
            throw new ArgumentException($"Tensor '{name}' needs a shape of at least one axis.", nameof(shape));
        }
        ulong bytes = (ulong)dataType.ElementBytes();
        foreach (int length in shape)
        {
            if (length < 1)
            {
                throw new ArgumentException($"Tensor '{name}' has the shape {Text(shape)}; every axis must be at least 1.", nameof(shape));
            }
            bytes = checked(bytes * (uint)length);
            if (bytes > uint.MaxValue)
            {
                throw new ArgumentException($"Tensor '{name}' of shape {Text(shape)} has 4 GiB or more; the API's buffers end there.", nameof(shape));
            }
        }
        Name = name;
        Kind = kind;
        DataType = dataType;
        Encoding = encoding ?? QnnEncoding.None;
        Bytes = (nuint)bytes;
        _shape = shape.ToArray();
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>What it is to the graph.</summary>
    public QnnTensorKind Kind { get; }

    /// <summary>Element type.</summary>
    public QnnDataType DataType { get; }

    /// <summary>Meaning of its integers.</summary>
    public QnnEncoding Encoding { get; }

    /// <summary>Lengths of its axes, outermost first.</summary>
    public ReadOnlySpan<int> Shape => _shape;

    /// <summary>Bytes of its buffer: dense, row-major.</summary>
    public nuint Bytes { get; }

    /// <inheritdoc/>
    public override string ToString() => $"'{Name}' {DataType} {Text(_shape)}"
        + (Encoding.Kind == QnnEncodingKind.None ? "" : $" {Encoding}");

    static string Text(ReadOnlySpan<int> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
