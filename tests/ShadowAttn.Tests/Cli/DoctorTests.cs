using System.Text.Json;
using ShadowAttn.Cli.Doctor;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public class DoctorTests
{
    [Fact]
    public void Json_has_what_the_machine_has()
    {
        CommandRun run = CommandRun.Of("doctor", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement root = json.RootElement;
        Assert.Equal(InstructionSets.Name(InstructionSets.Active), root.GetProperty("isa").GetProperty("active").GetString());
        Assert.Equal(
            InstructionSets.Supported.Select(InstructionSets.Name),
            root.GetProperty("isa").GetProperty("supported").EnumerateArray().Select(e => e.GetString()));
        Assert.Equal(Environment.ProcessorCount, root.GetProperty("processors").GetInt32());
        Assert.Equal(
            ["heap", "huge-pages", "memfd", "rpcmem", "dma-buf"],
            root.GetProperty("memory").EnumerateArray().Select(e => e.GetProperty("kind").GetString()));
        Assert.True(root.GetProperty("memory")[0].GetProperty("available").GetBoolean());
        Assert.Equal(QnnApiVersion.Bindings.ToString(), root.GetProperty("qnn").GetProperty("api_version").GetString());
        Assert.True(root.GetProperty("qnn").GetProperty("built_in").GetProperty("usable").GetBoolean());
        Assert.NotEmpty(root.GetProperty("qnn").GetProperty("built_in").GetProperty("build").GetString()!);
        Assert.Equal(ContextCache.DefaultFolder, root.GetProperty("cache").GetProperty("folder").GetString());
        Assert.NotEmpty(root.GetProperty("qnn").GetProperty("search").EnumerateArray());
    }

    [Fact]
    public void Text_has_no_escapes_and_no_folded_rows_when_piped()
    {
        CommandRun run = CommandRun.Of("doctor");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.DoesNotContain('\u001b', run.Output);
        string[] lines = run.Output.Split('\n', StringSplitOptions.TrimEntries);
        Assert.Contains(lines, l => l.StartsWith("instruction sets", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("built in: soft", StringComparison.Ordinal) && l.Contains("yes", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("rpcmem", StringComparison.Ordinal));
    }

    [Fact]
    public void Places_without_a_backend_say_why()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("libQnnHtp.so", "no library"u8);
        DoctorReport report = DoctorProbe.Probe(new QnnSearchPlaces
        {
            VariablePath = null,
            ApplicationFolder = folder.Path,
            SdkRoot = null,
            AskSystem = false,
            LibraryName = "libQnnHtp.so",
        });
        Assert.Equal(["application", "application"], report.Qnn.Search.Select(s => s.Source));
        Assert.Equal(text, report.Qnn.Search[0].Path);
        Assert.Contains("could not be loaded", report.Qnn.Search[0].Detail, StringComparison.Ordinal);
        Assert.Equal("there is no such file", report.Qnn.Search[1].Detail);
        Assert.All(report.Qnn.Search, s => Assert.False(s.Usable));
    }
}
