using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Prepare;

/// <summary>Finalises pilot graphs for another chip than the one at hand, as entries of a context cache.</summary>
internal static class PrepareCommand
{
    /// <summary>Said wherever a user meets prepared entries.</summary>
    public const string Unverified = "Whether entries prepared on a PC run on a device has not been verified on hardware.";

    /// <summary>Prepares an entry per shape and reports on them.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="console">Where the report goes.</param>
    /// <exception cref="InputException">The folder cannot be written, or the backend is no HTP backend.</exception>
    /// <exception cref="QnnException">The backend refuses the chip or a graph.</exception>
    public static void Execute(PrepareOptions options, CommandConsole console)
    {
        var logger = new LineLogger(console.Error, options.Verbose);
        using QnnBackend backend = Open(options, options.Verbose ? logger : NullLogger.Instance);
        CheckFolder(options.OutputFolder);

        // No limit: the limit is that of the cache on the device.
        var cache = new ContextCache(options.OutputFolder, long.MaxValue, logger);
        var pilot = new PilotOptions { Cache = cache, Graph = options.Graph, Logger = logger };
        var entries = new PrepareEntryReport[options.Shapes.Count];
        using (ProgressReporter progress = console.StartProgress())
        {
            for (int i = 0; i < entries.Length; i++)
            {
                progress.Report("preparing", i, entries.Length);
                entries[i] = Prepare(options.Shapes[i], backend, pilot, options.Chip);
            }
        }

        HtpChip chip = options.Chip;
        Write(options.Json, console, new PrepareReport(
            new PrepareBackendReport(backend.ProviderName, backend.ApiVersion.ToString(), backend.BuildId),
            new PrepareTargetReport(chip.SocModel, chip.Name, chip.Arch.ToString(), chip.VtcmMegabytes, ContextIdentity.Of(backend).Soc),
            cache.Folder, entries, VerifiedOnHardware: false));
    }

    private static QnnBackend Open(PrepareOptions options, ILogger logger)
    {
        HtpChip chip = options.Chip;
        QnnLibrary library = options.BackendPath is { } path ? QnnLibrary.Load(path) : QnnSearch.Open(new QnnSearchPlaces());
        var backend = new QnnBackendOptions
        {
            LogLevel = QnnLogLevel.Warn,
            Device = new QnnDeviceOptions { SocModel = chip.SocModel, Arch = chip.Arch, VtcmMegabytes = chip.VtcmMegabytes },
        };
        try
        {
            return QnnBackend.Open(library, backend, logger, ownsLibrary: true);
        }
        catch (QnnCallException e) when (e.Call == "deviceCreate")
        {
            throw new InputException($"--soc, --arch: {library.Name} does not know SoC {chip.SocModel} of HTP {chip.Arch.ToString().ToLowerInvariant()}: {e.Message}", e);
        }
    }

    /// <summary>One entry, as a process that starts with this call asks for it: a set of its own, since a set asks only for what it lacks.</summary>
    private static PrepareEntryReport Prepare(PilotShape shape, QnnBackend backend, PilotOptions options, HtpChip chip)
    {
        using var set = new PilotGraphSet(backend, options);
        PilotGraphSpec[] specs = shape.UniversalSpecs();
        string description = set.Describe(specs);
        string path = options.Cache!.EntryPath(description);
        PilotGraph[] graphs = set.Get(specs);
        ReadOnlyMemory<byte> binary = options.Cache.TryRead(description)
            ?? throw new QnnException($"{path}: was not written: the backend gave no context binary, or the disk is full");
        CheckTarget(backend, binary.Span, path, chip);
        return new PrepareEntryReport(
            [shape.Heads, shape.KvHeads, shape.Queries, shape.Keys, shape.Dim], shape.Causal, path, new FileInfo(path).Length,
            [.. graphs.Select(g => g.Spec.Name).Distinct()], set.Preparation.Composed > 0, set.Preparation.Milliseconds);
    }

    /// <summary>Backends have been seen to take a chip's description and to prepare for another chip nevertheless; the binary says for which.</summary>
    private static void CheckTarget(QnnBackend backend, ReadOnlySpan<byte> binary, string path, HtpChip chip)
    {
        uint soc = backend.Library.SystemLibrary.ReadBinary(binary).SocModel;
        if (soc != chip.SocModel && soc != 0)
        {
            File.Delete(path);
            throw new QnnException($"{backend.Name} was asked to prepare for SoC {chip.SocModel} and prepared for SoC {soc}; nothing is kept");
        }
    }

    private static void CheckFolder(string folder)
    {
        if (File.Exists(folder))
        {
            throw new InputException($"--output: {folder} is a file; it must be a folder");
        }

        try
        {
            Directory.CreateDirectory(folder);
            using var probe = new FileStream(
                Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"--output: {folder}: cannot be written: {e.Message}", e);
        }
    }

    private static void Write(bool json, CommandConsole console, PrepareReport report)
    {
        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, PrepareJson.CreateReadable().PrepareReport));
            return;
        }

        PrepareTargetReport target = report.Target;
        console.Output.WriteLine($"backend  {report.Backend.Name}, core API {report.Backend.ApiVersion}, build {report.Backend.Build}");
        console.Output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"target   SoC {target.Soc} ({target.Name}), HTP {target.Arch}, {target.VtcmMb} MB VTCM"));
        foreach (PrepareEntryReport entry in report.Entries)
        {
            string causal = entry.Causal ? "causal" : "not causal";
            string state = entry.Written ? string.Create(CultureInfo.InvariantCulture, $"written in {entry.Ms:F0} ms") : "already there";
            console.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"shape    {string.Join(',', entry.Shape)}, {causal}: {entry.Graphs.Count} graphs, {entry.Bytes:N0} bytes, {state}: {entry.File}"));
        }

        long bytes = report.Entries.DistinctBy(e => e.File).Sum(e => e.Bytes);
        console.Output.WriteLine(
            $"Copy {report.Folder} to the device and name it there: shadowattn run --cache FOLDER, or {ContextCache.FolderVariable}. The device must be of "
            + $"the target's kind and its backend of build {report.Backend.Build}; else the entries are left alone and graphs are prepared anew. {Unverified}");
        if (bytes > ContextCache.DefaultMaxBytes)
        {
            console.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"note: {bytes:N0} bytes are more than a cache keeps by default ({ContextCache.DefaultMaxBytes:N0}); prepare fewer shapes"));
        }
    }
}
