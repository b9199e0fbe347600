using System.Text.Json;
using ShadowAttn.Tests.Attention;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class CalibrateTests : IDisposable
{
    private static readonly string s_small = Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors");
    private readonly string folder = Directory.CreateTempSubdirectory("calibrate").FullName;

    private string Profile => Path.Combine(folder, "profile.json");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void AProfileCapturesMoreThanAUniformShareOfAsManyKeysAndRunTakesIt()
    {
        CommandRun run = CommandRun.Of("calibrate", "--input", s_small, "--output", Profile, "--json", "--threads", "2");
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        JsonElement inputs = report.GetProperty("inputs");
        Assert.True(inputs.GetProperty("captured_mass").GetDouble() > inputs.GetProperty("uniform_mass").GetDouble() + 0.002);
        JsonElement trace = inputs.GetProperty("traces")[0];
        Assert.True(trace.GetProperty("worst_head").GetDouble() > trace.GetProperty("uniform_worst_head").GetDouble());
        Assert.Equal(JsonValueKind.Null, report.GetProperty("checks").ValueKind);
        Assert.Equal(0.2, report.GetProperty("budget").GetDouble());

        JsonElement calibrated = Json("run", "--calibration", Profile, "--json", "--repeat", "1", "--mode", "shadow-cpu", "--threads", "2");
        Assert.Equal(trace.GetProperty("captured_mass").GetDouble(), calibrated.GetProperty("captured_mass").GetProperty("mean").GetDouble(), 4);
        Assert.Equal(9, calibrated.GetProperty("keep_per_head").GetArrayLength());
        Assert.Equal(Profile, calibrated.GetProperty("calibration").GetString());
        double kept = (double)calibrated.GetProperty("kept_keys").GetInt64() / calibrated.GetProperty("visible_keys").GetInt64();
        Assert.Equal(trace.GetProperty("kept_share").GetDouble(), kept, 4);
    }

    [Fact]
    public void ATargetFindsItsBudgetAndADenseLayerRunsDense()
    {
        JsonElement report = Json("calibrate", "--input", s_small, "--check", s_small, "--output", Profile, "--json", "--target-mass", "0.97");
        Assert.InRange(report.GetProperty("inputs").GetProperty("captured_mass").GetDouble(), 0.97, 0.971);
        Assert.Equal(
            report.GetProperty("inputs").GetProperty("captured_mass").GetDouble(), report.GetProperty("checks").GetProperty("captured_mass").GetDouble(), 9);

        Assert.Equal(0, CommandRun.Of("calibrate", "--input", s_small, "--output", Profile, "--dense-below", "1").ExitCode);
        JsonElement dense = Json("run", "--calibration", Profile, "--json", "--repeat", "1", "--threads", "2");
        Assert.Equal("dense", dense.GetProperty("mode").GetString());
        Assert.InRange(dense.GetProperty("rel_l2_error").GetDouble(), 0, 1e-6);
    }

    [Fact]
    public void TheTableHasTheHeadsAndBothComparisons()
    {
        CommandRun run = CommandRun.Of("calibrate", "--input", s_small, "--check", s_small, "--output", Profile);
        Assert.Equal(0, run.ExitCode);
        foreach (string part in new[] { "keep of each head", "traces that it is from", "has not seen", "uniform: mass" })
        {
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void WhatIsWrongIsNamed()
    {
        CommandRun.Of("calibrate", "--output", Profile).AssertBadInput("--input");
        CommandRun.Of("calibrate", "--input", s_small, "--output", folder).AssertBadInput("is a folder");
        CommandRun.Of("calibrate", "--input", s_small, "--output", Profile, "--budget", "2").AssertBadInput("--budget: '2' is not a share");
        CommandRun.Of("calibrate", "--input", s_small, "--output", Profile, "--budget", "0.1", "--target-mass", "0.9").AssertBadInput("--target-mass");
        CommandRun.Of("calibrate", "--input", s_small, "--output", Profile, "--cap", "0.1", "--floor", "0.2").AssertBadInput("--cap");
        CommandRun.Of("calibrate", "--input", Profile, "--output", Profile).AssertBadInput(Profile);
        CommandRun.Of("run", "--calibration", Profile).AssertBadInput("--calibration", "cannot be read");
        File.WriteAllText(Profile, "{}");
        CommandRun.Of("run", "--calibration", Profile).AssertBadInput("--calibration", "is no calibration profile");
        CommandRun.Of("run", "--calibration", Profile, "--keep", "0.3").AssertBadInput("leave --keep and --min-keys away");
        CommandRun.Of("run", "--calibration", Profile, "--mode", "dense").AssertBadInput("drops no keys");
    }

    [Fact]
    public void OnAnotherTextTheProfileStillCapturesMore()
    {
        string? traces = Environment.GetEnvironmentVariable(TraceFiguresTests.FolderVariable);
        Assert.SkipWhen(string.IsNullOrEmpty(traces), $"{TraceFiguresTests.FolderVariable} does not name a folder with the medium traces");
        Assert.SkipWhen(Emulation.IsEmulated, "the medium traces take minutes under emulation");
        string[] medium = [.. Directory.GetFiles(Path.Combine(traces!, "medium"), "*.safetensors").Order()];
        JsonElement report = Json(["calibrate", "--json", "--output", Profile, "--check", s_small, "--input", .. medium]);
        JsonElement inputs = report.GetProperty("inputs");
        Assert.True(inputs.GetProperty("captured_mass").GetDouble() > inputs.GetProperty("uniform_mass").GetDouble() + 0.008);
        JsonElement[] layers = [.. report.GetProperty("layers").EnumerateArray()];
        Assert.Equal([true, false, false, false, false], layers.Select(l => l.GetProperty("dense").GetBoolean()));
        JsonElement checks = report.GetProperty("checks");
        Assert.True(checks.GetProperty("captured_mass").GetDouble() > checks.GetProperty("uniform_mass").GetDouble());
        JsonElement trace = checks.GetProperty("traces")[0];
        Assert.True(trace.GetProperty("worst_head").GetDouble() > trace.GetProperty("uniform_worst_head").GetDouble());
    }

    private static JsonElement Json(params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.Equal(0, run.ExitCode);
        return JsonDocument.Parse(run.Output).RootElement;
    }
}
