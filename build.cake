// dotnet tool restore && dotnet cake [--target=NAME]
//
//   build                everything, Release
//   test                 all tests on this machine (the default)
//   test-arm64           the same tests for linux-arm64, emulated by qemu, with and without the dot product instructions
//   bench-arm64          the instructions that each arm64 kernel executes, exactly, under qemu, beside those of its C version; writes them to
//                        bench/arm64-instructions.json, or to --output=FILE
//   mca-arm64            llvm-mca's cycles of the arm64 kernels' inner loops
//   bench                the BenchmarkDotNet suites; --arguments="..." goes to bench/ShadowAttn.Bench
//   softhtp-library      the software backend as a shared library, artifacts/softhtp/RID/libQnnSoftHtp.so; --rid=linux-arm64 for another
//                        machine than this one
//   native-library       the operator as a shared library with a C interface, artifacts/native/RID/libshadowattn.so and its headers; --rid=linux-arm64
//                        cross compiles on x64. win-x64, win-arm64 and osx-arm64 are built on machines of their own system, linux-bionic-arm64
//                        (Android) with ANDROID_NDK_ROOT; these four are not verified here
//   command              the shadowattn command compiled ahead of time, artifacts/command/RID/shadowattn; --rid as above
//   pack                 the libraries and the shadowattn tool as NuGet packages in artifacts/packages, or in --output=FOLDER; ShadowAttn.Native
//                        too, with the libshadowattn of every platform that artifacts/native has
//   public-api           the lists of the libraries' public members, PublicAPI.Unshipped.txt, from the sources; git diff shows what changed
//   regenerate-bindings  Generated/ and its layout tests anew from interop/ShadowAttn.Interop/include; needs the network.
//                        With QNN_SDK_ROOT or --sdk=FOLDER: from that SDK's headers, for comparison, into artifacts/bindings

#load "eng/arm64/arm64.cake"

var target = Argument("target", "default");
var configuration = Argument("configuration", "Release");

const string Solution = "ShadowAttn.Native.sln";
const string GeneratorPackage = "ClangSharpPInvokeGenerator";
const string GeneratorVersion = "16.0.0";

void Run(string tool, ProcessArgumentBuilder arguments, DirectoryPath folder = null)
{
    var settings = new ProcessSettings { Arguments = arguments };
    if (folder != null)
    {
        settings.WorkingDirectory = folder;
    }

    int code = StartProcess(tool, settings);
    if (code != 0)
    {
        throw new CakeException(code, $"{tool} {arguments.RenderSafe()}: exit code {code}");
    }
}

Task("build")
    .Does(() => DotNetBuild(Solution, new DotNetBuildSettings { Configuration = configuration }));

Task("test")
    .Does(() => Run("dotnet", new ProcessArgumentBuilder().Append("test").Append("-c").Append(configuration)));

Task("test-arm64")
    .Does(() =>
{
    const int PackagesMissing = 3;
    int code = StartProcess("bash", new ProcessSettings { Arguments = "eng/test-arm64.sh" });
    if (code == PackagesMissing)
    {
        throw new CakeException(code, "test-arm64: the emulator or the arm64 C library is missing; install the packages named above");
    }

    if (code != 0)
    {
        throw new CakeException(code, $"test-arm64: exit code {code}");
    }
});

Task("bench")
    .Does(() => Run("dotnet", new ProcessArgumentBuilder()
        .Append("run").Append("-c").Append("Release").Append("--project").Append("bench/ShadowAttn.Bench")
        .Append("--").Append(Argument("arguments", "suites --short"))));

Task("softhtp-library")
    .Does(() =>
{
    string rid = Argument("rid", System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier);
    Run("dotnet", new ProcessArgumentBuilder()
        .Append("publish").Append("native/ShadowAttn.SoftHtp.Library").Append("-c").Append("Release").Append("-r").Append(rid)
        .Append("-o").Append("artifacts/softhtp/" + rid));
});

Task("native-library")
    .Does(() =>
{
    string rid = Argument("rid", System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier);
    string output = "artifacts/native/" + rid;
    string[] verified = { "linux-x64", "linux-arm64" }, prepared = { "win-x64", "win-arm64", "osx-arm64", "linux-bionic-arm64" };
    if (!verified.Concat(prepared).Contains(rid))
    {
        throw new CakeException(2, $"native-library: --rid={rid} is none of {string.Join(", ", verified.Concat(prepared))}");
    }

    if (prepared.Contains(rid))
    {
        Warning($"native-library: {rid} is prepared, but not verified here");
    }

    var arguments = new ProcessArgumentBuilder()
        .Append("publish").Append("native/ShadowAttn.Native").Append("-c").Append("Release").Append("-r").Append(rid).Append("-o").Append(output);
    Dictionary<string, string> environment = null;
    bool cross = rid == "linux-arm64" && System.Runtime.InteropServices.RuntimeInformation.OSArchitecture
        != System.Runtime.InteropServices.Architecture.Arm64;
    if (cross)
    {
        DirectoryPath tools = Arm64LinkerTools(MakeAbsolute(Directory("artifacts/native")));
        arguments.Append("-p:SysRoot=/");
        environment = new Dictionary<string, string> { ["PATH"] = tools.FullPath + ":" + EnvironmentVariable("PATH") };
    }
    else if (rid == "linux-bionic-arm64")
    {
        string ndk = EnvironmentVariable("ANDROID_NDK_ROOT")
            ?? throw new CakeException(2, "native-library: ANDROID_NDK_ROOT must name an unpacked Android NDK for --rid=linux-bionic-arm64");
        string bin = ndk + "/toolchains/llvm/prebuilt/linux-x86_64/bin";
        arguments.Append("-p:DisableUnsupportedError=true").Append("-p:PublishAotUsingRuntimePack=true");
        environment = new Dictionary<string, string> { ["PATH"] = bin + ":" + EnvironmentVariable("PATH") };
    }

    if (verified.Contains(rid))
    {
        arguments.Append("-p:StripSymbols=false");
    }

    int code = StartProcess("dotnet", new ProcessSettings { Arguments = arguments, EnvironmentVariables = environment });
    if (code != 0)
    {
        throw new CakeException(code, $"native-library: dotnet {arguments.RenderSafe()}: exit code {code}");
    }

    if (verified.Contains(rid))
    {
        // With names but without debug information, for tools that print stacks: valgrind, AddressSanitizer, perf.
        string objcopy = cross ? "llvm-objcopy-19" : "objcopy";
        FilePath library = output + "/libshadowattn.so", named = output + "/symbols/libshadowattn.so";
        EnsureDirectoryExists(named.GetDirectory());
        Run(objcopy, new ProcessArgumentBuilder().Append("--strip-debug").AppendQuoted(library.FullPath).AppendQuoted(named.FullPath));
        Run(objcopy, new ProcessArgumentBuilder().Append("--strip-unneeded").AppendQuoted(library.FullPath));
        DeleteFiles(output + "/*.dbg");
    }

    EnsureDirectoryExists(output + "/include");
    CopyFiles("native/ShadowAttn.Native/include/*", output + "/include");
});

Task("command")
    .Does(() =>
{
    string rid = Argument("rid", System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier);
    Run("dotnet", new ProcessArgumentBuilder()
        .Append("publish").Append("bench/ShadowAttn.Cli").Append("-c").Append("Release").Append("-r").Append(rid).Append("-p:PublishAot=true")
        .Append("-o").Append("artifacts/command/" + rid));
});

Task("pack")
    .Does(() =>
{
    DirectoryPath packages = MakeAbsolute(Directory(Argument("output", "artifacts/packages")));
    EnsureDirectoryExists(packages);
    DeleteFiles($"{packages}/*.nupkg");
    DeleteFiles($"{packages}/*.snupkg");
    var settings = new DotNetPackSettings { Configuration = configuration, OutputDirectory = packages };
    DotNetPack(Solution, settings);
    FilePath[] libraries = [.. GetFiles("artifacts/native/*/libshadowattn.*")];
    if (libraries.Length > 0)
    {
        DotNetPack("native/ShadowAttn.Native.Package", settings);
    }

    foreach (FilePath package in GetFiles($"{packages}/*.nupkg"))
    {
        Information(package.GetFilename().FullPath);
    }

    Information(libraries.Length == 0
        ? "without ShadowAttn.Native: artifacts/native has no library"
        : "ShadowAttn.Native has " + string.Join(", ", libraries.Select(l => l.GetDirectory().GetDirectoryName())));
});

Task("public-api")
    .Does(() =>
{
    const string Start = "#nullable enable";
    FilePath[] lists = [.. GetFiles("*/*/PublicAPI.Unshipped.txt")];
    foreach (FilePath list in lists)
    {
        System.IO.File.WriteAllLines(list.FullPath, [Start]);
    }

    // These two need all the others. Every member that is in no list is a warning whose text is the line that is missing.
    var missing = lists.ToDictionary(l => l.GetDirectory().FullPath, _ => new SortedSet<string>(StringComparer.Ordinal));
    foreach (string project in new[] { "graphs/ShadowAttn.Attention", "native/ShadowAttn.SoftHtp" })
    {
        int code = StartProcess(
            "dotnet",
            new ProcessSettings
            {
                Arguments = $"build {project} -c Release --no-incremental -tl:off -p:TreatWarningsAsErrors=false -p:RunAnalyzers=true",
                RedirectStandardOutput = true,
            },
            out IEnumerable<string> log);
        string[] lines = [.. log];
        if (code != 0)
        {
            throw new CakeException(code, $"public-api: {project} does not build:\n" + string.Join('\n', lines.Where(l => l.Contains("error")).Take(10)));
        }

        foreach (string line in lines)
        {
            var match = System.Text.RegularExpressions.Regex.Match(line, @"RS0016: Symbol '(.*)' is not part of the declared public API.*\[(.*)[/\\][^/\\]*\.csproj\]");
            if (match.Success && missing.TryGetValue(match.Groups[2].Value.Replace('\\', '/'), out SortedSet<string> members))
            {
                members.Add(match.Groups[1].Value);
            }
        }
    }

    foreach (FilePath list in lists)
    {
        SortedSet<string> members = missing[list.GetDirectory().FullPath];
        string[] shipped = System.IO.File.ReadAllLines(list.GetDirectory().CombineWithFilePath("PublicAPI.Shipped.txt").FullPath);
        System.IO.File.WriteAllLines(list.FullPath, [Start, .. members.Except(shipped)]);
        Information($"{list.GetDirectory().GetDirectoryName()}: {members.Count} members");
    }
});

Task("regenerate-bindings")
    .Does(() =>
{
    DirectoryPath interop = MakeAbsolute(Directory("interop/ShadowAttn.Interop"));
    DirectoryPath layoutTests = MakeAbsolute(Directory("tests/ShadowAttn.Tests/Interop/Layout"));
    DirectoryPath work = MakeAbsolute(Directory("artifacts/bindings"));
    DirectoryPath tools = MakeAbsolute(Directory("artifacts/tools"));
    string sdk = Argument("sdk", EnvironmentVariable("QNN_SDK_ROOT") ?? "");

    CleanDirectory(work);
    CopyDirectory(interop.Combine("include"), work);
    if (sdk.Length > 0)
    {
        DirectoryPath headers = Directory(sdk) + Directory("include/QNN");
        if (!FileExists(headers.CombineWithFilePath("QnnInterface.h")))
        {
            throw new CakeException($"regenerate-bindings: {headers} has no QnnInterface.h; --sdk or QNN_SDK_ROOT must name the folder of "
                + "an unpacked QNN SDK, the one with include/QNN in it");
        }

        CopyDirectory(headers, work);
    }

    FilePath generator = tools.CombineWithFilePath(IsRunningOnWindows() ? GeneratorPackage + ".exe" : GeneratorPackage);
    if (!FileExists(generator))
    {
        int code = StartProcess("dotnet", new ProcessSettings
        {
            Arguments = new ProcessArgumentBuilder().Append("tool").Append("install").Append(GeneratorPackage)
                .Append("--version").Append(GeneratorVersion).Append("--tool-path").AppendQuoted(tools.FullPath),
        });
        if (code != 0)
        {
            throw new CakeException($"regenerate-bindings: the NuGet sources of this machine do not serve {GeneratorPackage} {GeneratorVersion}. "
                + "Nothing else needs it: the generated files are committed. To regenerate, add a source that serves it and repeat.");
        }
    }

    // ClangSharp's tool carries no C headers: those of the installed compiler serve, as that compiler finds them.
    var arguments = new ProcessArgumentBuilder().AppendQuoted("@" + interop.CombineWithFilePath("qnn.rsp").FullPath);
    foreach (string folder in CompilerIncludeFolders())
    {
        arguments.Append("--include-directory").AppendQuoted(folder);
    }

    int generated = StartProcess(generator, new ProcessSettings { Arguments = arguments, WorkingDirectory = work });
    if (generated != 0 || !FileExists(work.CombineWithFilePath("Generated/QnnInterface_t.cs")))
    {
        throw new CakeException($"regenerate-bindings: {GeneratorPackage} failed with exit code {generated}. If it says that libclang or libClangSharp "
            + "cannot be loaded, put both of version 16 (NuGet: libclang.runtime.<rid>, libClangSharp.runtime.<rid>) on the library search path.");
    }

    if (sdk.Length > 0)
    {
        Information($"bindings of {sdk}: {work.Combine("Generated")}; the committed ones are as they were");
        return;
    }

    DeleteFiles($"{interop}/Generated/*.cs");
    CopyFiles($"{work}/Generated/*.cs", interop.Combine("Generated"));
    DeleteFiles($"{layoutTests}/*.cs");
    CopyFiles($"{work}/Tests/*.cs", layoutTests);
    Information($"regenerated {GetFiles($"{interop}/Generated/*.cs").Count} files in {interop}/Generated; git diff shows what changed");
});

Task("default")
    .IsDependentOn("test");

RunTarget(target);

IEnumerable<string> CompilerIncludeFolders()
{
    if (IsRunningOnWindows())
    {
        return (EnvironmentVariable("INCLUDE") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries);
    }

    StartProcess(
        "cc",
        new ProcessSettings { Arguments = "-xc++ -E -v /dev/null", RedirectStandardError = true, RedirectStandardOutput = true },
        out _,
        out IEnumerable<string> log);
    return log.SkipWhile(line => !line.StartsWith("#include <...>")).Skip(1)
        .TakeWhile(line => line.StartsWith(' ')).Select(line => line.Trim()).ToList();
}
