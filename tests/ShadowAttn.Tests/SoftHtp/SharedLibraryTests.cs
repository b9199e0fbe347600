using System.Diagnostics;
using System.Runtime.InteropServices;
using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>
/// libQnnSoftHtp, driven by a program in C that is compiled against the project's header. The library is compiled ahead of time by a
/// command of its own; where it has not been, the tests are skipped.
/// </summary>
public class SharedLibraryTests
{
    private const string Variable = "SHADOWATTN_TEST_SOFTHTP_LIBRARY";

    private static string Root()
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

    private static string Library()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the C program is built for Linux only");
        string path = Environment.GetEnvironmentVariable(Variable)
            ?? Path.Combine(Root(), "artifacts", "softhtp", RuntimeInformation.RuntimeIdentifier, "libQnnSoftHtp.so");
        Assert.SkipUnless(File.Exists(path), $"no libQnnSoftHtp: run `dotnet cake --target=softhtp-library`, or set {Variable}");
        return path;
    }

    private static (int Code, string Output, string Errors) Run(string program, IEnumerable<string> arguments, string? options = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SHADOWATTN_SOFTHTP"] = options ?? "threads=2";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.Result);
    }

    private static string Client()
    {
        string? compiler = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Select(folder => Path.Combine(folder, "cc"))
            .FirstOrDefault(File.Exists);
        Assert.SkipUnless(compiler is not null, "no C compiler (cc) on the path");
        string folder = Directory.CreateTempSubdirectory("softhtp").FullName;
        string program = Path.Combine(folder, "client");
        string root = Root();
        (int code, string output, string errors) = Run(
            compiler!,
            [
                "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1",
                "-I", Path.Combine(root, "interop/ShadowAttn.Interop/include"),
                Path.Combine(root, "tests/ShadowAttn.Tests/SoftHtp/client/softhtp_client.c"),
                "-o", program, "-ldl",
            ]);
        Assert.True(code == 0, output + errors);
        return program;
    }

    [Fact]
    public void A_program_in_C_drives_it()
    {
        string library = Library(), client = Client();
        try
        {
            (int code, string output, string errors) = Run(client, [library]);
            Assert.True(code == 0, errors);
            Assert.EndsWith("all right\n", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(client)!, recursive: true);
        }
    }

    [Fact]
    public void Its_options_and_faults_come_from_the_environment()
    {
        string library = Library(), client = Client();
        try
        {
            (int code, _, string errors) = Run(client, [library], "threads=1;fault=graphExecute:1:1002");
            Assert.Equal(1, code);
            Assert.Contains("returned 1002", errors, StringComparison.Ordinal);
            (code, _, errors) = Run(client, [library], "speed=9");
            Assert.Equal(1, code);
            Assert.Contains("'speed=9' is unknown", errors, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(client)!, recursive: true);
        }
    }

    [Fact]
    public void The_client_layer_loads_and_unloads_it_as_any_backend()
    {
        using (QnnLibrary library = QnnLibrary.Load(Library()))
        using (QnnBackend backend = QnnBackend.Open(library))
        using (QnnContext context = backend.CreateContext())
        {
            QnnGraphBuilder builder = context.CreateGraph("pilot");
            QnnEncoding one = QnnEncoding.ScaleOffset(1, 0);
            QnnTensor q = builder.Input("q", QnnDataType.SFixed8, [1, 1, 3, 64], one);
            QnnTensor k = builder.Input("k", QnnDataType.SFixed8, [1, 1, 5, 64], one);
            QnnTensor s = builder.Output("s", QnnDataType.SFixed8, [1, 1, 3, 5], QnnEncoding.ScaleOffset(64, 0));
            builder.MatMul(q, k, s, transposeIn1: true);
            using QnnGraph graph = builder.FinalizeGraph();
            Assert.Equal("pilot", Assert.Single(library.SystemLibrary.ReadBinary(context.GetBinary()).Graphs).Name);
        }

        // The library's runtime handles signals, also those with which this one stops its threads: it must still be there.
        bool done = false;
        long rounds = 0;
        var spinning = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                Volatile.Write(ref rounds, rounds + 1);
            }
        });
        spinning.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref rounds) > 0);
        for (int i = 0; i < 20; i++)
        {
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
        }
        Volatile.Write(ref done, true);
        spinning.Join();
    }
}
