using System.Text.Json;
using ShadowAttn.Tests.Model;
using ShadowAttn.Tests.Packages;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>The command compiled ahead of time by `dotnet cake --target=command`, where SHADOWATTN_TEST_COMMAND names it, does what it does otherwise.</summary>
public sealed class AheadOfTimeTests
{
    private const string Variable = "SHADOWATTN_TEST_COMMAND";

    [Fact]
    public void Run_and_calibrate_give_what_they_give_otherwise()
    {
        string command = CommandOrSkip();
        using var folder = new TemporaryFolder();
        JsonElement run = JsonDocument.Parse(PackageFolder.Run(folder.Path, command, "run", "--repeat", "1", "--json")).RootElement;
        JsonElement here = JsonDocument.Parse(CommandRun.Of("run", "--repeat", "1", "--json").Output).RootElement;
        foreach (string field in new[] { "kept_keys", "visible_keys", "bytes_copied", "allocated_bytes" })
        {
            Assert.Equal(here.GetProperty(field).GetInt64(), run.GetProperty(field).GetInt64());
        }

        Assert.Equal(here.GetProperty("rel_l2_error").GetDouble(), run.GetProperty("rel_l2_error").GetDouble(), 1e-6);

        string trace = Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors"), profile = folder.File("profile.json");
        PackageFolder.Run(folder.Path, command, "calibrate", "--input", trace, "--output", profile);
        Assert.Equal(9, JsonDocument.Parse(File.ReadAllBytes(profile)).RootElement.GetProperty("layers")[0].GetProperty("keep").GetArrayLength());
        JsonElement calibrated = JsonDocument.Parse(PackageFolder.Run(folder.Path, command, "run", "--calibration", profile, "--json")).RootElement;
        Assert.InRange(calibrated.GetProperty("captured_mass").GetProperty("mean").GetDouble(), 0.9, 1);
    }

    [Fact]
    public void Eval_runs_a_model()
    {
        string command = CommandOrSkip();
        string[] eval = ["eval", "--model", TestModel.Path, "--text", TestModel.Text("gpl3"), "--tokens", "96", "--mode", "shadow-cpu", "--json"];
        using var folder = new TemporaryFolder();
        JsonElement report = JsonDocument.Parse(PackageFolder.Run(folder.Path, command, eval)).RootElement;
        JsonElement here = JsonDocument.Parse(CommandRun.Of(eval).Output).RootElement;
        Assert.Equal(here.GetProperty("mean_nll").GetDouble(), report.GetProperty("mean_nll").GetDouble(), 0.01);
    }

    private static string CommandOrSkip()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the command was compiled for the machine that emulates");
        string? command = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(command), $"{Variable} does not name the command that `dotnet cake --target=command` makes");
        Assert.True(File.Exists(command), $"{Variable}: {command} is not there");
        return Path.GetFullPath(command!);
    }
}
