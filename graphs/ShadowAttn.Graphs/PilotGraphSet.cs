using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>The pilot graphs of one backend, composed when they are first asked for and kept until the set is disposed.</summary>
public sealed class PilotGraphSet : IDisposable
{
    private readonly QnnBackend backend;
    private readonly Dictionary<PilotGraphSpec, (QnnContext Context, PilotGraph Graph)> graphs = [];
    private bool disposed;

    /// <summary>An empty set.</summary>
    /// <param name="backend">The backend; must outlive the set.</param>
    public PilotGraphSet(QnnBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        this.backend = backend;
    }

    /// <summary>The graph for a spec. Not for the path of a call: composing takes milliseconds and allocates.</summary>
    /// <param name="spec">The shape and the encodings.</param>
    /// <exception cref="QnnException">The backend refuses the graph.</exception>
    /// <exception cref="ObjectDisposedException">The set has been disposed.</exception>
    public PilotGraph Get(PilotGraphSpec spec)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (graphs.TryGetValue(spec, out (QnnContext, PilotGraph Graph) known))
        {
            return known.Graph;
        }

        QnnContext context = backend.CreateContext();
        try
        {
            PilotGraph graph = PilotGraph.Compose(context, spec);
            graphs.Add(spec, (context, graph));
            return graph;
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        foreach ((QnnContext context, PilotGraph graph) in graphs.Values)
        {
            graph.Dispose();
            context.Dispose();
        }

        graphs.Clear();
    }
}
