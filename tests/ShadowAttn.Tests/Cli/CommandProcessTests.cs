using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>What only a process of its own shows: environment variables that are read once, and real streams.</summary>
public class CommandProcessTests
{
    [Theory]
    [InlineData("sse9", "SHADOWATTN_ISA: unknown instruction set 'sse9'; this machine has scalar")]
    [InlineData("other", "cannot run")]
    public void Instruction_sets_that_the_machine_lacks_are_refused(string isa, string reason)
    {
        if (isa == "other")
        {
            isa = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "dp" : "avx2";
        }

        Start("SHADOWATTN_ISA", isa, "run").AssertBadInput(reason);
    }

    [Fact]
    public void Doctor_reports_a_wrong_instruction_set_and_goes_on()
    {
        CommandRun run = Start("SHADOWATTN_ISA", "sse9", "doctor");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("problem           SHADOWATTN_ISA: unknown instruction set 'sse9'", run.Output, StringComparison.Ordinal);
    }

    private static CommandRun Start(string variable, string value, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "shadowattn.exe" : "shadowattn");
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[variable] = value;
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            Assert.Skip($"this machine cannot start {Path.GetFileName(program)}, as emulated machines cannot: {e.Message}");
            throw;
        }

        using (process)
        {
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return new CommandRun(process.ExitCode, output, error.Result);
        }
    }
}
