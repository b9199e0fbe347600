using ShadowAttn.Interop;
using ShadowAttn.Memory;

namespace ShadowAttn.Graphs;

/// <summary>A finalised pilot graph, executed through its bindings.</summary>
public sealed class PilotGraph : IDisposable
{
    private readonly QnnGraph graph;

    private PilotGraph(PilotGraphSpec spec, QnnGraph graph)
    {
        Spec = spec;
        this.graph = graph;
    }

    /// <summary>What the graph was composed for.</summary>
    public PilotGraphSpec Spec { get; }

    /// <summary>Composes, validates and finalises the graph in a context.</summary>
    /// <param name="context">The context that owns the graph.</param>
    /// <param name="spec">The shape and the encodings.</param>
    /// <param name="options">How it is prepared; null for the backend's defaults.</param>
    /// <exception cref="QnnException">The backend refuses the graph; the message has the call and its reason.</exception>
    public static PilotGraph Compose(QnnContext context, PilotGraphSpec spec, QnnGraphOptions? options = null)
    {
        using QnnGraphBuilder builder = context.CreateGraph(spec.Name, options);
        var q = builder.Input("q8", QnnDataType.SFixed8, [1, 1, spec.Rows, spec.Dim], QnnEncoding.ScaleOffset(spec.QueryScale, 0));
        var k = builder.Input("k8", QnnDataType.SFixed8, [1, 1, spec.Keys, spec.Dim], QnnEncoding.ScaleOffset(spec.KeyScale, 0));
        var s = builder.Output("scores", QnnDataType.SFixed8, [1, 1, spec.Rows, spec.Keys], QnnEncoding.ScaleOffset(spec.OutputScale, 0));
        builder.MatMul(q, k, s, transposeIn1: true);
        return new PilotGraph(spec, builder.FinalizeGraph());
    }

    /// <summary>Takes the graph out of a context that was created from a binary, after checking that it is what the spec says.</summary>
    /// <param name="context">The context.</param>
    /// <param name="info">What the binary says of itself.</param>
    /// <param name="spec">The shape and the encodings.</param>
    /// <exception cref="QnnException">The binary has no such graph, or the backend cannot retrieve it.</exception>
    public static PilotGraph Retrieve(QnnContext context, QnnBinaryInfo info, PilotGraphSpec spec)
    {
        QnnBinaryGraph graph = info.Graphs.FirstOrDefault(g => g.Name == spec.Name)
            ?? throw new QnnException($"the context binary has no graph '{spec.Name}'");
        bool fits = graph.Inputs.Count == 2
            && graph.Outputs.Count == 1
            && Is(graph.Inputs[0], spec.Rows, spec.Dim, spec.QueryScale)
            && Is(graph.Inputs[1], spec.Keys, spec.Dim, spec.KeyScale)
            && Is(graph.Outputs[0], spec.Rows, spec.Keys, spec.OutputScale);
        return fits
            ? new PilotGraph(spec, context.RetrieveGraph(graph))
            : throw new QnnException($"graph '{spec.Name}' of the context binary has other tensors than its name says");
    }

    /// <summary>Binds buffers, registered with the backend where it takes them.</summary>
    /// <param name="memory">Registers them.</param>
    /// <param name="q8">[rows, dim].</param>
    /// <param name="k8">[keys, dim]; may be longer.</param>
    /// <param name="scores">Receives [rows, keys]; may be longer.</param>
    /// <exception cref="ArgumentException">A buffer is too small.</exception>
    public PilotBinding Bind(PilotMemory memory, UnmanagedBuffer q8, UnmanagedBuffer k8, UnmanagedBuffer scores)
    {
        ArgumentNullException.ThrowIfNull(memory);
        QnnBindings bindings = graph.CreateBindings();
        List<QnnMemory> registered = [];
        try
        {
            registered.Add(memory.Register(graph.Context, graph.Inputs[0], q8));
            registered.Add(memory.Register(graph.Context, graph.Inputs[1], k8));
            registered.Add(memory.Register(graph.Context, graph.Outputs[0], scores));
            bindings.BindInput(0, registered[0]);
            bindings.BindInput(1, registered[1]);
            bindings.BindOutput(0, registered[2]);
            return new PilotBinding(bindings, [.. registered]);
        }
        catch
        {
            bindings.Dispose();
            registered.ForEach(r => r.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => graph.Dispose();

    private static bool Is(QnnTensor tensor, int rows, int columns, float scale) =>
        tensor.Spec.DataType == QnnDataType.SFixed8
        && tensor.Spec.Shape.SequenceEqual([1, 1, rows, columns])
        && tensor.Spec.Encoding.Equals(QnnEncoding.ScaleOffset(scale, 0));
}
