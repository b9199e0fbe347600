using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// A library that holds a QNN backend, or a backend in this process that hands out the same provider table. Disposing
/// it unloads the library once the last backend opened on it is gone.
/// </summary>
public sealed unsafe class QnnLibrary : IDisposable
{
    readonly object? _owner;
    readonly Lock _systemLock = new();
    QnnSystem? _system;
    bool _disposed;

    QnnLibrary(string name, string? path, QnnProvider provider, QnnProviderInfo[] providers, OwnedHandle? handle, object? owner)
    {
        Name = name;
        FilePath = path;
        Provider = provider;
        Providers = providers;
        Handle = handle;
        _owner = owner;
    }

    /// <summary>File name, or the name that an in-process backend was given.</summary>
    public string Name { get; }

    /// <summary>Full path of the loaded file; null for an in-process backend or one that the system's loader found by name.</summary>
    public string? FilePath { get; }

    /// <summary>Every provider that the library offers.</summary>
    public IReadOnlyList<QnnProviderInfo> Providers { get; }

    /// <summary>The provider in use: the newest that this layer can drive.</summary>
    public QnnProviderInfo Info => Provider.Info;

    /// <summary>
    /// The provider's own functions, for clients that call them themselves; those behind <see cref="FunctionCount"/> are null. Callable as
    /// long as the library is not disposed.
    /// </summary>
    public ref readonly QnnInterface_ImplementationV2_32_t Table => ref Provider.Table;

    /// <summary>Functions that a table of the provider's version has, at most the 71 that the bindings know.</summary>
    public int FunctionCount => QnnSlots.CountIn(Info.CoreApiVersion.Minor);

    internal QnnProvider Provider { get; }

    internal OwnedHandle? Handle { get; }

    /// <summary>
    /// Loads a backend library. A path with a folder in it (or an existing file) is that file; a bare name is left to the
    /// system's loader.
    /// </summary>
    /// <exception cref="QnnLoadException">
    /// The file is missing, is no library, is no QNN library, offers no provider, or none of a suitable version.
    /// </exception>
    public static QnnLibrary Load(string path)
    {
        LoadedFile file = LoadedFile.Open(path);
        try
        {
            var getProviders = (delegate* unmanaged[Cdecl]<QnnInterface_t***, uint*, ulong>)file.Export("QnnInterface_getProviders");
            QnnInterface_t** providers = null;
            uint count = 0;
            ulong status = getProviders(&providers, &count);
            if (status != QnnApi.QNN_SUCCESS)
            {
                throw new QnnLoadException(QnnLoadFailure.NoProviders, path,
                    $"'{path}': QnnInterface_getProviders failed: {QnnStatus.FromCode(status)}.");
            }
            QnnProvider provider = QnnProvider.Choose(providers, count, path, out QnnProviderInfo[] all);
            return new QnnLibrary(Path.GetFileName(path), file.FilePath, provider, all, file, owner: null);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes a backend of this process by its one provider.</summary>
    /// <param name="provider">The provider; it and its functions must live as long as the library is used.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="owner">An object to keep alive as long as the library is.</param>
    /// <exception cref="QnnLoadException">The provider is null or its version unsuitable.</exception>
    public static QnnLibrary FromProviderTable(QnnInterface_t* provider, string name, object? owner = null) =>
        FromProviderTable(&provider, 1, name, owner);

    /// <summary>Takes a backend of this process by what its <c>QnnInterface_getProviders</c> would return.</summary>
    /// <param name="providers">The providers; they and their functions must live as long as the library is used.</param>
    /// <param name="count">Number of providers.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="owner">An object to keep alive as long as the library is.</param>
    /// <param name="systemProviders">Providers of the system interface, which reads context binaries; may be null.</param>
    /// <param name="systemCount">Number of system providers.</param>
    /// <exception cref="QnnLoadException">There is no provider, or none of a suitable version.</exception>
    public static QnnLibrary FromProviderTable(QnnInterface_t** providers, uint count, string name, object? owner = null,
        QnnSystemInterface_t** systemProviders = null, uint systemCount = 0)
    {
        QnnProvider provider = QnnProvider.Choose(providers, count, name, out QnnProviderInfo[] all);
        var library = new QnnLibrary(name, path: null, provider, all, handle: null, owner);
        if (systemProviders != null)
        {
            library._system = QnnSystem.FromProviderTable(systemProviders, systemCount, name);
        }
        return library;
    }

    /// <summary>
    /// The system library that belongs to the backend: <c>libQnnSystem.so</c> of the same folder, loaded at the first use.
    /// </summary>
    /// <exception cref="QnnLoadException">There is none beside the backend, or it is unsuitable.</exception>
    /// <exception cref="ObjectDisposedException">The library was disposed.</exception>
    public QnnSystem SystemLibrary
    {
        get
        {
            lock (_systemLock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _system ??= QnnSystem.LoadBeside(this);
            }
        }
    }

    /// <summary>Unloads the library once nothing of it is in use any more.</summary>
    public void Dispose()
    {
        lock (_systemLock)
        {
            _disposed = true;
            _system?.Dispose();
            Handle?.Dispose();
        }
        GC.KeepAlive(_owner);
    }
}
