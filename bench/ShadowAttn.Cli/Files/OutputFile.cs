using System.Security;

namespace ShadowAttn.Cli.Files;

/// <summary>
/// Output files appear whole or not at all: they are written under a temporary name in the same folder and renamed at the end.
/// </summary>
public static class OutputFile
{
    /// <summary>Throws if a file could not be written there, so that a long run does not end in it.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <exception cref="InputException">The path is no file's, or its folder is missing or cannot be written.</exception>
    public static void Check(string path)
    {
        try
        {
            string temporary = TemporaryPath(path);
            new FileStream(temporary, FileMode.CreateNew, FileAccess.Write).Dispose();
            File.Delete(temporary);
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Error(path, e);
        }
    }

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="write">Writes the contents.</param>
    /// <exception cref="InputException">The file cannot be written. What was there before is still there.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string? temporary = null;
        try
        {
            temporary = TemporaryPath(path);
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            temporary = null;
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Error(path, e);
        }
        finally
        {
            if (temporary is not null)
            {
                DeleteIfThere(temporary);
            }
        }
    }

    private static string TemporaryPath(string path)
    {
        if (string.IsNullOrWhiteSpace(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new InputException($"{InputException.Quote(path)} is no name of an output file");
        }

        string full = Path.GetFullPath(path);
        if (Directory.Exists(full) || Path.EndsInDirectorySeparator(path))
        {
            throw new InputException($"{path}: is a folder; the name of an output file is needed");
        }

        // Renaming would replace a device by a file.
        if (!OperatingSystem.IsWindows() && (full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal)))
        {
            throw new InputException($"{path}: is no ordinary file; output is written to ordinary files only");
        }

        string folder = Path.GetDirectoryName(full)!;
        return Directory.Exists(folder)
            ? Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp")
            : throw new InputException($"{path}: cannot be written: there is no folder {folder}");
    }

    private static void DeleteIfThere(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (IsFileError(e))
        {
            // The first error is the one to report.
        }
    }

    private static InputException Error(string path, Exception e)
        => new($"{path}: cannot be written: {(e is UnauthorizedAccessException ? "no permission" : e.Message)}", e);

    private static bool IsFileError(Exception e)
        => e is IOException or UnauthorizedAccessException or SecurityException;
}
