using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// An open QNN backend with its log and its default device. Everything made from it keeps it alive, so the order of
/// disposing does not matter; its calls may come from any thread.
/// </summary>
public sealed unsafe class QnnBackend : IDisposable
{
    readonly QnnDriver _driver;
    readonly QnnHandle? _log;
    readonly QnnHandle _backend;
    readonly bool _ownsLibrary;

    QnnBackend(QnnLibrary library, bool ownsLibrary, QnnDriver driver, QnnHandle? log, QnnHandle backend, QnnDevice device)
    {
        Library = library;
        _ownsLibrary = ownsLibrary;
        _driver = driver;
        _log = log;
        _backend = backend;
        Device = device;
        BuildId = ReadBuildId();
    }

    /// <summary>The library it is from.</summary>
    public QnnLibrary Library { get; }

    /// <summary>The default device, made with <see cref="QnnBackendOptions.Device"/>.</summary>
    public QnnDevice Device { get; }

    /// <summary>File name of the library, or the name of the in-process backend.</summary>
    public string Name => Library.Name;

    /// <summary>The provider's own name, for example <c>HTP_QTI_AISW</c>.</summary>
    public string ProviderName => _driver.Provider.Info.Name;

    /// <summary>Version of the core API that the backend implements.</summary>
    public QnnApiVersion ApiVersion => _driver.Provider.Info.CoreApiVersion;

    /// <summary>Version of the backend's own API.</summary>
    public QnnApiVersion BackendApiVersion => _driver.Provider.Info.BackendApiVersion;

    /// <summary>The backend's own name of its build; empty if it does not say.</summary>
    public string BuildId { get; }

    /// <summary>Whether HTP's own options (precision, VTCM, HVX threads, power) mean something to it.</summary>
    public bool IsHtp => _driver.IsHtp;

    /// <summary>The backend's last log lines, oldest first.</summary>
    public IReadOnlyList<string> LastLogLines => _driver.Log.LastLines();

    internal QnnDriver Driver => _driver;

    internal QnnHandle Handle => _backend;

    /// <summary>Loads the library at a path (or a bare name by the system's loader) and opens the backend; disposing unloads both.</summary>
    /// <exception cref="QnnLoadException">The library is missing or unsuitable.</exception>
    /// <exception cref="QnnCallException">The backend could not start.</exception>
    public static QnnBackend Open(string path, ILogger? logger = null) => Open(path, new QnnBackendOptions(), logger);

    /// <inheritdoc cref="Open(string, ILogger?)"/>
    public static QnnBackend Open(string path, QnnBackendOptions options, ILogger? logger = null) =>
        Open(QnnLibrary.Load(path), options, logger, ownsLibrary: true);

    /// <summary>Opens the backend of a loaded library or of an in-process provider table.</summary>
    /// <param name="library">The library.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="logger">Gets the backend's log lines.</param>
    /// <param name="ownsLibrary">Whether disposing the backend also disposes the library (also when opening fails).</param>
    /// <exception cref="QnnNotSupportedException">The table lacks <c>backendCreate</c> or <c>backendFree</c>, or an option is not for it.</exception>
    /// <exception cref="QnnCallException">The backend could not start.</exception>
    public static QnnBackend Open(QnnLibrary library, QnnBackendOptions? options = null, ILogger? logger = null, bool ownsLibrary = false)
    {
        options ??= new QnnBackendOptions();
        var driver = new QnnDriver(library.Provider, new QnnLog(logger ?? NullLogger.Instance), library.Name, library);
        QnnHandle? log = null;
        QnnHandle? backend = null;
        try
        {
            using var hold = new HandleHold(library.Handle);
            ref readonly QnnInterface_ImplementationV2_32_t table = ref driver.Table;
            driver.Require(table.backendCreate, "backendCreate");
            driver.Require(table.backendFree, "backendFree");
            log = CreateLog(driver, library, options.LogLevel);
            void* value = null;
            driver.Check(table.backendCreate(log is null ? null : log.Value, null, &value), "backendCreate", library.Name);
            driver.CheckHandle(value, "backendCreate");
            backend = new QnnHandle(driver, QnnHandleKind.Backend, value, log is null ? library.Handle : log);
            QnnDevice device = QnnDevice.Create(driver, backend, options.Device);
            return new QnnBackend(library, ownsLibrary, driver, log, backend, device);
        }
        catch
        {
            backend?.Dispose();
            log?.Dispose();
            if (ownsLibrary)
            {
                library.Dispose();
            }
            throw;
        }
    }

    /// <summary>Opens the first usable backend of a search.</summary>
    /// <exception cref="QnnLoadException">None is usable.</exception>
    /// <exception cref="QnnCallException">It could not start.</exception>
    public static QnnBackend Open(QnnSearchPlaces places, QnnBackendOptions? options = null, ILogger? logger = null) =>
        Open(QnnSearch.Open(places), options, logger, ownsLibrary: true);

    /// <summary>Creates a context on the default device.</summary>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnContext CreateContext(QnnContextOptions? options = null) => Device.CreateContext(options);

    /// <summary>Creates a context on the default device from a context binary.</summary>
    /// <exception cref="QnnCallException">The backend refused the binary.</exception>
    public QnnContext CreateContext(ReadOnlySpan<byte> binary, QnnContextOptions? options = null, QnnProfile? profile = null) =>
        Device.CreateContext(binary, options, profile);

    /// <summary>Creates a further device.</summary>
    /// <exception cref="ArgumentException">There is no device of that number.</exception>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnDevice CreateDevice(QnnDeviceOptions options) => QnnDevice.Create(_driver, _backend, options);

    /// <summary>Creates a profile, to be passed to calls and read afterwards.</summary>
    /// <exception cref="QnnNotSupportedException">The backend does not profile.</exception>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public QnnProfile CreateProfile(QnnProfileLevel level) => QnnProfile.Create(this, level);

    /// <summary>The devices of this platform.</summary>
    /// <exception cref="QnnNotSupportedException">The backend does not say.</exception>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public IReadOnlyList<QnnDeviceInfo> GetPlatformInfo()
    {
        using var hold = new HandleHold(_backend);
        QnnDevice_PlatformInfo_t* platform = QnnDevice.ReadPlatform(_driver);
        try
        {
            return QnnPlatformReader.Read(platform, IsHtp);
        }
        finally
        {
            if (_driver.Table.deviceFreePlatformInfo != null)
            {
                _driver.Table.deviceFreePlatformInfo(null, platform);
            }
        }
    }

    /// <summary>Whether the backend has a capability (<c>QNN_PROPERTY_*</c>); false too if it does not know the key.</summary>
    public bool HasCapability(int property)
    {
        using var hold = new HandleHold(_backend);
        return _driver.Table.propertyHasCapability != null
            && _driver.Table.propertyHasCapability((uint)property) == (ulong)QnnProperty_Error_t.QNN_PROPERTY_SUPPORTED;
    }

    /// <summary>Changes how much the backend logs.</summary>
    /// <exception cref="QnnCallException">The backend refused.</exception>
    public void SetLogLevel(QnnLogLevel level)
    {
        if (_log is not null && _driver.Table.logSetLogLevel != null)
        {
            using var hold = new HandleHold(_log);
            _driver.Check(_driver.Table.logSetLogLevel(_log.Value, (QnnLog_Level_t)level), "logSetLogLevel");
        }
    }

    /// <summary>Frees the backend once no context, device or profile of it is in use.</summary>
    public void Dispose()
    {
        Device.Dispose();
        _backend.Dispose();
        _log?.Dispose();
        if (_ownsLibrary)
        {
            Library.Dispose();
        }
    }

    // A backend without a log is still a backend: then errors have no log lines.
    static QnnHandle? CreateLog(QnnDriver driver, QnnLibrary library, QnnLogLevel level)
    {
        ref readonly QnnInterface_ImplementationV2_32_t table = ref driver.Table;
        if (table.logCreate == null || table.logFree == null)
        {
            return null;
        }
        int slot = QnnLogCallbacks.Bind(driver.Log, out var callback);
        void* value = null;
        ulong status = table.logCreate(callback, (QnnLog_Level_t)level, &value);
        if (status != QnnApi.QNN_SUCCESS || value == null)
        {
            QnnLogCallbacks.Unbind(slot, driver.Log);
            driver.Log.Logger.LogWarning("The backend {Name} gives no log: {Status}", library.Name, QnnStatus.FromCode(status));
            return null;
        }
        return new QnnHandle(driver, QnnHandleKind.Log, value, library.Handle, slot);
    }

    string ReadBuildId()
    {
        sbyte* id = null;
        return _driver.Table.backendGetBuildId != null && _driver.Table.backendGetBuildId(&id) == QnnApi.QNN_SUCCESS
            ? NativeText.Read(id)
            : "";
    }
}
