using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>An asynchronous execution under way, and the function with which the backend reports its end. Used again and again.</summary>
sealed unsafe class QnnPendingExecution(QnnDriver driver, string graph, OwnedHandle arena) : IValueTaskSource
{
    ManualResetValueTaskSourceCore<bool> _source = new() { RunContinuationsAsynchronously = true };
    GCHandle _self;
    OwnedHandle? _profile;
    int _isUnderWay;

    /// <summary>What the backend calls at the end of an execution.</summary>
    public static delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void> Notify => &End;

    public bool IsUnderWay => Volatile.Read(ref _isUnderWay) != 0;

    public ValueTask Task => new(this, _source.Version);

    /// <summary>Holds everything that the execution uses; returns the token for <see cref="Notify"/>.</summary>
    /// <exception cref="InvalidOperationException">One is under way already.</exception>
    public void* Begin(OwnedHandle? profile)
    {
        ObjectDisposedException.ThrowIf(arena.IsDisposed, arena);
        if (Interlocked.Exchange(ref _isUnderWay, 1) != 0)
        {
            throw new InvalidOperationException($"Graph '{graph}' is executing with these bindings already; use further bindings.");
        }
        bool held = false;
        try
        {
            arena.DangerousAddRef(ref held);
            bool profileHeld = false;
            profile?.DangerousAddRef(ref profileHeld);
        }
        catch
        {
            if (held)
            {
                arena.DangerousRelease();
            }
            Volatile.Write(ref _isUnderWay, 0);
            throw;
        }
        _profile = profile;
        _source.Reset();
        _self = GCHandle.Alloc(this);
        return (void*)GCHandle.ToIntPtr(_self);
    }

    /// <summary>The backend did not start it.</summary>
    public void Abandon()
    {
        _self.Free();
        _profile?.DangerousRelease();
        _profile = null;
        arena.DangerousRelease();
        Volatile.Write(ref _isUnderWay, 0);
    }

    void Complete(ulong status)
    {
        Abandon();
        if (status == QnnApi.QNN_SUCCESS)
        {
            _source.SetResult(true);
        }
        else
        {
            _source.SetException(new QnnCallException("graphExecuteAsync", $"graph '{graph}'", status, driver.Log.LinesOfThisCall()));
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void End(void* token, Qnn_NotifyStatus_t status)
    {
        try
        {
            if (GCHandle.FromIntPtr((nint)token).Target is QnnPendingExecution execution)
            {
                execution.Complete(status.error);
            }
        }
        catch (Exception)
        {
            // Nothing may unwind through the backend's frames.
        }
    }

    void IValueTaskSource.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
