using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using ShadowAttn.Tests.Model.Llama;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class EvalCancelTests
{
    /// <summary>A text that would take minutes; progress is there after a second, Ctrl+C ends it with one line.</summary>
    [Fact]
    public async Task Progress_has_speed_and_time_left_and_ctrl_c_ends_the_run()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals are sent as on Linux");
        Assert.SkipWhen(Emulation.IsEmulated, "emulated machines cannot start processes of this program");
        using var folder = new TemporaryFolder();
        string model = new TinyModel().Write(folder);
        string text = folder.Write("long.txt", new byte[300_000].Select(_ => (byte)'x').ToArray());
        CancellationToken timeout = TestContext.Current.CancellationToken;

        // By env, since a process that was started in the background may have been told to ignore the signal, and its children with it.
        var start = new ProcessStartInfo(
            "env",
            [
                "--default-signal=INT", Path.Combine(AppContext.BaseDirectory, "shadowattn"), "eval", "--model", model, "--text", text, "--mode", "dense",
                "--chunk", "512",
            ])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        using Process process = Process.Start(start)!;
        try
        {
            string? progress = await process.StandardError.ReadLineAsync(timeout);
            Assert.Matches(@"^dense, keep 1, \d+ tokens/s, \d+ s left, layers: \d+ of 1172$", progress);
            using (Process kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync(timeout);
            }

            string[] rest = (await process.StandardError.ReadToEndAsync(timeout)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            await process.WaitForExitAsync(timeout);
            Assert.Equal("shadowattn: cancelled", rest[^1]);
            Assert.Equal(EntryPoint.InternalError, process.ExitCode);
            Assert.Empty(await process.StandardOutput.ReadToEndAsync(timeout));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
