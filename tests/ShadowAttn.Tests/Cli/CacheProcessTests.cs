using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>Processes that start together on one empty cache folder.</summary>
[Collection("HTP simulator")]
public sealed class CacheProcessTests : IDisposable
{
    private const int Processes = 10;

    /// <summary>Graphs of the trace below: its first block of queries sees 756 keys, its last 800; padded, 768 and 896.</summary>
    private const int Graphs = 2;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Ten_processes_share_a_cache_of_the_simulators_contexts()
    {
        HtpSimulator.SkipUnlessThere();
        StartTogether(HtpSimulator.LibraryPath!);
    }

    [Fact]
    public void Ten_processes_share_a_cache_of_the_built_in_backends_contexts()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "ten emulated processes take minutes");
        StartTogether("soft");
    }

    private void StartTogether(string backend)
    {
        var random = new Random(7);
        string trace = _folder.Write(
            "trace.safetensors",
            TraceBytes.Trace([2, 300, 32], [1, 800, 32], [1, 800, 32], "\"causal\":\"true\"", data => Array.ForEach(
                Enumerable.Range(0, data.Length).ToArray(), i => data[i] = (float)((random.NextDouble() * 2) - 1))));
        string cache = _folder.File("cache");
        string[] outputs = [.. Enumerable.Range(0, Processes).Select(i => _folder.File($"o{i}.safetensors"))];
        CommandProcess[] processes =
        [
            .. outputs.Select(output => CommandProcess.Start(
                null, "run", "--input", trace, "--backend", backend, "--cache", cache, "--threads", "1", "--repeat", "1", "--json", "--output", output)),
        ];
        CommandRun[] runs;
        try
        {
            runs = [.. processes.Select(p => p.Wait())];
        }
        finally
        {
            Array.ForEach(processes, p => p.Dispose());
        }

        int fromCache = 0;
        foreach (CommandRun run in runs)
        {
            Assert.True(run.ExitCode == EntryPoint.Success, run.Error);
            using JsonDocument json = JsonDocument.Parse(run.Output);
            JsonElement preparation = json.RootElement.GetProperty("graph_preparation");
            int composed = preparation.GetProperty("composed").GetInt32();
            int cached = preparation.GetProperty("from_cache").GetInt32();
            Assert.InRange(composed, 0, Graphs);
            Assert.Equal(Graphs, composed + cached);
            fromCache += cached;
        }

        Assert.InRange(fromCache, 1, (Processes - 1) * Graphs);
        byte[] expected = File.ReadAllBytes(outputs[0]);
        Assert.All(outputs, output => Assert.Equal(expected, File.ReadAllBytes(output)));
        CommandRun verify = CommandRun.Of("cache", "verify", "--cache", cache);
        Assert.Equal((EntryPoint.Success, ""), (verify.ExitCode, verify.Error));
        Assert.Contains("1 entries, 0 broken", verify.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(cache, "*.tmp"));
    }
}
