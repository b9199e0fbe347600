using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A provider's table with the log that explains its failures: what every part of an open backend calls through.</summary>
sealed unsafe class QnnDriver(QnnProvider provider, QnnLog log, string name, object? owner)
{
    // Keeps an in-process backend's owner alive for as long as anything of it can be called.
    readonly object? _owner = owner;

    public QnnProvider Provider { get; } = provider;

    public QnnLog Log { get; } = log;

    /// <summary>Name for messages.</summary>
    public string Name { get; } = name;

    /// <summary>The provider's functions; null where its version has none.</summary>
    public ref readonly QnnInterface_ImplementationV2_32_t Table => ref Provider.Table;

    /// <summary>Whether custom options of HTP mean something to this backend.</summary>
    public bool IsHtp => Provider.Info.BackendId == QnnApi.QNN_BACKEND_ID_HTP
        || Provider.Info.Name.StartsWith("HTP", StringComparison.OrdinalIgnoreCase);

    /// <summary>Throws unless the backend has a function.</summary>
    /// <exception cref="QnnNotSupportedException">It has not.</exception>
    public void Require(void* function, string call)
    {
        if (function == null)
        {
            throw new QnnNotSupportedException($"The backend '{Name}' ({Provider.Info}) has no {call}.");
        }
    }

    /// <summary>Throws unless a call succeeded.</summary>
    /// <exception cref="QnnCallException">It failed; the message has the backend's last log line.</exception>
    public void Check(ulong status, string call, string? subject = null)
    {
        if (status != QnnApi.QNN_SUCCESS)
        {
            throw new QnnCallException(call, subject, status, Log.LinesOfThisCall());
        }
        Log.EndCall();
    }

    /// <summary>Throws unless a call that succeeded also returned a handle.</summary>
    /// <exception cref="QnnException">It returned null.</exception>
    public void CheckHandle(void* value, string call)
    {
        if (value == null)
        {
            throw new QnnException($"The backend '{Name}' reports success of {call} but returned null.");
        }
    }

    /// <summary>Throws unless the backend takes HTP's own options.</summary>
    /// <exception cref="QnnNotSupportedException">It does not.</exception>
    public void RequireHtp(string option)
    {
        if (!IsHtp)
        {
            throw new QnnNotSupportedException($"{option} is an option of the HTP backend; '{Name}' ({Provider.Info}) is another one.");
        }
    }
}
