namespace ShadowAttn.Interop;

/// <summary>
/// <c>backendValidateOpConfig</c> refused a node. The HTP backend would execute such a graph all the same and return
/// garbage, so a refused node is never added.
/// </summary>
public sealed class QnnValidationException : QnnCallException
{
    /// <summary>Creates the exception; <paramref name="node"/> describes the operator with its tensors.</summary>
    public QnnValidationException(string node, ulong status, IReadOnlyList<string> logLines)
        : base("backendValidateOpConfig", status, logLines,
            QnnStatus.ComposeMessage("backendValidateOpConfig", node, QnnStatus.FromCode(status), logLines))
    {
        Node = node;
    }

    /// <summary>The refused operator with its tensors' types and shapes.</summary>
    public string Node { get; }
}
