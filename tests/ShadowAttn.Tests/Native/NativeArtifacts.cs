using System.Diagnostics;
using System.Runtime.InteropServices;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>Where libshadowattn and the sources of its examples are, and the programs that build and run them.</summary>
internal static class NativeArtifacts
{
    public const string Variable = "SHADOWATTN_TEST_NATIVE_LIBRARY";

    public const string Arm64Sysroot = "/usr/aarch64-linux-gnu";

    public static string Root()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ShadowAttn.Native.sln")))
            {
                return folder.FullName;
            }
        }

        Assert.Skip("the test program does not lie in the repository");
        return "";
    }

    public static string Sources => Path.Combine(Root(), "native", "ShadowAttn.Native");

    public static string Trace => Path.Combine(Root(), "bench", "data", "small.safetensors");

    /// <summary>The library for this machine; skips where it has not been built.</summary>
    public static string Library()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "two runtimes in one emulated process are in each other's signals; the arm64 library is tested from x64");
        string path = Environment.GetEnvironmentVariable(Variable) ?? Built(RuntimeInformation.RuntimeIdentifier);
        Assert.SkipUnless(File.Exists(path), $"no libshadowattn: run `dotnet cake --target=native-library`, or set {Variable}");
        return path;
    }

    /// <summary>The library for linux-arm64, built beside that for this machine.</summary>
    public static string Arm64Library()
    {
        string path = Built("linux-arm64");
        Assert.SkipUnless(File.Exists(path), "no libshadowattn for linux-arm64: run `dotnet cake --target=native-library --rid=linux-arm64`");
        return path;
    }

    /// <summary>A program of this machine; skips with its package's name where it is missing.</summary>
    public static string Tool(string name, string package)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the examples are built on Linux only");
        Assert.SkipWhen(Emulation.IsEmulated, "compilers are not emulated; the examples run under emulation from the x64 tests");
        string? path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        Assert.SkipUnless(path is not null, $"{name} is not on the path (Debian package {package})");
        return path!;
    }

    public static (int Code, string Output) Run(string program, IEnumerable<string> arguments, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };

        // The programs are no tests: their memory is as users have it.
        start.Environment.Remove(ShadowAttn.Memory.UnmanagedBuffer.GuardVariable);
        foreach ((string name, string value) in variables)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    /// <summary>Runs a program that must succeed; returns what it printed.</summary>
    public static string RunWell(string program, IEnumerable<string> arguments, params (string Name, string Value)[] variables)
    {
        (int code, string output) = Run(program, arguments, variables);
        Assert.True(code == 0, $"{program}: exit code {code}\n{output}");
        return output;
    }

    private static string Built(string rid) => Path.Combine(Root(), "artifacts", "native", rid, "libshadowattn.so");
}
