using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

enum QnnHandleKind
{
    Log,
    Backend,
    Device,
    Context,
    Profile,
    Memory,
}

/// <summary>A handle of the backend, freed with the function for its kind.</summary>
sealed unsafe class QnnHandle : OwnedHandle
{
    readonly QnnDriver _driver;
    readonly QnnHandleKind _kind;
    readonly int _logSlot;

    public QnnHandle(QnnDriver driver, QnnHandleKind kind, void* value, SafeHandle? parent, int logSlot = -1) : base((nint)value, parent)
    {
        _driver = driver;
        _kind = kind;
        _logSlot = logSlot;
    }

    /// <summary>The native handle; valid while a <see cref="HandleHold"/> is on this.</summary>
    public void* Value => (void*)handle;

    /// <inheritdoc/>
    protected override void Free()
    {
        void* value = (void*)handle;
        ref readonly QnnInterface_ImplementationV2_32_t table = ref _driver.Table;
        switch (_kind)
        {
            case QnnHandleKind.Log:
                Note("logFree", table.logFree == null ? 0 : table.logFree(value));
                QnnLogCallbacks.Unbind(_logSlot, _driver.Log);
                break;
            case QnnHandleKind.Backend:
                Note("backendFree", table.backendFree == null ? 0 : table.backendFree(value));
                break;
            case QnnHandleKind.Device:
                Note("deviceFree", table.deviceFree == null ? 0 : table.deviceFree(value));
                break;
            case QnnHandleKind.Context:
                Note("contextFree", table.contextFree == null ? 0 : table.contextFree(value, null));
                break;
            case QnnHandleKind.Profile:
                Note("profileFree", table.profileFree == null ? 0 : table.profileFree(value));
                break;
            case QnnHandleKind.Memory:
                Note("memDeRegister", table.memDeRegister == null ? 0 : table.memDeRegister(&value, 1));
                break;
        }
    }

    void Note(string call, ulong status)
    {
        if (status != QnnApi.QNN_SUCCESS)
        {
            _driver.Log.FreeFailed(call, status);
        }
    }
}
