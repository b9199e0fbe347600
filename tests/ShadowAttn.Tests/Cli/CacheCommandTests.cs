using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class CacheCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void List_shows_backend_chip_and_graphs()
    {
        Fill(out _, out _);
        CommandRun text = CommandRun.Of("cache", "list", "--cache", _folder.Path);
        Assert.Equal((EntryPoint.Success, ""), (text.ExitCode, text.Error));
        Assert.Contains($"{_folder.Path}: 2 entries", text.Output, StringComparison.Ordinal);
        Assert.Contains("HTP_QTI_AISW v9.1", text.Output, StringComparison.Ordinal);
        Assert.Contains("soc 57 arch V75 vtcm 8", text.Output, StringComparison.Ordinal);

        using JsonDocument json = JsonDocument.Parse(CommandRun.Of("cache", "list", "--cache", _folder.Path, "--json").Output);
        JsonElement[] entries = [.. json.RootElement.GetProperty("entries").EnumerateArray()];
        Assert.Equal(2, entries.Length);
        Assert.Equal(entries.Sum(e => e.GetProperty("bytes").GetInt64()), json.RootElement.GetProperty("bytes").GetInt64());
        Assert.Contains(entries, e => e.GetProperty("graphs").GetArrayLength() == 2);
        Assert.All(entries, e => Assert.Equal(JsonValueKind.Null, e.GetProperty("problem").ValueKind));
        Assert.All(entries, e => Assert.Equal("v9.1", e.GetProperty("build").GetString()));
    }

    [Fact]
    public void Verify_names_what_is_broken()
    {
        Fill(out string first, out string second);
        CommandRun good = CommandRun.Of("cache", "verify", "--cache", _folder.Path);
        Assert.Equal((EntryPoint.Success, ""), (good.ExitCode, good.Error));
        Assert.Contains("2 entries, 0 broken", good.Output, StringComparison.Ordinal);

        byte[] bytes = File.ReadAllBytes(first);
        bytes[^1] ^= 1;
        File.WriteAllBytes(first, bytes);
        CommandRun flipped = CommandRun.Of("cache", "verify", "--cache", _folder.Path);
        Assert.Equal((EntryPoint.CheckFailed, ""), (flipped.ExitCode, flipped.Error));
        Assert.Contains($"{first}: checksum does not fit", flipped.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(second, flipped.Output, StringComparison.Ordinal);

        File.Move(second, _folder.File("0123.qnnctx"));
        CommandRun both = CommandRun.Of("cache", "verify", "--cache", _folder.Path, "--json");
        Assert.Equal(EntryPoint.CheckFailed, both.ExitCode);
        using JsonDocument json = JsonDocument.Parse(both.Output);
        Assert.Equal(2, json.RootElement.GetProperty("entries").GetInt32());
        Assert.Equal(
            new[] { first, _folder.File("0123.qnnctx") }.Order(),
            json.RootElement.GetProperty("broken").EnumerateArray().Select(e => e.GetProperty("file").GetString()!).Order());
        Assert.Contains("broken: ", CommandRun.Of("cache", "list", "--cache", _folder.Path).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Clear_removes_entries_and_nothing_else()
    {
        Fill(out _, out _);
        string other = _folder.Write("mine.txt", [1]);
        CommandRun run = CommandRun.Of("cache", "clear", "--cache", _folder.Path, "--json");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal(2, json.RootElement.GetProperty("removed").GetInt32());
        Assert.True(File.Exists(other));
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.qnnctx"));
        Assert.Contains("0 entries removed", CommandRun.Of("cache", "clear", "--cache", _folder.Path).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_an_empty_cache()
    {
        string missing = _folder.File("none");
        Assert.Contains("0 entries", CommandRun.Of("cache", "list", "--cache", missing).Output, StringComparison.Ordinal);
        Assert.Equal(0, CommandRun.Of("cache", "verify", "--cache", missing).ExitCode);
        Assert.Equal(0, CommandRun.Of("cache", "clear", "--cache", missing).ExitCode);
        Assert.False(Directory.Exists(missing));
    }

    [Fact]
    public void Bad_usage_is_one_line()
    {
        string file = _folder.Write("file", [1]);
        CommandRun.Of("cache", "list", "--cache", file).AssertBadInput("--cache: ", file, "is a file");
        CommandRun.Of("cache", "verify", "--cache", "").AssertBadInput("--cache: is empty", "shadowattn cache verify --help");
        CommandRun.Of("cache", "clear", "all").AssertBadInput("cache clear has no option or argument 'all'");
        CommandRun.Of("cache").AssertBadInput("shadowattn cache --help");
    }

    private void Fill(out string first, out string second)
    {
        var cache = new ContextCache(_folder.Path);
        var identity = new ContextIdentity(
            "HTP_QTI_AISW", "v9.1", new QnnApiVersion(2, 40, 0), new QnnApiVersion(5, 51, 0), ContextIdentity.DescribeSoc(57, QnnHtpArch.V75, 8));
        PilotGraphSpec[] specs = [PilotGraphSpec.Universal(32, 64, 64, 6), PilotGraphSpec.Universal(32, 128, 64, 6)];
        string one = identity.Describe(specs[..1], new PilotOptions());
        string two = identity.Describe(specs, new PilotOptions());
        Assert.True(cache.Write(one, new byte[100]) && cache.Write(two, new byte[200]));
        first = cache.EntryPath(one);
        second = cache.EntryPath(two);
    }
}
