using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Doctor;

/// <summary>Finds out what this machine has.</summary>
internal static class DoctorProbe
{
    /// <summary>Looks at everything.</summary>
    /// <param name="places">Where to look for QNN backends.</param>
    public static DoctorReport Probe(QnnSearchPlaces places) => new(
        Version(),
        new SystemReport(RuntimeInformation.OSDescription, RuntimeInformation.ProcessArchitecture.ToString(), RuntimeInformation.FrameworkDescription),
        Environment.ProcessorCount,
        new IsaReport(
            InstructionSets.Name(InstructionSets.Active),
            [.. InstructionSets.Supported.Select(InstructionSets.Name)],
            InstructionSets.Validate()),
        [.. Enum.GetValues<BufferKind>().Select(ProbeMemory)],
        new QnnReport(
            QnnApiVersion.Bindings.ToString(),
            QnnApiVersion.Oldest.ToString(),
            places.SdkRoot,
            ProbeBuiltIn(),
            [.. QnnSearch.Probe(places).Select(ProbeBackend)]),
        ProbeCache(ContextCache.DefaultFolder));

    private static string Version()
    {
        string text = typeof(DoctorProbe).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        int plus = text.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? text : text[..plus];
    }

    private static MemoryReport ProbeMemory(BufferKind kind)
    {
        bool available = UnmanagedBuffer.IsAvailable(kind, out string detail);
        string name = kind switch
        {
            BufferKind.Heap => "heap",
            BufferKind.HugePages => "huge-pages",
            BufferKind.MemFd => "memfd",
            BufferKind.RpcMem => "rpcmem",
            BufferKind.DmaBufHeap => "dma-buf",
            _ => kind.ToString(),
        };
        return new MemoryReport(name, available, detail);
    }

    private static BackendReport ProbeBuiltIn()
    {
        const string source = "built in";
        try
        {
            using BackendHost host = BackendHost.Open(new BackendOptions(), threads: 1, NullLogger.Instance, verbose: false);
            QnnBackend backend = host.Backend;
            return new BackendReport(source, BackendOptions.BuiltIn, true,
                $"{backend.ProviderName} with core API {backend.ApiVersion}, backend API {backend.BackendApiVersion}",
                backend.ApiVersion.ToString(), backend.BuildId, Chip(backend));
        }
        catch (Exception e) when (e is InputException or QnnException)
        {
            return new BackendReport(source, BackendOptions.BuiltIn, false, InputException.OneLine(e.Message), null, null, null);
        }
    }

    private static CacheReport ProbeCache(string folder)
    {
        try
        {
            IReadOnlyList<ContextCacheEntry> entries = new ContextCache(folder).List();
            List<ContextCacheEntry> whole = [.. entries.Where(e => e.Problem is null)];
            return new CacheReport(folder, whole.Count, whole.Sum(e => e.Bytes),
                [.. entries.Where(e => e.Problem is not null).Select(e => InputException.OneLine($"{e.Path}: {e.Problem}"))]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new CacheReport(folder, 0, 0, [InputException.OneLine(e.Message)]);
        }
    }

    private static BackendReport ProbeBackend(QnnSearchResult result)
    {
        string source = result.Candidate.Source switch
        {
            QnnSearchSource.Explicit => "path",
            QnnSearchSource.EnvironmentVariable => QnnSearchPlaces.BackendVariable,
            QnnSearchSource.Application => "application",
            QnnSearchSource.Sdk => QnnSearchPlaces.SdkVariable,
            _ => "system",
        };
        string? build = null;
        string? chip = null;
        bool isMissing = result.Candidate.Source != QnnSearchSource.System && !Path.Exists(result.Candidate.Path);
        string detail = isMissing ? "there is no such file" : InputException.OneLine(result.Detail);
        if (result.Usable)
        {
            try
            {
                using QnnBackend backend = QnnBackend.Open(result.Candidate.Path);
                build = backend.BuildId;
                chip = Chip(backend);
            }
            catch (QnnException e)
            {
                return new BackendReport(source, result.Candidate.Path, false, InputException.OneLine($"{detail}, but it does not start: {e.Message}"),
                    result.Info?.CoreApiVersion.ToString(), null, null);
            }
        }

        return new BackendReport(source, result.Candidate.Path, result.Usable, detail, result.Info?.CoreApiVersion.ToString(), build, chip);
    }

    private static string? Chip(QnnBackend backend) => ContextIdentity.Of(backend).Soc is { Length: > 0 } chip ? chip : null;
}
