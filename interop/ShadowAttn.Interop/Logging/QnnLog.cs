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
    readonly Queue<(long Number, QnnLog_Level_t Level, string Text)> _lines = new(KeptLines);
    long _received;
    long _receivedBeforeCall;

    public ILogger Logger { get; } = logger;

    /// <summary>The last lines, oldest first.</summary>
    public string[] LastLines()
    {
        lock (_lock)
        {
            return [.. _lines.Select(line => line.Text)];
        }
    }

    /// <summary>The kept lines that came since the last call that succeeded, errors last, so that the last one says most.</summary>
    public string[] LinesOfThisCall()
    {
        lock (_lock)
        {
            return [.. _lines.Where(line => line.Number > _receivedBeforeCall)
                .OrderBy(line => line.Level == QnnLog_Level_t.QNN_LOG_LEVEL_ERROR)
                .Select(line => line.Text)];
        }
    }

    /// <summary>A call succeeded: what was logged so far has nothing to do with a later failure.</summary>
    public void EndCall() => Volatile.Write(ref _receivedBeforeCall, Volatile.Read(ref _received));

    /// <summary>Takes a line from the backend. Never throws: the caller is native code.</summary>
    public void Receive(QnnLog_Level_t level, string text)
    {
        try
        {
            lock (_lock)
            {
                if (_lines.Count == KeptLines)
                {
                    _lines.Dequeue();
                }
                _lines.Enqueue((++_received, level, text));
            }
            Logger.Log(QnnLogLevels.ToLoggerLevel(level), "{Line}", text);
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
