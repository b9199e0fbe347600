namespace ShadowAttn.Interop;

/// <summary>
/// A finalised graph. It belongs to its context, which it keeps alive. Its own bindings are for one thread at a time;
/// <see cref="CreateBindings"/> makes more, for other threads or other buffers.
/// </summary>
public sealed unsafe class QnnGraph : IDisposable
{
    readonly QnnTensor[] _inputs;
    readonly QnnTensor[] _outputs;

    internal QnnGraph(QnnContext context, string name, void* graph, QnnTensor[] inputs, QnnTensor[] outputs)
    {
        Context = context;
        Name = name;
        Value = graph;
        _inputs = inputs;
        _outputs = outputs;
        Bindings = CreateBindings();
    }

    /// <summary>Name of the graph.</summary>
    public string Name { get; }

    /// <summary>The context that it belongs to.</summary>
    public QnnContext Context { get; }

    /// <summary>Its inputs, in the order of binding.</summary>
    public IReadOnlyList<QnnTensor> Inputs => _inputs;

    /// <summary>Its outputs, in the order of binding.</summary>
    public IReadOnlyList<QnnTensor> Outputs => _outputs;

    /// <summary>The graph's own bindings, which the methods here work on.</summary>
    public QnnBindings Bindings { get; }

    internal void* Value { get; }

    /// <summary>A further set of bindings.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed and nothing keeps it.</exception>
    public QnnBindings CreateBindings() => new(this, _inputs, _outputs);

    /// <inheritdoc cref="QnnBindings.BindInput(int, void*, nuint)"/>
    public void BindInput(int index, void* data, nuint bytes) => Bindings.BindInput(index, data, bytes);

    /// <inheritdoc cref="QnnBindings.BindOutput(int, void*, nuint)"/>
    public void BindOutput(int index, void* data, nuint bytes) => Bindings.BindOutput(index, data, bytes);

    /// <inheritdoc cref="QnnBindings.BindInput(int, QnnMemory)"/>
    public void BindInput(int index, QnnMemory memory) => Bindings.BindInput(index, memory);

    /// <inheritdoc cref="QnnBindings.BindOutput(int, QnnMemory)"/>
    public void BindOutput(int index, QnnMemory memory) => Bindings.BindOutput(index, memory);

    /// <inheritdoc cref="QnnBindings.Execute"/>
    public void Execute(QnnProfile? profile = null) => Bindings.Execute(profile);

    /// <inheritdoc cref="QnnBindings.ExecuteAsync"/>
    public ValueTask ExecuteAsync(QnnProfile? profile = null) => Bindings.ExecuteAsync(profile);

    /// <summary>Lets go of the context.</summary>
    public void Dispose() => Bindings.Dispose();
}
