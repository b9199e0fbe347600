using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>A tensor of a test: its description and, for inputs, its contents.</summary>
internal sealed record TestTensor(Qnn_DataType_t DataType, uint[] Dimensions, float Scale = 0, int Offset = 0, byte[]? Data = null)
{
    internal int Elements => (int)Dimensions.Aggregate(1u, (product, dimension) => product * dimension);

    internal int Bytes => Elements * DataType switch
    {
        Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8 or Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_8 or Qnn_DataType_t.QNN_DATATYPE_BOOL_8 => 1,
        Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_16 or Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_16
            or Qnn_DataType_t.QNN_DATATYPE_FLOAT_16 => 2,
        _ => 4,
    };
}

/// <summary>Drives a provider table as a C client does: raw structs in unmanaged memory, statuses checked by hand.</summary>
internal sealed unsafe class TableClient : IDisposable
{
    private readonly List<nint> _memory = [];
    private readonly SoftHtpBackend? _soft;
    private readonly QnnInterface_t* _provider;
    private GCHandle _self;

    internal void* Log;
    internal void* Backend;
    internal void* Device;
    internal void* Context;

    private TableClient(SoftHtpBackend? soft, QnnInterface_t* provider)
    {
        _soft = soft;
        _provider = provider;
    }

    /// <summary>Messages that the backend logged.</summary>
    internal List<string> Messages { get; } = [];

    internal SoftHtpBackend Soft => _soft!;

    internal QnnInterface_t* Provider => _provider;

    internal ref QnnInterface_ImplementationV2_32_t Q => ref _provider->Anonymous.v2_32;

    /// <summary>A client of a fresh SoftHtp, with a context.</summary>
    internal static TableClient OfSoftHtp(SoftHtpOptions? options = null)
    {
        SoftHtpBackend soft = SoftHtpBackend.Create(options ?? new SoftHtpOptions { Threads = 2 });
        var client = new TableClient(soft, soft.Providers[0]);
        client.Start();
        return client;
    }

    /// <summary>A client of a fresh SoftHtp that has made no call yet.</summary>
    internal static TableClient Unstarted(SoftHtpOptions? options = null)
    {
        SoftHtpBackend soft = SoftHtpBackend.Create(options ?? new SoftHtpOptions { Threads = 1 });
        return new TableClient(soft, soft.Providers[0]);
    }

    /// <summary>A client of the HTP simulator; skips the test where that is not there.</summary>
    internal static TableClient OfSimulator()
    {
        var client = new TableClient(null, SimulatorTable.Provider());
        client.Start();
        return client;
    }

    internal void Start()
    {
        void* log = null, backend = null, device = null, context = null;
        Ok(Q.logCreate(null, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, &log));
        Ok(Q.logFree(log));
        CaptureLog();
        Ok(Q.backendCreate(Log, null, &backend));
        Backend = backend;
        Ok(Q.deviceCreate(Log, null, &device));
        Device = device;
        Ok(Q.contextCreate(backend, device, null, &context));
        Context = context;
    }

    internal void CaptureLog()
    {
        void* log = null;
        Ok(Q.logCreate(&Collect, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, &log));
        Log = log;
        if (!_self.IsAllocated)
        {
            _self = GCHandle.Alloc(this);
        }
        s_current = this;
    }

    [ThreadStatic]
    private static TableClient? s_current;

    // The callback carries no user data; a test's calls and their messages come on one thread.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Collect(sbyte* format, QnnLog_Level_t level, ulong timestamp, void* arguments) =>
        s_current?.Messages.Add(Marshal.PtrToStringUTF8((nint)format) ?? "");

    internal static void Ok(ulong status) => Assert.Equal(0UL, status);

    internal byte* Bytes(ReadOnlySpan<byte> data)
    {
        byte* copy = (byte*)NativeMemory.Alloc((nuint)Math.Max(data.Length, 1));
        _memory.Add((nint)copy);
        data.CopyTo(new Span<byte>(copy, data.Length));
        return copy;
    }

    internal sbyte* Text(string text) => (sbyte*)Bytes(Encoding.UTF8.GetBytes(text + '\0'));

    internal Qnn_Tensor_t Tensor(string name, Qnn_TensorType_t type, TestTensor described, bool version2 = false)
    {
        var tensor = new Qnn_Tensor_t
        {
            version = version2 ? Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2 : Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1,
        };
        ref Qnn_TensorV1_t v1 = ref tensor.Anonymous.v1;
        v1.name = Text(name);
        v1.type = type;
        v1.dataType = described.DataType;
        v1.rank = (uint)described.Dimensions.Length;
        v1.dimensions = (uint*)Bytes(MemoryMarshal.AsBytes<uint>(described.Dimensions));
        if (described.Scale != 0)
        {
            v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_DEFINED;
            v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET;
            v1.quantizeParams.Anonymous.scaleOffsetEncoding.scale = described.Scale;
            v1.quantizeParams.Anonymous.scaleOffsetEncoding.offset = described.Offset;
        }
        else
        {
            v1.quantizeParams.encodingDefinition = Qnn_Definition_t.QNN_DEFINITION_UNDEFINED;
            v1.quantizeParams.quantizationEncoding = Qnn_QuantizationEncoding_t.QNN_QUANTIZATION_ENCODING_UNDEFINED;
        }
        if (described.Data is not null)
        {
            v1.Anonymous.clientBuf.data = Bytes(described.Data);
            v1.Anonymous.clientBuf.dataSize = (uint)described.Data.Length;
        }
        return tensor;
    }

    internal Qnn_Param_t Flag(string name, bool value)
    {
        var param = new Qnn_Param_t { paramType = Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR, name = Text(name) };
        param.Anonymous.scalarParam.dataType = Qnn_DataType_t.QNN_DATATYPE_BOOL_8;
        param.Anonymous.scalarParam.Anonymous.bool8Value = value ? (byte)1 : (byte)0;
        return param;
    }

    internal Qnn_Param_t Whole(string name, uint value)
    {
        var param = new Qnn_Param_t { paramType = Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR, name = Text(name) };
        param.Anonymous.scalarParam.dataType = Qnn_DataType_t.QNN_DATATYPE_UINT_32;
        param.Anonymous.scalarParam.Anonymous.uint32Value = value;
        return param;
    }

    internal Qnn_Param_t Real(string name, float value)
    {
        var param = new Qnn_Param_t { paramType = Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR, name = Text(name) };
        param.Anonymous.scalarParam.dataType = Qnn_DataType_t.QNN_DATATYPE_FLOAT_32;
        param.Anonymous.scalarParam.Anonymous.floatValue = value;
        return param;
    }

    internal Qnn_Param_t TensorParameter(string name, Qnn_Tensor_t tensor)
    {
        var param = new Qnn_Param_t { paramType = Qnn_ParamType_t.QNN_PARAMTYPE_TENSOR, name = Text(name) };
        param.Anonymous.tensorParam = tensor;
        return param;
    }

    internal Qnn_OpConfig_t Op(string type, Qnn_Param_t[] parameters, Qnn_Tensor_t[] inputs, Qnn_Tensor_t[] outputs, string name = "node")
    {
        var op = new Qnn_OpConfig_t { version = Qnn_OpConfigVersion_t.QNN_OPCONFIG_VERSION_1 };
        ref Qnn_OpConfigV1_t v1 = ref op.Anonymous.v1;
        v1.name = Text(name);
        v1.packageName = Text("qti.aisw");
        v1.typeName = Text(type);
        v1.numOfParams = (uint)parameters.Length;
        v1.@params = Array<Qnn_Param_t>(parameters);
        v1.numOfInputs = (uint)inputs.Length;
        v1.inputTensors = Array<Qnn_Tensor_t>(inputs);
        v1.numOfOutputs = (uint)outputs.Length;
        v1.outputTensors = Array<Qnn_Tensor_t>(outputs);
        return op;
    }

    internal T* Array<T>(ReadOnlySpan<T> items)
        where T : unmanaged => (T*)Bytes(MemoryMarshal.AsBytes(items));

    internal void* Graph(string name)
    {
        void* graph = null;
        Ok(Q.graphCreate(Context, Text(name), null, &graph));
        return graph;
    }

    internal void Create(void* graph, ref Qnn_Tensor_t tensor)
    {
        // HTP wants no contents for any but static tensors yet.
        ref Qnn_TensorV1_t v1 = ref tensor.Anonymous.v1;
        Qnn_ClientBuffer_t contents = v1.Anonymous.clientBuf;
        if (v1.type != Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC)
        {
            v1.Anonymous.clientBuf = default;
        }
        fixed (Qnn_Tensor_t* pointer = &tensor)
        {
            Ok(Q.tensorCreateGraphTensor(graph, pointer));
        }
        v1.Anonymous.clientBuf = contents;
    }

    /// <summary>Status of validating one node made of the described operands.</summary>
    internal ulong Validate(string type, TestTensor[] inputs, TestTensor[] outputs, params Qnn_Param_t[] parameters) => Q.backendValidateOpConfig(
        Backend,
        Op(
            type,
            parameters,
            System.Array.ConvertAll(inputs, t => Tensor("in", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, t)),
            System.Array.ConvertAll(outputs, t => Tensor("out", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, t))));

    private int _graphs;

    /// <summary>A finalised graph of one node, its tensors with ids and output buffers.</summary>
    internal ComposedGraph Compose(string type, TestTensor[] inputs, TestTensor[] outputs, Qnn_Param_t[] parameters, Action<nint>? configure = null)
    {
        void* graph = Graph($"graph{_graphs++}");
        configure?.Invoke((nint)graph);
        var ins = new Qnn_Tensor_t[inputs.Length];
        var outs = new Qnn_Tensor_t[outputs.Length];
        for (int i = 0; i < ins.Length; i++)
        {
            ins[i] = Tensor($"in{i}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, inputs[i], version2: i % 2 == 1);
            Create(graph, ref ins[i]);
        }
        for (int i = 0; i < outs.Length; i++)
        {
            outs[i] = Tensor($"out{i}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, outputs[i] with { Data = new byte[outputs[i].Bytes] });
            Create(graph, ref outs[i]);
        }
        Qnn_OpConfig_t op = Op(type, parameters, ins, outs);
        Ok(Q.backendValidateOpConfig(Backend, op));
        Ok(Q.graphAddNode(graph, op));
        Ok(Q.graphFinalize(graph, null, null));
        return new ComposedGraph(this, graph, Array<Qnn_Tensor_t>(ins), (uint)ins.Length, Array<Qnn_Tensor_t>(outs), (uint)outs.Length);
    }

    /// <summary>Contents of the outputs of one node.</summary>
    internal byte[][] Run(string type, TestTensor[] inputs, TestTensor[] outputs, params Qnn_Param_t[] parameters)
    {
        ComposedGraph graph = Compose(type, inputs, outputs, parameters);
        Ok(graph.Execute());
        byte[][] results = new byte[outputs.Length][];
        for (int i = 0; i < results.Length; i++)
        {
            results[i] = graph.Output(i).ToArray();
        }
        return results;
    }

    public void Dispose()
    {
        if (_soft is null)
        {
            Q.contextFree(Context, null);
            Q.deviceFree(Device);
            Q.backendFree(Backend);
            Q.logFree(Log);
        }
        _soft?.Dispose();
        foreach (nint memory in _memory)
        {
            NativeMemory.Free((void*)memory);
        }
        if (_self.IsAllocated)
        {
            _self.Free();
        }
    }
}

/// <summary>A finalised graph with its client tensors.</summary>
internal sealed unsafe class ComposedGraph(TableClient client, void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount)
{
    internal void* Handle => graph;

    internal Qnn_Tensor_t* Inputs => inputs;

    internal Qnn_Tensor_t* Outputs => outputs;

    internal uint InputCount => inputCount;

    internal uint OutputCount => outputCount;

    internal ulong Execute() => client.Q.graphExecute(graph, inputs, inputCount, outputs, outputCount, null, null);

    internal Span<byte> Input(int index) => Buffer(inputs + index);

    internal Span<byte> Output(int index) => Buffer(outputs + index);

    private static Span<byte> Buffer(Qnn_Tensor_t* tensor) =>
        new(tensor->Anonymous.v1.Anonymous.clientBuf.data, (int)tensor->Anonymous.v1.Anonymous.clientBuf.dataSize);
}
