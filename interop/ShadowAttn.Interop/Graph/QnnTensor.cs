using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A tensor of a graph: its description and the id that the backend gave it.</summary>
public sealed unsafe class QnnTensor
{
    internal QnnTensor(QnnTensorSpec spec, uint id)
    {
        Spec = spec;
        Id = id;
    }

    /// <summary>Name, kind, type, shape and encoding.</summary>
    public QnnTensorSpec Spec { get; }

    /// <summary>Name of the tensor.</summary>
    public string Name => Spec.Name;

    /// <summary>Bytes of its buffer.</summary>
    public nuint Bytes => Spec.Bytes;

    /// <summary>The backend's id.</summary>
    public uint Id { get; }

    /// <inheritdoc/>
    public override string ToString() => Spec.ToString();

    /// <summary>Writes a descriptor; data is null but for static tensors.</summary>
    internal static void Write(Qnn_Tensor_t* target, QnnTensorSpec spec, uint id, NativeArena arena, void* data = null)
    {
        uint* dimensions = arena.Allocate<uint>(spec.Shape.Length);
        for (int i = 0; i < spec.Shape.Length; i++)
        {
            dimensions[i] = (uint)spec.Shape[i];
        }
        *target = default;
        target->version = Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1;
        Qnn_TensorV1_t* tensor = &target->Anonymous.v1;
        tensor->id = id;
        tensor->name = arena.Text(spec.Name);
        tensor->type = (Qnn_TensorType_t)spec.Kind;
        tensor->dataFormat = QnnApi.QNN_TENSOR_DATA_FORMAT_DENSE;
        tensor->dataType = (Qnn_DataType_t)spec.DataType;
        tensor->quantizeParams = spec.Encoding.Write(arena);
        tensor->rank = (uint)spec.Shape.Length;
        tensor->dimensions = dimensions;
        tensor->memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW;
        tensor->clientBuf.data = data;
        tensor->clientBuf.dataSize = data == null ? 0 : (uint)spec.Bytes;
    }

    /// <summary>Reads a descriptor of a context binary; both versions start with the same fields.</summary>
    internal static QnnTensor Read(Qnn_Tensor_t* source)
    {
        Qnn_TensorV1_t* tensor = &source->Anonymous.v1;
        string name = NativeText.Read(tensor->name);
        if (tensor->dimensions == null || tensor->rank is 0 or > MostAxes)
        {
            throw new QnnException($"Tensor '{name}' of the context binary has no usable shape.");
        }
        int[] shape = new ReadOnlySpan<int>(tensor->dimensions, (int)tensor->rank).ToArray();
        try
        {
            var spec = new QnnTensorSpec(name, (QnnTensorKind)tensor->type, (QnnDataType)tensor->dataType, shape,
                QnnEncoding.Read(ref tensor->quantizeParams));
            return new QnnTensor(spec, tensor->id);
        }
        catch (ArgumentException e)
        {
            throw new QnnException($"Tensor '{name}' of the context binary is not usable: {NativeText.OneLine(e.Message)}", e);
        }
    }

    const uint MostAxes = 16;
}
