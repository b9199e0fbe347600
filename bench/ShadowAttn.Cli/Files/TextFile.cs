using System.Text;

namespace ShadowAttn.Cli.Files;

/// <summary>Text files that a command reads.</summary>
internal static class TextFile
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A whole UTF-8 file.</summary>
    /// <param name="option">The option that named it, for errors.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It cannot be read, or is not UTF-8.</exception>
    public static string Read(string option, string path)
    {
        try
        {
            return s_strict.GetString(File.ReadAllBytes(path));
        }
        catch (DecoderFallbackException e)
        {
            throw new InputException($"{option}: {path} is not UTF-8 at byte {e.Index}; convert it", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"{option}: {path} cannot be read: {InputException.OneLine(e.Message)}", e);
        }
    }
}
