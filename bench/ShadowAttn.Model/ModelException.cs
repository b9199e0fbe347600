namespace ShadowAttn.Model;

/// <summary>
/// A model, its file or a text is not what is needed. The message names the file and the key, tensor or place in it, and says what would be right.
/// </summary>
public sealed class ModelException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="innerException">What caused it.</param>
    public ModelException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>A name or text from a file in quotes, shortened when it is very long, on one line whatever is in it.</summary>
    /// <param name="text">The name or text.</param>
    internal static string Quote(string text)
    {
        string shown = text.Length <= 80 ? text : text[..77] + "...";
        return $"'{string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c))}'";
    }
}
