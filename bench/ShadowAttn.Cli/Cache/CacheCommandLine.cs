using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Graphs;
using Spectre.Console;

namespace ShadowAttn.Cli.Cache;

/// <summary>The command <c>cache</c>: prepared contexts on disk, listed, checked and removed.</summary>
internal sealed class CacheCommandLine
{
    private readonly Option<string?> _folder = OptionParsing.Parsed(
        "--cache", "DIR", $"{ContextCache.FolderVariable}, else shadowattn/contexts in the user's cache folder", "Folder of the cache", ParseFolder);

    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly CommandConsole _console;

    private CacheCommandLine(CommandConsole console) => _console = console;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        var line = new CacheCommandLine(console);
        return new Command("cache", "The contexts that commands keep prepared on disk")
        {
            line.Subcommand("list", "List the entries: their file, backend, chip and graphs", line.List),
            line.Subcommand("clear", "Remove all entries", line.Clear),
            line.Subcommand("verify", "Read every entry and check it; exit code 1 when one is broken", line.Verify),
        };
    }

    private static string? ParseFolder(string option, string text) => string.IsNullOrWhiteSpace(text)
        ? throw new InputException($"{option}: is empty; it must be a folder")
        : text;

    private Command Subcommand(string name, string description, Func<ContextCache, bool, int> run)
    {
        var command = new Command(name, description) { _folder, _json };
        command.SetAction(result => run(Open(result.GetValue(_folder) ?? ContextCache.DefaultFolder), result.GetValue(_json)));
        return command;
    }

    private static ContextCache Open(string folder) => File.Exists(folder)
        ? throw new InputException($"--cache: {folder} is a file; it must be a folder")
        : new ContextCache(folder);

    private static IReadOnlyList<ContextCacheEntry> Read(ContextCache cache)
    {
        try
        {
            return cache.List();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"--cache: {cache.Folder}: cannot be read: {e.Message}", e);
        }
    }

    private int List(ContextCache cache, bool json)
    {
        CacheEntryReport[] entries = [.. Read(cache).Select(CacheEntryReport.From)];
        var report = new CacheListReport(cache.Folder, entries.Sum(e => e.Bytes), entries);
        if (json)
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(report, CacheJson.CreateReadable().CacheListReport));
            return EntryPoint.Success;
        }

        Say(string.Create(CultureInfo.InvariantCulture, $"{report.Folder}: {entries.Length} entries, {report.Bytes:N0} bytes"));
        if (entries.Length > 0)
        {
            Table table = new Table().Border(TableBorder.Simple);
            foreach (string column in new[] { "entry", "bytes", "last used (UTC)", "backend", "chip", "graphs" })
            {
                table.AddColumn(new TableColumn(new Text(column)));
            }

            foreach (CacheEntryReport entry in entries)
            {
                table.AddRow(
                    new Text(Path.GetFileName(entry.File)),
                    new Text(entry.Bytes.ToString("N0", CultureInfo.InvariantCulture)),
                    new Text(entry.LastUsed.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)),
                    new Text(entry.Problem is { } problem ? $"broken: {problem}" : $"{entry.Provider} {entry.Build}"),
                    new Text(entry.Chip ?? string.Empty),
                    new Text(string.Join(", ", entry.Graphs)));
            }

            _console.Ansi.Write(table);
        }

        return EntryPoint.Success;
    }

    private int Clear(ContextCache cache, bool json)
    {
        Read(cache);
        int removed = cache.Clear();
        var report = new CacheClearReport(cache.Folder, removed, [.. Read(cache).Select(e => e.Path)]);
        if (json)
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(report, CacheJson.CreateReadable().CacheClearReport));
        }
        else
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"{report.Folder}: {removed} entries removed"));
            foreach (string file in report.Left)
            {
                Say($"{file}: cannot be removed");
            }
        }

        return report.Left.Count == 0 ? EntryPoint.Success : EntryPoint.CheckFailed;
    }

    private int Verify(ContextCache cache, bool json)
    {
        IReadOnlyList<ContextCacheEntry> entries = Read(cache);
        CacheProblemReport[] broken = [.. entries.Where(e => e.Problem is not null).Select(e => new CacheProblemReport(e.Path, e.Problem!))];
        var report = new CacheVerifyReport(cache.Folder, entries.Count, broken);
        if (json)
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(report, CacheJson.CreateReadable().CacheVerifyReport));
        }
        else
        {
            foreach (CacheProblemReport problem in broken)
            {
                Say($"{problem.File}: {problem.Problem}");
            }

            Say(string.Create(CultureInfo.InvariantCulture, $"{report.Folder}: {report.Entries} entries, {broken.Length} broken"));
        }

        return broken.Length == 0 ? EntryPoint.Success : EntryPoint.CheckFailed;
    }

    private void Say(string line) => _console.Output.WriteLine(InputException.OneLine(line));
}
