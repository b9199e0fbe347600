using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Conformance;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Cli.Conformance;

/// <summary>The command and its report, on the two backends that are right.</summary>
[Collection(ConformanceCollection.Name)]
public class ConformanceTests(ITestOutputHelper output)
{
    [Fact]
    public void The_built_in_backend_passes_all_checks()
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 2 });
        using QnnLibrary library = soft.CreateLibrary();
        ConformanceReport report = Run(library);
        Assert.All(report.Checks, check => Assert.True(
            check.Result == CheckResult.Pass || (check.Area == "optional" && check.Result == CheckResult.NotSupported), Text(check)));
        Assert.All(report.Checks, check => Assert.Null(check.KnownDifference));
        Assert.True(soft.LiveHandles.Total == 0, $"handles left: {soft.LiveHandles}");
    }

    // In a process of its own: once a process has asked the simulator for another chip, it validates for that chip and composes for its own.
    [Fact]
    public void The_simulator_passes_with_known_differences()
    {
        HtpSimulator.SkipUnlessThere();
        using CommandProcess process = CommandProcess.Start(null, "conformance", "--backend", HtpSimulator.LibraryPath!, "--json");
        CommandRun run = process.Wait();
        JsonElement[] checks = [.. JsonDocument.Parse(run.Output).RootElement.GetProperty("checks").EnumerateArray()];
        Assert.Equal("", string.Join("; ", checks.Where(check => Field(check, "result") == "fail")
            .Select(check => $"{Field(check, "area")}/{Field(check, "name")}: {Field(check, "detail")}")));
        Assert.Equal(EntryPoint.Success, run.ExitCode);
        Assert.Equal(ConformanceSuite.Areas, checks.Select(check => Field(check, "area")).Distinct());
        Assert.Equal(checks.Length, checks.Select(check => (Field(check, "area"), Field(check, "name"))).Distinct().Count());
        Assert.Equal(
            [
                "binary/64 bytes flipped: pass", "capability/shared memory as announced: pass", "capability/signals as announced: pass",
                "execute/buffers that are too small: not supported",
                "graph/refuses nodes of unknown operators and tensors: pass", "graph/refuses to add what it does not validate: pass",
                "matmul/s16 x s16 -> s16: not supported", "matmul/u16 x s16 -> u16: not supported", "matmul/u16 x u16 -> u16: not supported",
                "memory/inputs and outputs in shared memory: not supported", "memory/refuses handles that were taken back: not supported",
                "memory/refuses what is no file descriptor: not supported", "memory/several at once: not supported",
                "memory/what is written later counts: not supported",
            ],
            checks.Where(check => Field(check, "known_difference") is not null)
                .Select(check => $"{Field(check, "area")}/{Field(check, "name")}: {Field(check, "result")!.Replace('_', ' ')}").Order(StringComparer.Ordinal));
    }

    private static string? Field(JsonElement check, string name) => check.GetProperty(name).GetString();

    private ConformanceReport Run(QnnLibrary library)
    {
        ConformanceReport report = ConformanceSuite.Run(library, [], isGuarded: true);
        output.WriteLine($"{report.Backend}: {report.Summary}");
        foreach (CheckReport check in report.Checks.Where(check => check.Result != CheckResult.Pass || check.KnownDifference is not null))
        {
            output.WriteLine(Text(check));
        }
        Assert.Equal(ConformanceSuite.Areas, report.Checks.Select(check => check.Area).Distinct());
        Assert.Equal(report.Checks.Count, report.Checks.Select(check => (check.Area, check.Name)).Distinct().Count());
        return report;
    }

    private static string Text(CheckReport check) => $"{check.Area}/{check.Name}: {check.Result}: {check.Detail} {check.KnownDifference}";

    [Fact]
    public void Json_has_the_backend_the_counts_and_every_check()
    {
        CommandRun run = CommandRun.Of("conformance", "--backend", "soft", "--filter", "order,topk", "--json");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal("SoftHtp", report.GetProperty("backend").GetString());
        Assert.Equal("2.32.0", report.GetProperty("api_version").GetString());
        Assert.StartsWith("SoftHtp v", report.GetProperty("build").GetString(), StringComparison.Ordinal);
        JsonElement[] checks = [.. report.GetProperty("checks").EnumerateArray()];
        Assert.Equal(["order", "topk"], checks.Select(check => check.GetProperty("area").GetString()).Distinct().Order());
        Assert.All(checks, check => Assert.Equal(["area", "name", "result", "detail", "known_difference"], check.EnumerateObject().Select(p => p.Name)));
        JsonElement summary = report.GetProperty("summary");
        Assert.Equal(["pass", "fail", "not_supported"], summary.EnumerateObject().Select(p => p.Name));
        foreach (JsonProperty count in summary.EnumerateObject())
        {
            Assert.Equal(checks.Count(check => check.GetProperty("result").GetString() == count.Name), count.Value.GetInt32());
        }
    }

    [Fact]
    public void The_table_has_a_line_for_each_check_and_the_counts()
    {
        CommandRun run = CommandRun.Of("conformance", "--backend", "soft", "--filter", "order");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        string[] lines = run.Output.Split('\n');
        Assert.StartsWith("backend SoftHtp, API 2.32.0, build SoftHtp v", lines[0], StringComparison.Ordinal);
        Assert.Contains(lines, line => line.TrimEnd().EndsWith("6023 (QNN_GRAPH_ERROR_GRAPH_NOT_FINALIZED)", StringComparison.Ordinal)
            && line.Contains("graphExecute before graphFinalize", StringComparison.Ordinal) && line.Contains(" pass ", StringComparison.Ordinal));
        Assert.Equal("9 pass, 0 fail, 0 not supported", lines.Last(line => line.Length > 0).TrimEnd());
    }

    [Fact]
    public void A_path_that_is_no_qnn_library_is_bad_input()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("libQnnText.so", "no library"u8);
        CommandRun.Of("conformance", "--backend", folder.File("libQnnNowhere.so")).AssertBadInput("libQnnNowhere.so");
        CommandRun.Of("conformance", "--backend", text).AssertBadInput(text);
        CommandRun.Of("conformance", "--backend", " ").AssertBadInput("--backend: is empty");
        CommandRun.Of("conformance").AssertBadInput("--backend");
        if (OperatingSystem.IsLinux())
        {
            CommandRun.Of("conformance", "--backend", "libc.so.6").AssertBadInput("libc.so.6", "QnnInterface_getProviders");
        }
    }

    [Theory]
    [InlineData("matrix", "'matrix'")]
    [InlineData("matmul,", null)]
    [InlineData("matmul,gather", "'gather'")]
    [InlineData(",", "','")]
    public void Areas_that_do_not_exist_are_bad_input(string filter, string? named)
    {
        CommandRun run = CommandRun.Of("conformance", "--backend", "soft", "--filter", filter, "--json");
        if (named is null)
        {
            Assert.Equal(EntryPoint.Success, run.ExitCode);
            return;
        }
        run.AssertBadInput($"--filter: there is no area {named}; choose of interface, capability, log", "matmul");
    }
}
