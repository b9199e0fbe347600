using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>The system interface (<c>libQnnSystem</c>): reads what is in a context binary, without a device.</summary>
public sealed unsafe class QnnSystem : IDisposable
{
    // Create, getBinaryInfo, getMetaData and free: the same first slots in every version 1.
    const int UsedSlots = 4;

    readonly QnnSystemInterface_ImplementationV1_7_t _table;
    readonly OwnedHandle? _library;
    readonly string _name;

    QnnSystem(QnnSystemInterface_t* provider, string name, OwnedHandle? library)
    {
        _name = name;
        _library = library;
        ApiVersion = QnnApiVersion.From(provider->systemApiVersion);
        fixed (void* table = &_table)
        {
            Unsafe.CopyBlockUnaligned(table, &provider->Anonymous, UsedSlots * (uint)sizeof(nint));
        }
    }

    /// <summary>Version of the system API.</summary>
    public QnnApiVersion ApiVersion { get; }

    /// <summary>Loads a system library.</summary>
    /// <exception cref="QnnLoadException">It is missing, no library, no QNN system library, or of an unsuitable version.</exception>
    public static QnnSystem Load(string path)
    {
        LoadedFile file = LoadedFile.Open(path);
        try
        {
            var getProviders = (delegate* unmanaged[Cdecl]<QnnSystemInterface_t***, uint*, ulong>)file.Export("QnnSystemInterface_getProviders");
            QnnSystemInterface_t** providers = null;
            uint count = 0;
            ulong status = getProviders(&providers, &count);
            if (status != QnnApi.QNN_SUCCESS)
            {
                throw new QnnLoadException(QnnLoadFailure.NoProviders, path,
                    $"'{path}': QnnSystemInterface_getProviders failed: {QnnStatus.FromCode(status)}.");
            }
            return new QnnSystem(Choose(providers, count, path), Path.GetFileName(path), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    internal static QnnSystem FromProviderTable(QnnSystemInterface_t** providers, uint count, string name) =>
        new(Choose(providers, count, name), name, library: null);

    internal static QnnSystem LoadBeside(QnnLibrary backend)
    {
        string name = OperatingSystem.IsWindows() ? "QnnSystem.dll" : "libQnnSystem.so";
        if (backend.Handle is null)
        {
            throw new QnnLoadException(QnnLoadFailure.NothingFound, backend.Name, $"The in-process backend '{backend.Name}' has no system interface.");
        }
        if (backend.FilePath is null)
        {
            return Load(name);
        }
        string beside = Path.Combine(Path.GetDirectoryName(backend.FilePath)!, name);
        // A backend may carry its system interface in the same library.
        bool isInside = !File.Exists(beside) && NativeLibrary.TryGetExport(backend.Handle.DangerousGetHandle(), "QnnSystemInterface_getProviders", out _);
        return Load(isInside ? backend.FilePath : beside);
    }

    /// <summary>Reads what a context binary holds.</summary>
    /// <exception cref="QnnCallException">The binary is damaged or none.</exception>
    /// <exception cref="QnnException">The binary says things that cannot be.</exception>
    /// <exception cref="QnnNotSupportedException">The system library lacks the function.</exception>
    public QnnBinaryInfo ReadBinary(ReadOnlySpan<byte> binary)
    {
        using var hold = new HandleHold(_library);
        if (_table.systemContextCreate == null || _table.systemContextFree == null
            || (_table.systemContextGetMetaData == null && _table.systemContextGetBinaryInfo == null))
        {
            throw new QnnNotSupportedException($"The system library '{_name}' ({ApiVersion}) cannot read context binaries.");
        }
        void* context = null;
        Check(_table.systemContextCreate(&context), "systemContextCreate");
        try
        {
            fixed (byte* source = binary)
            {
                QnnSystemContext_BinaryInfo_t* info = null;
                if (_table.systemContextGetMetaData != null)
                {
                    Check(_table.systemContextGetMetaData(context, source, (ulong)binary.Length, &info), "systemContextGetMetaData");
                }
                else
                {
                    ulong infoBytes = 0;
                    Check(_table.systemContextGetBinaryInfo(context, source, (ulong)binary.Length, &info, &infoBytes),
                        "systemContextGetBinaryInfo");
                }
                return info == null
                    ? throw new QnnException($"The system library '{_name}' found nothing in the context binary.")
                    : Read(info);
            }
        }
        finally
        {
            _table.systemContextFree(context);
        }
    }

    /// <summary>Unloads the library.</summary>
    public void Dispose() => _library?.Dispose();

    static QnnSystemInterface_t* Choose(QnnSystemInterface_t** providers, uint count, string library)
    {
        QnnSystemInterface_t* best = null;
        var versions = new List<QnnApiVersion>();
        for (uint i = 0; i < count && providers != null; i++)
        {
            if (providers[i] == null)
            {
                continue;
            }
            var version = QnnApiVersion.From(providers[i]->systemApiVersion);
            versions.Add(version);
            if (version.Major == QnnApi.QNN_SYSTEM_API_VERSION_MAJOR
                && (best == null || version > QnnApiVersion.From(best->systemApiVersion)))
            {
                best = providers[i];
            }
        }
        if (best == null)
        {
            throw versions.Count == 0
                ? new QnnLoadException(QnnLoadFailure.NoProviders, library, $"'{library}' offers no system interface provider.")
                : new QnnLoadException(QnnLoadFailure.UnsuitableVersion, library,
                    $"'{library}' has system API {string.Join(" and ", versions)}; needed is {QnnApi.QNN_SYSTEM_API_VERSION_MAJOR}.x.");
        }
        return best;
    }

    static QnnBinaryInfo Read(QnnSystemContext_BinaryInfo_t* info)
    {
        switch (info->version)
        {
            case QnnSystemContext_BinaryInfoVersion_t.QNN_SYSTEM_CONTEXT_BINARY_INFO_VERSION_1:
                QnnSystemContext_BinaryInfoV1_t* v1 = &info->Anonymous.contextBinaryInfoV1;
                return new QnnBinaryInfo(v1->backendId, NativeText.Read(v1->buildId), QnnApiVersion.From(v1->coreApiVersion),
                    QnnApiVersion.From(v1->backendApiVersion), QnnApiVersion.From(v1->contextBlobVersion), NativeText.Read(v1->socVersion),
                    SocModel: 0, ReadGraphs(v1->graphs, v1->numGraphs));
            case QnnSystemContext_BinaryInfoVersion_t.QNN_SYSTEM_CONTEXT_BINARY_INFO_VERSION_2:
                QnnSystemContext_BinaryInfoV2_t* v2 = &info->Anonymous.contextBinaryInfoV2;
                return new QnnBinaryInfo(v2->backendId, NativeText.Read(v2->buildId), QnnApiVersion.From(v2->coreApiVersion),
                    QnnApiVersion.From(v2->backendApiVersion), QnnApiVersion.From(v2->contextBlobVersion), NativeText.Read(v2->socVersion),
                    SocModel: 0, ReadGraphs(v2->graphs, v2->numGraphs));
            case QnnSystemContext_BinaryInfoVersion_t.QNN_SYSTEM_CONTEXT_BINARY_INFO_VERSION_3:
                QnnSystemContext_BinaryInfoV3_t* v3 = &info->Anonymous.contextBinaryInfoV3;
                return new QnnBinaryInfo(v3->backendId, NativeText.Read(v3->buildId), QnnApiVersion.From(v3->coreApiVersion),
                    QnnApiVersion.From(v3->backendApiVersion), QnnApiVersion.From(v3->contextBlobVersion), NativeText.Read(v3->socVersion),
                    v3->socModel, ReadGraphs(v3->graphs, v3->numGraphs));
            default:
                throw new QnnException($"The context binary's description has version {(uint)info->version}; known are 1 to 3.");
        }
    }

    static QnnBinaryGraph[] ReadGraphs(QnnSystemContext_GraphInfo_t* graphs, uint count)
    {
        var result = new QnnBinaryGraph[graphs == null ? 0 : count];
        for (int i = 0; i < result.Length; i++)
        {
            // Later versions of the description append to the first, which has all that is read here.
            bool isKnown = graphs[i].version is QnnSystemContext_GraphInfoVersion_t.QNN_SYSTEM_CONTEXT_GRAPH_INFO_VERSION_1
                or QnnSystemContext_GraphInfoVersion_t.QNN_SYSTEM_CONTEXT_GRAPH_INFO_VERSION_2
                or QnnSystemContext_GraphInfoVersion_t.QNN_SYSTEM_CONTEXT_GRAPH_INFO_VERSION_3;
            if (!isKnown)
            {
                throw new QnnException($"A graph's description in the context binary has version {(uint)graphs[i].version}; known are 1 to 3.");
            }
            QnnSystemContext_GraphInfoV1_t* graph = &graphs[i].Anonymous.graphInfoV1;
            result[i] = new QnnBinaryGraph(NativeText.Read(graph->graphName),
                ReadTensors(graph->graphInputs, graph->numGraphInputs), ReadTensors(graph->graphOutputs, graph->numGraphOutputs));
        }
        return result;
    }

    static QnnTensor[] ReadTensors(Qnn_Tensor_t* tensors, uint count)
    {
        var result = new QnnTensor[tensors == null ? 0 : count];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = QnnTensor.Read(&tensors[i]);
        }
        return result;
    }

    static void Check(ulong status, string call)
    {
        if (status != QnnApi.QNN_SUCCESS)
        {
            throw new QnnCallException(call, subject: null, status, []);
        }
    }
}
