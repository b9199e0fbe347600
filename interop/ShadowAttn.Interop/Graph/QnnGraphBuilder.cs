using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// Composes a graph: tensors first, then nodes in topological order, then <see cref="FinalizeGraph"/>. Inputs and outputs are
/// bound and executed in the order in which they were declared. For one thread at a time.
/// </summary>
public sealed unsafe class QnnGraphBuilder : IDisposable
{
    /// <summary>The package that the built-in operators are in.</summary>
    public const string BuiltInPackage = "qti.aisw";

    readonly QnnContext _context;
    readonly QnnDriver _driver;
    readonly NativeArena _arena;
    readonly void* _graph;
    readonly Dictionary<string, QnnTensor> _tensors = [];
    readonly List<QnnTensor> _inputs = [];
    readonly List<QnnTensor> _outputs = [];
    bool _finalized;
    int _nodes;

    QnnGraphBuilder(QnnContext context, string name, void* graph, NativeArena arena)
    {
        _context = context;
        _driver = context.Driver;
        _graph = graph;
        _arena = arena;
        Name = name;
    }

    /// <summary>Name of the graph.</summary>
    public string Name { get; }

    /// <summary>The inputs so far, in the order of execution.</summary>
    public IReadOnlyList<QnnTensor> Inputs => _inputs;

    /// <summary>The outputs so far, in the order of execution.</summary>
    public IReadOnlyList<QnnTensor> Outputs => _outputs;

    internal static QnnGraphBuilder Create(QnnContext context, string name, QnnGraphOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        QnnDriver driver = context.Driver;
        if (options.HasHtpOptions)
        {
            driver.RequireHtp("Precision, VTCM, HVX threads, optimisation level or compression of a graph");
        }
        using var hold = new HandleHold(context.Handle);
        driver.Require(driver.Table.graphCreate, "graphCreate");
        driver.Require(driver.Table.tensorCreateGraphTensor, "tensorCreateGraphTensor");
        driver.Require(driver.Table.backendValidateOpConfig, "backendValidateOpConfig");
        driver.Require(driver.Table.graphAddNode, "graphAddNode");
        driver.Require(driver.Table.graphFinalize, "graphFinalize");
        driver.Require(driver.Table.graphExecute, "graphExecute");
        var arena = new NativeArena();
        try
        {
            void* graph = null;
            driver.Check(driver.Table.graphCreate(context.Handle.Value, arena.Text(name), options.Write(arena), &graph),
                "graphCreate", $"graph '{name}'");
            driver.CheckHandle(graph, "graphCreate");
            return new QnnGraphBuilder(context, name, graph, arena);
        }
        catch
        {
            arena.Dispose();
            throw;
        }
    }

    /// <summary>Declares an input; the application binds a buffer for it.</summary>
    /// <exception cref="ArgumentException">The name is taken, the shape impossible, or a quantised type lacks its encoding.</exception>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnTensor Input(string name, QnnDataType type, ReadOnlySpan<int> shape, QnnEncoding? encoding = null) =>
        Add(new QnnTensorSpec(name, QnnTensorKind.Input, type, shape, encoding));

    /// <summary>Declares an output; the application binds a buffer for it.</summary>
    /// <inheritdoc cref="Input"/>
    public QnnTensor Output(string name, QnnDataType type, ReadOnlySpan<int> shape, QnnEncoding? encoding = null) =>
        Add(new QnnTensorSpec(name, QnnTensorKind.Output, type, shape, encoding));

    /// <summary>Declares a tensor between two nodes.</summary>
    /// <inheritdoc cref="Input"/>
    public QnnTensor Native(string name, QnnDataType type, ReadOnlySpan<int> shape, QnnEncoding? encoding = null) =>
        Add(new QnnTensorSpec(name, QnnTensorKind.Native, type, shape, encoding));

    /// <summary>Declares a constant; <paramref name="values"/> are copied, dense and row-major.</summary>
    /// <exception cref="ArgumentException">As for inputs, or the values do not fill the shape.</exception>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnTensor Static<T>(string name, QnnDataType type, ReadOnlySpan<int> shape, ReadOnlySpan<T> values, QnnEncoding? encoding = null)
        where T : unmanaged
    {
        var spec = new QnnTensorSpec(name, QnnTensorKind.Static, type, shape, encoding);
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        if ((nuint)bytes.Length != spec.Bytes)
        {
            throw new ArgumentException($"Tensor {spec} needs {spec.Bytes} bytes of values; given are {bytes.Length}.", nameof(values));
        }
        return Add(spec, _arena.Copy(bytes));
    }

    /// <summary>Declares a tensor by its description; static ones need <see cref="Static"/>.</summary>
    /// <inheritdoc cref="Input"/>
    public QnnTensor Add(QnnTensorSpec spec) => spec.Kind == QnnTensorKind.Static
        ? throw new ArgumentException($"Tensor {spec} is static and needs values.", nameof(spec))
        : Add(spec, data: null);

    /// <summary>
    /// Adds a node of a built-in operator, after the backend has validated it: HTP executes graphs that failed validation and
    /// returns garbage.
    /// </summary>
    /// <param name="type">The operator, for example <c>MatMul</c>.</param>
    /// <param name="inputs">Its inputs in the operator's order.</param>
    /// <param name="outputs">Its outputs in the operator's order.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="name">Its name in profiles; null makes one up.</param>
    /// <exception cref="QnnValidationException">The backend does not have the operator for these tensors.</exception>
    /// <exception cref="QnnCallException">The backend refused the node.</exception>
    public void AddNode(string type, ReadOnlySpan<QnnTensor> inputs, ReadOnlySpan<QnnTensor> outputs,
        ReadOnlySpan<QnnParam> parameters = default, string? name = null)
    {
        ThrowIfFinalized();
        name ??= $"{type}_{_nodes}";
        var config = new Qnn_OpConfig_t { version = Qnn_OpConfigVersion_t.QNN_OPCONFIG_VERSION_1 };
        config.v1 = new Qnn_OpConfigV1_t
        {
            name = _arena.Text(name),
            packageName = _arena.Text(BuiltInPackage),
            typeName = _arena.Text(type),
            numOfParams = (uint)parameters.Length,
            @params = WriteParameters(parameters),
            numOfInputs = (uint)inputs.Length,
            inputTensors = WriteTensors(inputs),
            numOfOutputs = (uint)outputs.Length,
            outputTensors = WriteTensors(outputs),
        };
        using var hold = new HandleHold(_context.Handle);
        ulong status = _driver.Table.backendValidateOpConfig(_context.Device.Backend.Value, config);
        if (status != QnnApi.QNN_SUCCESS)
        {
            throw new QnnValidationException(Describe(name, type, inputs, outputs), status, _driver.Log.LinesOfThisCall());
        }
        status = _driver.Table.graphAddNode(_graph, config);
        if (status != QnnApi.QNN_SUCCESS)
        {
            _driver.Check(status, "graphAddNode", Describe(name, type, inputs, outputs));
        }
        _nodes++;
    }

    /// <summary>Prepares the graph for the device and makes it executable. The builder is used up.</summary>
    /// <param name="profile">Gets the events of the preparation; may be null.</param>
    /// <exception cref="InvalidOperationException">It is finalised already, or has no node, no input or no output.</exception>
    /// <exception cref="QnnCallException">The backend could not prepare it.</exception>
    public QnnGraph FinalizeGraph(QnnProfile? profile = null)
    {
        ThrowIfFinalized();
        if (_nodes == 0 || _outputs.Count == 0)
        {
            throw new InvalidOperationException($"Graph '{Name}' has {_nodes} nodes and {_outputs.Count} outputs; it needs at least one of each.");
        }
        using (new HandleHold(_context.Handle))
        using (new HandleHold(profile?.Handle))
        {
            _driver.Check(_driver.Table.graphFinalize(_graph, profile is null ? null : profile.Handle.Value, null),
                "graphFinalize", $"graph '{Name}'");
        }
        _finalized = true;
        var graph = new QnnGraph(_context, Name, _graph, [.. _inputs], [.. _outputs]);
        _arena.Dispose();
        return graph;
    }

    /// <summary>Drops what was only needed to compose. The graph itself belongs to its context.</summary>
    public void Dispose() => _arena.Dispose();

    QnnTensor Add(QnnTensorSpec spec, void* data)
    {
        ThrowIfFinalized();
        if (_tensors.ContainsKey(spec.Name))
        {
            throw new ArgumentException($"Graph '{Name}' has a tensor '{spec.Name}' already; every tensor needs its own name.", nameof(spec));
        }
        if (spec.DataType.IsQuantised() && spec.Encoding.Kind is QnnEncodingKind.None or QnnEncodingKind.Other)
        {
            throw new ArgumentException($"Tensor {spec} is quantised and needs an encoding with scale and offset.", nameof(spec));
        }
        using var hold = new HandleHold(_context.Handle);
        Qnn_Tensor_t* native = _arena.Allocate<Qnn_Tensor_t>();
        QnnTensor.Write(native, spec, id: 0, _arena, data);
        _driver.Check(_driver.Table.tensorCreateGraphTensor(_graph, native), "tensorCreateGraphTensor", $"graph '{Name}', tensor {spec}");
        var tensor = new QnnTensor(spec, native->v1.id);
        _tensors.Add(spec.Name, tensor);
        if (spec.Kind == QnnTensorKind.Input)
        {
            _inputs.Add(tensor);
        }
        else if (spec.Kind == QnnTensorKind.Output)
        {
            _outputs.Add(tensor);
        }
        return tensor;
    }

    Qnn_Tensor_t* WriteTensors(ReadOnlySpan<QnnTensor> tensors)
    {
        Qnn_Tensor_t* native = _arena.Allocate<Qnn_Tensor_t>(tensors.Length);
        for (int i = 0; i < tensors.Length; i++)
        {
            WriteTensor(&native[i], tensors[i]);
        }
        return native;
    }

    void WriteTensor(Qnn_Tensor_t* native, QnnTensor tensor)
    {
        if (!_tensors.TryGetValue(tensor.Name, out QnnTensor? own) || own != tensor)
        {
            throw new ArgumentException($"Tensor {tensor} is not of graph '{Name}'.", nameof(tensor));
        }
        QnnTensor.Write(native, tensor.Spec, tensor.Id, _arena);
    }

    Qnn_Param_t* WriteParameters(ReadOnlySpan<QnnParam> parameters)
    {
        Qnn_Param_t* native = _arena.Allocate<Qnn_Param_t>(parameters.Length);
        for (int i = 0; i < parameters.Length; i++)
        {
            native[i].name = _arena.Text(parameters[i].Name);
            if (parameters[i].TensorValue is QnnTensor tensor)
            {
                native[i].paramType = Qnn_ParamType_t.QNN_PARAMTYPE_TENSOR;
                WriteTensor(&native[i].Anonymous.tensorParam, tensor);
            }
            else
            {
                native[i].paramType = Qnn_ParamType_t.QNN_PARAMTYPE_SCALAR;
                native[i].scalarParam = parameters[i].ScalarValue;
            }
        }
        return native;
    }

    string Describe(string name, string type, ReadOnlySpan<QnnTensor> inputs, ReadOnlySpan<QnnTensor> outputs) =>
        $"graph '{Name}', node '{name}': {type}({string.Join(", ", inputs.ToArray().AsEnumerable())}) -> {string.Join(", ", outputs.ToArray().AsEnumerable())}";

    void ThrowIfFinalized()
    {
        if (_finalized)
        {
            throw new InvalidOperationException($"Graph '{Name}' is finalized; compose a new one.");
        }
        ObjectDisposedException.ThrowIf(_arena.IsDisposed, this);
    }
}
