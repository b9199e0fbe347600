using System.Diagnostics;
using System.Xml.Linq;
using Xunit;

namespace ShadowAttn.Tests.Packages;

/// <summary>The folder in SHADOWATTN_TEST_PACKAGES, with what `dotnet cake --target=pack` made.</summary>
internal static class PackageFolder
{
    public const string Variable = "SHADOWATTN_TEST_PACKAGES";

    public static string Version => Path.GetFileName(FileOf("ShadowAttn.Memory"))["ShadowAttn.Memory.".Length..^".nupkg".Length];

    /// <summary>The folder; skips the test where the variable does not name one.</summary>
    public static string PathOrSkip()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the .NET SDK does not run on an emulated machine");
        string? path = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(path), $"{Variable} does not name a folder with the packages that `dotnet cake --target=pack` makes");
        Assert.True(Directory.Exists(path), $"{Variable}: {path} is not there");
        return Path.GetFullPath(path!);
    }

    /// <summary>The one package of that name.</summary>
    public static string FileOf(string package)
    {
        string folder = PathOrSkip();
        string[] found = Directory.GetFiles(folder, $"{package}.?.*.nupkg");
        return Assert.Single(found);
    }

    /// <summary>Writes a nuget.config that takes this project's packages from the folder and the others from where the machine takes them.</summary>
    public static void WriteConfiguration(string folder)
    {
        new XElement(
            "configuration",
            new XElement("packageSources", new XElement("add", new XAttribute("key", "packed"), new XAttribute("value", PathOrSkip()))),
            new XElement("config", new XElement("add", new XAttribute("key", "globalPackagesFolder"), new XAttribute("value", "packages"))),
            new XElement("fallbackPackageFolders", new XElement("add", new XAttribute("key", "machine"), new XAttribute("value", MachinesPackages()))))
            .Save(Path.Combine(folder, "nuget.config"));
    }

    /// <summary>Runs the .NET command and returns its output; fails with all of it when the exit code is not 0.</summary>
    public static string Dotnet(string folder, params string[] arguments) =>
        Run(folder, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments);

    /// <inheritdoc cref="Dotnet"/>
    public static string Run(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string name in start.Environment.Keys.Where(Leaks).ToArray())
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["SHADOWATTN_SOFTHTP"] = "threads=2";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{Path.GetFileName(program)} {string.Join(' ', arguments)}: exit code {process.ExitCode}\n{output}\n{errors.Result}");
        return output.ReplaceLineEndings("\n");
    }

    /// <summary>Variables of the build that runs the tests; the fresh project's own must not see them.</summary>
    private static bool Leaks(string variable) =>
        variable.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase) || variable.StartsWith("TestingPlatform", StringComparison.OrdinalIgnoreCase)
        || variable is "NUGET_PACKAGES" or "SHADOWATTN_ISA" or "SHADOWATTN_QNN_BACKEND" or "CI";

    private static string MachinesPackages() => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } given
        ? given
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
}
