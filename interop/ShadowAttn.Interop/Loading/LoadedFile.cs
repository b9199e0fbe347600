using System.Runtime.InteropServices;

namespace ShadowAttn.Interop;

/// <summary>A shared library, unloaded when its last user is gone.</summary>
sealed class LoadedFile : OwnedHandle
{
    readonly string _name;

    LoadedFile(nint handle, string name, string? path) : base(handle, parent: null)
    {
        _name = name;
        FilePath = path;
    }

    /// <summary>Full path; null if the system's loader found it by name.</summary>
    public string? FilePath { get; }

    /// <summary>Loads the file at a path, or leaves a bare name to the system's loader.</summary>
    /// <exception cref="QnnLoadException">The file is missing or no library; the message has the loader's reason.</exception>
    public static LoadedFile Open(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        bool isPath = Path.GetFileName(name) != name || File.Exists(name);
        string? path = isPath ? Path.GetFullPath(name) : null;
        if (path is not null && !File.Exists(path))
        {
            string what = Directory.Exists(path) ? "is a folder, not a library" : "does not exist";
            throw new QnnLoadException(QnnLoadFailure.FileMissing, name, $"QNN library '{name}' {what}.");
        }
        try
        {
            return new LoadedFile(NativeLibrary.Load(path ?? name), name, path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            QnnLoadFailure failure = path is null ? QnnLoadFailure.FileMissing : QnnLoadFailure.NotALibrary;
            string what = path is null ? "was not found by the system's loader" : "could not be loaded as a library";
            throw new QnnLoadException(failure, name, $"QNN library '{name}' {what}: {Reason(e.Message, path ?? name)}", e);
        }
    }

    /// <summary>Address of an exported function.</summary>
    /// <exception cref="QnnLoadException">The library does not export it, so it is no QNN library.</exception>
    public nint Export(string function) =>
        NativeLibrary.TryGetExport(handle, function, out nint address)
            ? address
            : throw new QnnLoadException(QnnLoadFailure.NotQnn, _name, $"'{_name}' is a library, but not a QNN one: it does not export {function}.");

    /// <inheritdoc/>
    protected override void Free() => NativeLibrary.Free(handle);

    // .NET wraps the loader's words into advice of its own; the loader's line is the one that starts with the file.
    static string Reason(string message, string file)
    {
        foreach (string line in message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.StartsWith(file + ":", StringComparison.Ordinal))
            {
                return line[(file.Length + 1)..].Trim();
            }
        }
        return NativeText.OneLine(message);
    }
}
