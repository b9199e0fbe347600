namespace ShadowAttn.Interop;

/// <summary>The backend lacks what was asked for: its table has no such function, or it says so itself.</summary>
public sealed class QnnNotSupportedException : QnnException
{
    /// <summary>Creates the exception with a one-line message.</summary>
    public QnnNotSupportedException(string message) : base(message)
    {
    }
}
