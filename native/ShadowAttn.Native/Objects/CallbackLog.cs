using Microsoft.Extensions.Logging;

namespace ShadowAttn.Native;

/// <summary>The log lines of the process, for the callback that the caller has set.</summary>
internal sealed unsafe class CallbackLog : ILogger
{
    // Held while the callback runs, so that one that is replaced is not running any more.
    private readonly Lock gate = new();
    private delegate* unmanaged[Cdecl]<void*, int, byte*, void> callback;
    private void* user;
    private volatile LogLevel level = LogLevel.None;

    /// <summary>The one log of the process.</summary>
    public static CallbackLog Instance { get; } = new();

    /// <summary>The least severe level that is wanted; None without a callback.</summary>
    public LogLevel Level => level;

    public void Set(delegate* unmanaged[Cdecl]<void*, int, byte*, void> next, void* nextUser, LogLevel nextLevel)
    {
        lock (gate)
        {
            callback = next;
            user = nextUser;
            level = next == null ? LogLevel.None : nextLevel;
        }
    }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= level;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string text = formatter(state, exception);
        byte[] line = new byte[System.Text.Encoding.UTF8.GetMaxByteCount(text.Length) + 1];
        Utf8.Write(text, line);
        lock (gate)
        {
            if (callback != null && IsEnabled(logLevel))
            {
                fixed (byte* start = line)
                {
                    callback(user, (int)logLevel, start);
                }
            }
        }
    }
}
