using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A context: graphs by name, and the counter that gives tensors their ids.</summary>
internal sealed class ContextObject : QnnObject
{
    readonly Offspring _offspring = new();
    readonly Lock _gate = new();
    readonly Dictionary<string, GraphObject> _byName = new(StringComparer.Ordinal);
    readonly List<GraphObject> _graphs = [];
    int _lastTensorId;

    internal ContextObject(BackendObject backend, DeviceObject? device)
        : base(backend.Instance, HandleKind.Context)
    {
        Backend = backend;
        Device = device;
    }

    internal BackendObject Backend { get; }

    internal DeviceObject? Device { get; }

    /// <summary>Executions that nobody waits for.</summary>
    internal AsyncQueue Async { get; } = new();

    /// <summary>Most executions that may wait in <see cref="Async"/>.</summary>
    internal int AsyncDepth { get; set; } = 64;

    internal Qnn_Priority_t Priority { get; set; } = Qnn_Priority_t.QNN_PRIORITY_NORMAL;

    /// <summary>Names of the graphs that a binary's loading is limited to; null: all.</summary>
    internal HashSet<string>? EnabledGraphs { get; set; }

    /// <summary>Ids count through the whole context, so that another graph's tensor is an unknown one.</summary>
    internal uint NextTensorId() => (uint)Interlocked.Increment(ref _lastTensorId);

    /// <summary>Raises the counter so that it never gives out <paramref name="id"/> again.</summary>
    internal void ReserveTensorId(uint id)
    {
        int seen = Volatile.Read(ref _lastTensorId);
        while ((uint)seen < id)
        {
            int before = Interlocked.CompareExchange(ref _lastTensorId, (int)id, seen);
            if (before == seen)
            {
                return;
            }
            seen = before;
        }
    }

    /// <summary>Enters a new graph under its name; false when the name is taken or the context closed.</summary>
    internal bool TryAdd(GraphObject graph)
    {
        lock (_gate)
        {
            if (!_byName.TryAdd(graph.Name, graph))
            {
                return false;
            }
            _graphs.Add(graph);
        }
        return _offspring.Adopt(graph);
    }

    internal GraphObject? Find(string name)
    {
        lock (_gate)
        {
            return _byName.GetValueOrDefault(name);
        }
    }

    /// <summary>The graphs in the order of their making.</summary>
    internal GraphObject[] Graphs()
    {
        lock (_gate)
        {
            return [.. _graphs];
        }
    }

    internal bool Adopt(QnnObject child) => _offspring.Adopt(child);

    internal void Disown(QnnObject child) => _offspring.Disown(child);

    protected override void OnClosed()
    {
        Async.End();
        _offspring.CloseAll();
        Backend.Disown(this);
        Device?.Disown(this);
    }
}
