using ShadowAttn.Attention;

namespace ShadowAttn.Cli.Files;

/// <summary>A calibration profile that <c>--calibration</c> names.</summary>
/// <param name="Path">The path as given.</param>
/// <param name="Profile">What is in it.</param>
internal sealed record ProfileFile(string Path, CalibrationProfile Profile)
{
    /// <summary>Reads a profile.</summary>
    /// <exception cref="InputException">It cannot be read, or is no profile.</exception>
    public static ProfileFile Read(string path)
    {
        try
        {
            return new ProfileFile(path, CalibrationProfile.Parse(File.ReadAllBytes(path)));
        }
        catch (FormatException e)
        {
            throw new InputException($"--calibration: {path}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"--calibration: {path} cannot be read: {InputException.OneLine(e.Message)}", e);
        }
    }

    /// <summary>The options of a layer in the profile.</summary>
    /// <exception cref="InputException">The profile has no such layer, or is of another shape.</exception>
    public AttentionOptions Apply(AttentionOptions options, int layer)
    {
        try
        {
            return Profile.Apply(options, layer);
        }
        catch (ArgumentException e)
        {
            throw new InputException($"--calibration: {Path}: {e.Message}", e);
        }
    }
}
