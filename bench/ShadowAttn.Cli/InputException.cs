using System.Globalization;
using System.Text;

namespace ShadowAttn.Cli;

/// <summary>
/// Something that the user gave is wrong: an option, a file, a tensor in it. The message names it and says what would be right; the command
/// prints it as one line and ends with exit code 2.
/// </summary>
public sealed class InputException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line. Control characters, which may come from file contents, are written as escapes.</param>
    /// <param name="innerException">What caused it.</param>
    public InputException(string message, Exception? innerException = null)
        : base(OneLine(message), innerException)
    {
    }

    /// <summary>The text with control characters and line separators as escapes.</summary>
    /// <param name="text">Any text.</param>
    public static string OneLine(string text)
    {
        var line = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (char.IsControl(c) || c is '\u2028' or '\u2029')
            {
                line.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            }
            else
            {
                line.Append(c);
            }
        }

        return line.ToString();
    }

    /// <summary>A name or value from a file in quotes, shortened when it is very long.</summary>
    /// <param name="text">The name or value.</param>
    public static string Quote(string text) => text.Length <= 80 ? $"'{text}'" : $"'{text[..77]}...'";
}
