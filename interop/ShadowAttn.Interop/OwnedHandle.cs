using System.Runtime.InteropServices;

namespace ShadowAttn.Interop;

/// <summary>
/// A native thing that needs its parent alive: it counts a reference on the parent until it is freed itself. So things are
/// freed children first, whatever order the user disposes in, and a thing in use by a call is freed after the call.
/// </summary>
abstract class OwnedHandle : SafeHandle
{
    readonly SafeHandle? _parent;

    /// <param name="value">The native handle; not zero.</param>
    /// <param name="parent">What must outlive this.</param>
    protected OwnedHandle(nint value, SafeHandle? parent) : base(0, ownsHandle: true)
    {
        if (parent is not null)
        {
            bool added = false;
            parent.DangerousAddRef(ref added);
            _parent = parent;
        }
        SetHandle(value);
    }

    /// <inheritdoc/>
    public sealed override bool IsInvalid => handle == 0;

    /// <summary>Whether its user disposed it; what else needs it may still keep it from being freed.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Frees the native thing. Must not throw.</summary>
    protected abstract void Free();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        Free();
        _parent?.DangerousRelease();
        return true;
    }
}

/// <summary>Keeps a handle alive for the length of a call: <c>using var hold = new HandleHold(handle);</c></summary>
readonly ref struct HandleHold
{
    readonly OwnedHandle? _handle;

    /// <exception cref="ObjectDisposedException">The handle was disposed.</exception>
    public HandleHold(OwnedHandle? handle)
    {
        if (handle is not null)
        {
            ObjectDisposedException.ThrowIf(handle.IsDisposed, handle);
            bool added = false;
            handle.DangerousAddRef(ref added);
            _handle = handle;
        }
    }

    public void Dispose() => _handle?.DangerousRelease();
}
