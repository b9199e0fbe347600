using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>A parameter of a node: a scalar, or a static tensor of 32-bit unsigned integers.</summary>
internal sealed unsafe record RawParam
{
    private readonly string _name;
    private readonly Qnn_Scalar_t _scalar;

    private RawParam(string name, Qnn_Scalar_t scalar)
    {
        _name = name;
        _scalar = scalar;
    }

    /// <summary>Contents of a tensor parameter; null for a scalar.</summary>
    public uint[]? Values { get; private init; }

    public string Name => _name;

    public static RawParam Flag(string name, bool value)
    {
        var scalar = new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_BOOL_8 };
        scalar.Anonymous.bool8Value = value ? (byte)1 : (byte)0;
        return new RawParam(name, scalar);
    }

    public static RawParam Whole(string name, uint value)
    {
        var scalar = new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_UINT_32 };
        scalar.Anonymous.uint32Value = value;
        return new RawParam(name, scalar);
    }

    public static RawParam Real(string name, float value)
    {
        var scalar = new Qnn_Scalar_t { dataType = Qnn_DataType_t.QNN_DATATYPE_FLOAT_32 };
        scalar.Anonymous.floatValue = value;
        return new RawParam(name, scalar);
    }

    public static RawParam Tensor(string name, params uint[] values) => new(name, default) { Values = values };

    /// <summary>The parameter as the interface has it.</summary>
    /// <param name="memory">Holds the name.</param>
    /// <param name="tensor">The tensor of a tensor parameter.</param>
    public Qnn_Param_t Write(RawMemory memory, Qnn_Tensor_t tensor)
    {
        var param = new Qnn_Param_t
        {
            paramType = Values is null ? Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR : Qnn_ParamType_t.QNN_PARAMTYPE_TENSOR,
            name = memory.Text(_name),
        };
        if (Values is null)
        {
            param.Anonymous.scalarParam = _scalar;
        }
        else
        {
            param.Anonymous.tensorParam = tensor;
        }

        return param;
    }
}
