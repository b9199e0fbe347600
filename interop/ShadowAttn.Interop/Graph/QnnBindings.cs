using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// Buffers bound to a graph's inputs and outputs. The descriptors are made once; binding writes a pointer, and executing
/// allocates nothing on the managed heap. Sizes are checked here because HTP does not: it reads and writes past the end
/// of a buffer that is too small.
/// </summary>
public sealed unsafe class QnnBindings : IDisposable
{
    readonly QnnGraph _graph;
    readonly QnnDriver _driver;
    readonly NativeArena _arena;
    readonly QnnTensor[] _inputs;
    readonly QnnTensor[] _outputs;
    readonly Qnn_Tensor_t* _nativeInputs;
    readonly Qnn_Tensor_t* _nativeOutputs;

    // Keeps registered memory reachable while it is bound; an entry is null for a raw buffer.
    readonly QnnMemory?[] _inputMemory;
    readonly QnnMemory?[] _outputMemory;
    QnnPendingExecution? _pending;
    int _unbound;

    internal QnnBindings(QnnGraph graph, QnnTensor[] inputs, QnnTensor[] outputs)
    {
        _graph = graph;
        _driver = graph.Context.Driver;
        _inputs = inputs;
        _outputs = outputs;
        _inputMemory = new QnnMemory?[inputs.Length];
        _outputMemory = new QnnMemory?[outputs.Length];
        _unbound = inputs.Length + outputs.Length;
        _arena = new NativeArena(graph.Context.Handle);
        _nativeInputs = Write(inputs);
        _nativeOutputs = Write(outputs);
    }

    /// <summary>Binds a plain buffer to an input. It must stay where it is until it is no longer bound.</summary>
    /// <param name="index">Number of the input.</param>
    /// <param name="data">Its dense, row-major values.</param>
    /// <param name="bytes">Size of the buffer; at least the tensor's.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such input.</exception>
    /// <exception cref="ArgumentException">The buffer is null or too small.</exception>
    /// <exception cref="ObjectDisposedException">The bindings were disposed.</exception>
    public void BindInput(int index, void* data, nuint bytes) => Bind(_inputs, _nativeInputs, _inputMemory, index, "input", data, bytes);

    /// <summary>Binds a plain buffer to an output.</summary>
    /// <inheritdoc cref="BindInput(int, void*, nuint)"/>
    public void BindOutput(int index, void* data, nuint bytes) => Bind(_outputs, _nativeOutputs, _outputMemory, index, "output", data, bytes);

    /// <summary>Binds memory to an input: by its handle if it is registered, else as a plain buffer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such input.</exception>
    /// <exception cref="ArgumentException">The memory is too small, or registered with another context.</exception>
    /// <exception cref="ObjectDisposedException">The memory or the bindings were disposed.</exception>
    public void BindInput(int index, QnnMemory memory) => Bind(_inputs, _nativeInputs, _inputMemory, index, "input", memory);

    /// <summary>Binds memory to an output: by its handle if it is registered, else as a plain buffer.</summary>
    /// <inheritdoc cref="BindInput(int, QnnMemory)"/>
    public void BindOutput(int index, QnnMemory memory) => Bind(_outputs, _nativeOutputs, _outputMemory, index, "output", memory);

    /// <summary>Lets go of what is bound to an input; it must be bound again before the next execution.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such input.</exception>
    /// <exception cref="ObjectDisposedException">The bindings were disposed.</exception>
    public void ReleaseInput(int index)
    {
        Check(_inputs, index, "input", nuint.MaxValue);
        using var hold = new HandleHold(_arena);
        Release(ref _inputMemory[index]);
        Qnn_TensorV1_t* target = &_nativeInputs[index].Anonymous.v1;
        if (!IsUnbound(target))
        {
            _unbound++;
        }
        target->memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW;
        target->clientBuf = default;
    }

    /// <summary>Runs the graph once and returns when its outputs are written.</summary>
    /// <param name="profile">Gets the events of this execution; may be null.</param>
    /// <exception cref="InvalidOperationException">An input or output is not bound.</exception>
    /// <exception cref="QnnCallException">The backend reports a failure.</exception>
    /// <exception cref="ObjectDisposedException">The bindings, bound memory or the profile were disposed.</exception>
    public void Execute(QnnProfile? profile = null)
    {
        if (_unbound != 0)
        {
            ThrowUnbound();
        }
        using var hold = new HandleHold(_arena);
        using var profileHold = new HandleHold(profile?.Handle);
        ulong status = _driver.Table.graphExecute(
            _graph.Value,
            _nativeInputs, (uint)_inputs.Length,
            _nativeOutputs, (uint)_outputs.Length,
            profile is null ? null : profile.Handle.Value,
            null);
        if (status != QnnApi.QNN_SUCCESS)
        {
            _driver.Check(status, "graphExecute", $"graph '{_graph.Name}'");
        }
    }

    /// <summary>
    /// Starts the graph and returns at once; the task ends when its outputs are written. One execution at a time; nothing may be
    /// bound until it ends. Allocates nothing on the managed heap from the second call on.
    /// </summary>
    /// <param name="profile">Gets the events of this execution; may be null.</param>
    /// <exception cref="InvalidOperationException">An input or output is not bound, or an execution is under way.</exception>
    /// <exception cref="QnnNotSupportedException">The backend does not execute asynchronously.</exception>
    /// <exception cref="QnnCallException">The backend refused the start; failures of the execution itself are the task's.</exception>
    /// <exception cref="ObjectDisposedException">The bindings, bound memory or the profile were disposed.</exception>
    public ValueTask ExecuteAsync(QnnProfile? profile = null)
    {
        if (_unbound != 0)
        {
            ThrowUnbound();
        }
        _driver.Require(_driver.Table.graphExecuteAsync, "graphExecuteAsync");
        _pending ??= new QnnPendingExecution(_driver, _graph.Name, _arena);
        void* token = _pending.Begin(profile?.Handle);
        ulong status = _driver.Table.graphExecuteAsync(
            _graph.Value,
            _nativeInputs, (uint)_inputs.Length,
            _nativeOutputs, (uint)_outputs.Length,
            profile is null ? null : profile.Handle.Value,
            null,
            QnnPendingExecution.Notify, token);
        if (status != QnnApi.QNN_SUCCESS)
        {
            _pending.Abandon();
            if (status == (ulong)QnnCommon_Error_t.QNN_COMMON_ERROR_NOT_SUPPORTED)
            {
                throw new QnnNotSupportedException($"The backend '{_driver.Name}' ({_driver.Provider.Info}) does not execute asynchronously.");
            }
            _driver.Check(status, "graphExecuteAsync", $"graph '{_graph.Name}'");
        }
        return _pending.Task;
    }

    /// <summary>Frees the descriptors when no execution needs them; buffers stay the caller's.</summary>
    public void Dispose()
    {
        ReleaseMemory(_inputMemory);
        ReleaseMemory(_outputMemory);
        _arena.Dispose();
    }

    Qnn_Tensor_t* Write(QnnTensor[] tensors)
    {
        Qnn_Tensor_t* native = _arena.Allocate<Qnn_Tensor_t>(tensors.Length);
        for (int i = 0; i < tensors.Length; i++)
        {
            QnnTensor.Write(&native[i], tensors[i].Spec, tensors[i].Id, _arena);
        }
        return native;
    }

    void Bind(QnnTensor[] tensors, Qnn_Tensor_t* native, QnnMemory?[] bound, int index, string role, void* data, nuint bytes)
    {
        QnnTensor tensor = Check(tensors, index, role, bytes);
        if (data == null)
        {
            throw new ArgumentException($"Graph '{_graph.Name}', {role} {tensor}: the buffer is null.", nameof(data));
        }
        using var hold = new HandleHold(_arena);
        Release(ref bound[index]);
        SetRaw(&native[index].Anonymous.v1, data, tensor.Bytes);
    }

    void Bind(QnnTensor[] tensors, Qnn_Tensor_t* native, QnnMemory?[] bound, int index, string role, QnnMemory memory)
    {
        QnnTensor tensor = Check(tensors, index, role, memory.Bytes);
        if (memory.IsRegistered && memory.Context != _graph.Context)
        {
            throw new ArgumentException(
                $"Graph '{_graph.Name}', {role} {tensor}: the memory is registered with another context than the graph's.", nameof(memory));
        }
        using var hold = new HandleHold(_arena);
        memory.AddUse();
        Release(ref bound[index]);
        Qnn_TensorV1_t* target = &native[index].Anonymous.v1;
        if (memory.IsRegistered)
        {
            if (IsUnbound(target))
            {
                _unbound--;
            }
            target->memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE;
            target->clientBuf = default;
            target->memHandle = memory.Value;
        }
        else
        {
            SetRaw(target, memory.Data, tensor.Bytes);
        }
        bound[index] = memory;
    }

    QnnTensor Check(QnnTensor[] tensors, int index, string role, nuint bytes)
    {
        if ((uint)index >= (uint)tensors.Length)
        {
            throw new ArgumentOutOfRangeException(nameof(index), index, $"Graph '{_graph.Name}' has {tensors.Length} {role}s.");
        }
        if (_pending is { IsUnderWay: true })
        {
            throw new InvalidOperationException($"Graph '{_graph.Name}' is executing with these bindings; wait for it before binding.");
        }
        QnnTensor tensor = tensors[index];
        if (bytes < tensor.Bytes)
        {
            throw new ArgumentException(
                $"Graph '{_graph.Name}', {role} {tensor}: the buffer has {bytes} bytes, the tensor needs {tensor.Bytes}.", nameof(bytes));
        }
        return tensor;
    }

    void SetRaw(Qnn_TensorV1_t* target, void* data, nuint bytes)
    {
        if (IsUnbound(target))
        {
            _unbound--;
        }
        target->memType = Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW;
        target->clientBuf.data = data;
        target->clientBuf.dataSize = (uint)bytes;
    }

    static bool IsUnbound(Qnn_TensorV1_t* target) =>
        target->memType == Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW && target->clientBuf.data == null;

    static void Release(ref QnnMemory? memory)
    {
        memory?.ReleaseUse();
        memory = null;
    }

    static void ReleaseMemory(QnnMemory?[] memory)
    {
        for (int i = 0; i < memory.Length; i++)
        {
            Release(ref memory[i]);
        }
    }

    void ThrowUnbound()
    {
        var missing = new List<string>();
        for (int i = 0; i < _inputs.Length; i++)
        {
            if (IsUnbound(&_nativeInputs[i].Anonymous.v1))
            {
                missing.Add($"input {_inputs[i]}");
            }
        }
        for (int i = 0; i < _outputs.Length; i++)
        {
            if (IsUnbound(&_nativeOutputs[i].Anonymous.v1))
            {
                missing.Add($"output {_outputs[i]}");
            }
        }
        throw new InvalidOperationException($"Graph '{_graph.Name}': no buffer is bound for {string.Join(", ", missing)}.");
    }
}
