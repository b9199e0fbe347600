namespace ShadowAttn.Interop;

/// <summary>A call into a QNN backend returned an error status.</summary>
public class QnnCallException : QnnException
{
    /// <summary>Creates the exception; the message is composed by <see cref="QnnStatus"/>.</summary>
    /// <param name="call">Name of the table's function, for example <c>graphFinalize</c>.</param>
    /// <param name="subject">What the call was about, for example <c>graph 'pilot'</c>; may be empty.</param>
    /// <param name="status">The returned status.</param>
    /// <param name="logLines">What the backend logged during the call, oldest first; may be empty.</param>
    public QnnCallException(string call, string? subject, ulong status, IReadOnlyList<string> logLines)
        : this(call, status, logLines, QnnStatus.ComposeMessage(call, subject, QnnStatus.FromCode(status), logLines))
    {
    }

    private protected QnnCallException(string call, ulong status, IReadOnlyList<string> logLines, string message) : base(message)
    {
        Call = call;
        Status = QnnStatus.FromCode(status);
        LogLines = logLines;
    }

    /// <summary>Name of the table's function that failed.</summary>
    public string Call { get; }

    /// <summary>The returned status, with its constant's name and what usually causes it.</summary>
    public QnnStatus Status { get; }

    /// <summary>What the backend logged during the call, oldest first, errors last; empty if it logged nothing.</summary>
    public IReadOnlyList<string> LogLines { get; }
}
