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
        for (int head = 0; head < spec.Heads; head++)
        {
            var q = builder.Input(TensorName("q8", head), QnnDataType.SFixed8, [1, 1, spec.Rows, spec.Dim], QnnEncoding.ScaleOffset(spec.QueryScale, 0));
            var k = builder.Input(TensorName("k8", head), QnnDataType.SFixed8, [1, 1, spec.Keys, spec.Dim], QnnEncoding.ScaleOffset(spec.KeyScale, 0));
            var s = builder.Output(
                TensorName("scores", head), QnnDataType.SFixed8, [1, 1, spec.Rows, spec.Keys], QnnEncoding.ScaleOffset(spec.OutputScale, 0));
            builder.MatMul(q, k, s, transposeIn1: true);
        }

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
        bool fits = graph.Inputs.Count == 2 * spec.Heads && graph.Outputs.Count == spec.Heads;
        for (int head = 0; fits && head < spec.Heads; head++)
        {
            fits = Is(graph.Inputs[2 * head], TensorName("q8", head), spec.Rows, spec.Dim, spec.QueryScale)
                && Is(graph.Inputs[(2 * head) + 1], TensorName("k8", head), spec.Keys, spec.Dim, spec.KeyScale)
                && Is(graph.Outputs[head], TensorName("scores", head), spec.Rows, spec.Keys, spec.OutputScale);
        }

        return fits
            ? new PilotGraph(spec, context.RetrieveGraph(graph))
            : throw new QnnException($"graph '{spec.Name}' of the context binary has other tensors than its name says");
    }

    /// <summary>Registers the keys of one KV head with the backend where it takes them, for <see cref="PilotBinding.BindKeys"/> of this graph's bindings.</summary>
    /// <param name="memory">Registers them.</param>
    /// <param name="k8">[keys, dim]; may be longer.</param>
    /// <exception cref="ArgumentException">The buffer is too small.</exception>
    public QnnMemory RegisterKeys(PilotMemory memory, UnmanagedBuffer k8)
    {
        ArgumentNullException.ThrowIfNull(memory);
        return memory.Register(graph.Context, graph.Inputs[1], k8);
    }

    /// <summary>Binds buffers for queries and scores, registered with the backend where it takes them; keys are to follow.</summary>
    /// <param name="memory">Registers them.</param>
    /// <param name="q8">Per KV head of the graph, [rows, dim]; may be longer and more.</param>
    /// <param name="scores">Per KV head of the graph, receives [rows, keys]; may be longer and more.</param>
    /// <exception cref="ArgumentException">A buffer is too small, or there are fewer than the graph has heads.</exception>
    public PilotBinding Bind(PilotMemory memory, ReadOnlySpan<UnmanagedBuffer> q8, ReadOnlySpan<UnmanagedBuffer> scores)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (q8.Length < Spec.Heads || scores.Length < Spec.Heads)
        {
            throw new ArgumentException($"graph '{Spec.Name}' needs buffers for {Spec.Heads} heads; there are {q8.Length} and {scores.Length}");
        }

        QnnBindings bindings = graph.CreateBindings();
        List<QnnMemory> registered = [];
        try
        {
            for (int head = 0; head < Spec.Heads; head++)
            {
                registered.Add(memory.Register(graph.Context, graph.Inputs[2 * head], q8[head]));
                bindings.BindInput(2 * head, registered[^1]);
                registered.Add(memory.Register(graph.Context, graph.Outputs[head], scores[head]));
                bindings.BindOutput(head, registered[^1]);
            }

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

    private static string TensorName(string name, int head) => head == 0 ? name : $"{name}_{head}";

    private static bool Is(QnnTensor tensor, string name, int rows, int columns, float scale) =>
        tensor.Name == name
        && tensor.Spec.DataType == QnnDataType.SFixed8
        && tensor.Spec.Shape.SequenceEqual([1, 1, rows, columns])
        && tensor.Spec.Encoding.Equals(QnnEncoding.ScaleOffset(scale, 0));
}
