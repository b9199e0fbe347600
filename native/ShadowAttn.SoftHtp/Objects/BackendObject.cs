using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A created backend: owns the worker threads and everything made from it.</summary>
internal sealed class BackendObject : QnnObject
{
    readonly Offspring _offspring = new();

    internal BackendObject(SoftHtpInstance instance, LogObject? log)
        : base(instance, HandleKind.Backend)
    {
        Log = log;
        Workers = new WorkerPool(instance.Threads);
    }

    internal LogObject? Log { get; }

    internal WorkerPool Workers { get; }

    internal bool Adopt(QnnObject child) => _offspring.Adopt(child);

    internal void Disown(QnnObject child) => _offspring.Disown(child);

    internal void Error(string message) => LogObject.Write(Log, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, message);

    protected override void OnClosed() => _offspring.CloseAll();

    protected override void Destroy() => Workers.Release();
}

/// <summary>The things made from an object, to be closed with it.</summary>
internal sealed class Offspring
{
    readonly Lock _gate = new();
    HashSet<QnnObject>? _children = [];

    /// <summary>False when the parent has been closed meanwhile; the child must then not be handed out.</summary>
    internal bool Adopt(QnnObject child)
    {
        lock (_gate)
        {
            return _children is not null && _children.Add(child);
        }
    }

    internal void Disown(QnnObject child)
    {
        lock (_gate)
        {
            _children?.Remove(child);
        }
    }

    internal void CloseAll()
    {
        HashSet<QnnObject>? children;
        lock (_gate)
        {
            (children, _children) = (_children, null);
        }
        foreach (QnnObject child in children ?? [])
        {
            child.Close();
        }
    }
}
