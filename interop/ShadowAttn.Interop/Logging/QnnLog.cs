using Microsoft.Extensions.Logging;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// One backend's log: passes lines to an <see cref="ILogger"/> and keeps the last ones for error messages. Backends log from
/// any of their threads.
/// </summary>
sealed class QnnLog(ILogger logger)
{
    /// <summary>Lines kept for error messages.</summary>
    public const int KeptLines = 32;

    readonly Lock _lock = new();
    readonly Queue<string> _lines = new(KeptLines);

    public ILogger Logger { get; } = logger;

    /// <summary>The last lines, oldest first.</summary>
    public string[] LastLines()
    {
        lock (_lock)
        {
            return [.. _lines];
        }
    }

    /// <summary>Forgets the kept lines, so that a later error does not show what another call logged.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _lines.Clear();
        }
    }

    /// <summary>Takes a line from the backend. Never throws: the caller is native code.</summary>
    public void Receive(QnnLog_Level_t level, string line)
    {
        try
        {
            lock (_lock)
            {
                if (_lines.Count == KeptLines)
                {
                    _lines.Dequeue();
                }
                _lines.Enqueue(line);
            }
            Logger.Log(QnnLogLevels.ToLoggerLevel(level), "{Line}", line);
        }
        catch (Exception)
        {
            // A logger that fails must not unwind through the backend's frames.
        }
    }

    /// <summary>Notes a failed free: there is nobody to throw at.</summary>
    public void FreeFailed(string call, ulong status)
    {
        try
        {
            Logger.LogWarning("{Call} failed: {Status}", call, QnnStatus.FromCode(status));
        }
        catch (Exception)
        {
            // As above: this runs when handles are released, possibly on the finaliser's thread.
        }
    }
}
