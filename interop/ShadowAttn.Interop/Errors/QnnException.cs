namespace ShadowAttn.Interop;

/// <summary>Base of everything this layer throws about a QNN backend. The message is one line.</summary>
public class QnnException : Exception
{
    /// <summary>Creates the exception with a one-line message.</summary>
    public QnnException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
