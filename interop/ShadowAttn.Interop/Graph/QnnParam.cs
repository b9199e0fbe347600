using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A parameter of a node: a scalar or a static tensor.</summary>
public sealed class QnnParam
{
    readonly Qnn_Scalar_t _scalar;

    QnnParam(string name, Qnn_Scalar_t scalar)
    {
        Name = name;
        _scalar = scalar;
    }

    QnnParam(string name, QnnTensor tensor)
    {
        Name = name;
        TensorValue = tensor;
    }

    /// <summary>The operator's name for it, for example <c>transpose_in1</c>.</summary>
    public string Name { get; }

    internal QnnTensor? TensorValue { get; }

    internal Qnn_Scalar_t ScalarValue => _scalar;

    /// <summary>A truth value.</summary>
    public static QnnParam Bool(string name, bool value) =>
        new(name, new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_BOOL_8, bool8Value = value ? (byte)1 : (byte)0 });

    /// <summary>An unsigned integer.</summary>
    public static QnnParam UInt32(string name, uint value) =>
        new(name, new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_UINT_32, uint32Value = value });

    /// <summary>A signed integer.</summary>
    public static QnnParam Int32(string name, int value) =>
        new(name, new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_INT_32, int32Value = value });

    /// <summary>A single-precision number.</summary>
    public static QnnParam Float32(string name, float value) =>
        new(name, new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_FLOAT_32, floatValue = value });

    /// <summary>A static tensor of the same graph.</summary>
    /// <exception cref="ArgumentException">The tensor is not static.</exception>
    public static QnnParam Tensor(string name, QnnTensor value) => value.Spec.Kind == QnnTensorKind.Static
        ? new QnnParam(name, value)
        : throw new ArgumentException($"Parameter '{name}' needs a static tensor; {value} is {value.Spec.Kind}.", nameof(value));
}
