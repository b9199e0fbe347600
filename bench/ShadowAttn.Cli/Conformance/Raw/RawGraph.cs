using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>A graph while it is composed and when it is executed, with one set of client tensors and buffers.</summary>
internal sealed unsafe class RawGraph(RawClient client, void* context, void* handle, string name)
{
    private readonly List<Qnn_Tensor_t> _inputs = [];
    private readonly List<Qnn_Tensor_t> _outputs = [];
    private int _nodes;

    public void* Handle => handle;

    public void* Context => context;

    public string Name => name;

    /// <summary>What the inputs were described with, contents included.</summary>
    public List<Operand> InputOperands { get; } = [];

    /// <summary>What the outputs were described with.</summary>
    public List<Operand> OutputOperands { get; } = [];

    /// <summary>Client tensors of the inputs: ids as the backend gave them, buffers filled.</summary>
    public IReadOnlyList<Qnn_Tensor_t> Inputs => _inputs;

    /// <summary>Client tensors of the outputs.</summary>
    public IReadOnlyList<Qnn_Tensor_t> Outputs => _outputs;

    /// <summary>A tensor that the client writes before each execution.</summary>
    public Qnn_Tensor_t Input(Operand operand)
    {
        // Every second one in the second version of the struct, which HTP takes as well.
        Qnn_Tensor_t tensor = Create($"in{_inputs.Count}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, operand, version2: _inputs.Count % 2 == 1);
        RawTensor.SetContents(ref tensor, client.Memory.Copy<byte>(operand.Data ?? new byte[operand.Bytes]), operand.Bytes);
        _inputs.Add(tensor);
        InputOperands.Add(operand);
        return tensor;
    }

    /// <summary>A tensor that the client reads after each execution.</summary>
    public Qnn_Tensor_t Output(Operand operand)
    {
        Qnn_Tensor_t tensor = Create($"out{_outputs.Count}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, operand, version2: false);
        RawTensor.SetContents(ref tensor, client.Memory.Allocate(operand.Bytes), operand.Bytes);
        _outputs.Add(tensor);
        OutputOperands.Add(operand);
        return tensor;
    }

    /// <summary>A tensor between two nodes.</summary>
    public Qnn_Tensor_t Native(Operand operand, string tensorName) =>
        Create(tensorName, Qnn_TensorType_t.QNN_TENSOR_TYPE_NATIVE, operand, version2: false);

    /// <summary>A constant tensor.</summary>
    public Qnn_Tensor_t Static(Operand operand, string tensorName)
    {
        Qnn_Tensor_t tensor = RawTensor.Describe(client.Memory, tensorName, Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC, operand);
        RawTensor.SetContents(ref tensor, client.Memory.Copy<byte>(operand.Data!), operand.Bytes);
        Expect.Ok($"tensorCreateGraphTensor of static {operand}", client.Table.tensorCreateGraphTensor(handle, &tensor));
        return tensor;
    }

    /// <summary>A node, validated and added.</summary>
    /// <exception cref="CheckFailedException">The backend refused it.</exception>
    public void Add(string op, ReadOnlySpan<Qnn_Tensor_t> inputs, ReadOnlySpan<Qnn_Tensor_t> outputs, params ReadOnlySpan<RawParam> parameters)
    {
        Qnn_OpConfig_t node = Node(op, inputs, outputs, parameters);
        string what = $"{op} of {string.Join(" and ", InputOperands)} -> {string.Join(" and ", OutputOperands)}";
        Expect.Ok($"backendValidateOpConfig of {what}", client.Table.backendValidateOpConfig(client.Backend, node));
        Expect.Ok($"graphAddNode of {what}", client.Table.graphAddNode(handle, node));
    }

    /// <summary>A node that is not added yet.</summary>
    public Qnn_OpConfig_t Node(
        string op, ReadOnlySpan<Qnn_Tensor_t> inputs, ReadOnlySpan<Qnn_Tensor_t> outputs, params ReadOnlySpan<RawParam> parameters)
    {
        int number = _nodes++;
        var written = new Qnn_Param_t[parameters.Length];
        for (int i = 0; i < written.Length; i++)
        {
            Qnn_Tensor_t tensor = default;
            if (parameters[i].Values is { } values)
            {
                tensor = RawTensor.DescribeParameter(client.Memory, $"{name}_{number}_{parameters[i].Name}", values);
                Expect.Ok($"tensorCreateGraphTensor of {parameters[i].Name}", client.Table.tensorCreateGraphTensor(handle, &tensor));
            }

            written[i] = parameters[i].Write(client.Memory, tensor);
        }

        return RawTensor.Node(client.Memory, $"{name}_node{number}", op, inputs, outputs, written);
    }

    /// <summary>Finalises; the status of the call.</summary>
    public ulong TryFinalize(void* profile = null) => client.Table.graphFinalize(handle, profile, null);

    /// <summary>Finalises.</summary>
    /// <exception cref="CheckFailedException">The backend refused.</exception>
    public RawGraph Finalized(void* profile = null)
    {
        Expect.Ok("graphFinalize", TryFinalize(profile));
        return this;
    }

    /// <summary>Executes with the graph's own tensors; the status of the call.</summary>
    public ulong TryExecute(void* profile = null) => TryExecute(_inputs.ToArray(), _outputs.ToArray(), profile);

    /// <summary>Executes with other tensors; the status of the call.</summary>
    public ulong TryExecute(ReadOnlySpan<Qnn_Tensor_t> inputs, ReadOnlySpan<Qnn_Tensor_t> outputs, void* profile = null)
    {
        fixed (Qnn_Tensor_t* ins = inputs, outs = outputs)
        {
            return client.Table.graphExecute(handle, ins, (uint)inputs.Length, outs, (uint)outputs.Length, profile, null);
        }
    }

    /// <summary>Executes and reads the outputs.</summary>
    /// <exception cref="CheckFailedException">The backend refused.</exception>
    public Operand[] Execute(void* profile = null)
    {
        Expect.Ok("graphExecute", TryExecute(profile));
        return Results();
    }

    /// <summary>The outputs as they are in their buffers.</summary>
    public Operand[] Results()
    {
        var results = new Operand[_outputs.Count];
        for (int i = 0; i < results.Length; i++)
        {
            results[i] = OutputOperands[i] with { Data = Contents(_outputs[i]).ToArray() };
        }

        return results;
    }

    /// <summary>The buffer that a client tensor points at.</summary>
    public static Span<byte> Contents(Qnn_Tensor_t tensor) =>
        new(tensor.Anonymous.v1.Anonymous.clientBuf.data, (int)tensor.Anonymous.v1.Anonymous.clientBuf.dataSize);

    /// <summary>The same graph under another handle, as retrieved from a context binary, with the same tensors.</summary>
    public RawGraph As(void* otherContext, void* otherHandle)
    {
        var graph = new RawGraph(client, otherContext, otherHandle, name);
        graph._inputs.AddRange(_inputs);
        graph._outputs.AddRange(_outputs);
        graph.InputOperands.AddRange(InputOperands);
        graph.OutputOperands.AddRange(OutputOperands);
        return graph;
    }

    /// <summary>Gives the graph's client tensors new buffers, and its inputs new contents.</summary>
    /// <param name="seed">Of the contents.</param>
    /// <param name="misalignment">Bytes from an aligned address to each buffer.</param>
    public void Rebind(int seed, int misalignment = 0)
    {
        for (int i = 0; i < _inputs.Count; i++)
        {
            Qnn_Tensor_t tensor = _inputs[i];
            InputOperands[i] = InputOperands[i].Filled(seed + i);
            byte[] data = InputOperands[i].Data!;
            byte* buffer = client.Memory.Allocate(data.Length + misalignment) + misalignment;
            data.CopyTo(new Span<byte>(buffer, data.Length));
            RawTensor.SetContents(ref tensor, buffer, data.Length);
            _inputs[i] = tensor;
        }

        for (int i = 0; i < _outputs.Count; i++)
        {
            Qnn_Tensor_t tensor = _outputs[i];
            RawTensor.SetContents(
                ref tensor, client.Memory.Allocate(OutputOperands[i].Bytes + misalignment) + misalignment, OutputOperands[i].Bytes);
            _outputs[i] = tensor;
        }
    }

    private Qnn_Tensor_t Create(string tensorName, Qnn_TensorType_t kind, Operand operand, bool version2)
    {
        Qnn_Tensor_t tensor = RawTensor.Describe(client.Memory, tensorName, kind, operand, version2);
        Expect.Ok($"tensorCreateGraphTensor of {operand}", client.Table.tensorCreateGraphTensor(handle, &tensor));
        return tensor;
    }
}
