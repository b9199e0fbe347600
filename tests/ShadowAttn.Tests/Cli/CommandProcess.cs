using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>The command in a process of its own, as it lies beside the tests.</summary>
internal sealed class CommandProcess : IDisposable
{
    private readonly Process process;
    private readonly Task<string> output;
    private readonly Task<string> error;

    private CommandProcess(Process process)
    {
        this.process = process;
        output = process.StandardOutput.ReadToEndAsync();
        error = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Runs to the end with one environment variable set.</summary>
    public static CommandRun Run(string variable, string value, params string[] arguments)
    {
        using CommandProcess process = Start((variable, value), arguments);
        return process.Wait();
    }

    /// <summary>Starts without waiting; skips the test where processes of this program cannot be started.</summary>
    public static CommandProcess Start((string Name, string Value)? variable, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "shadowattn.exe" : "shadowattn");
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        if (variable is (string name, string value))
        {
            start.Environment[name] = value;
        }

        try
        {
            return new CommandProcess(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            Assert.Skip($"this machine cannot start {Path.GetFileName(program)}, as emulated machines cannot: {e.Message}");
            throw;
        }
    }

    public CommandRun Wait()
    {
        process.WaitForExit();
        return new CommandRun(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }
}
