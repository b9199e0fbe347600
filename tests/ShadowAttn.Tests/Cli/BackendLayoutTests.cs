using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using ShadowAttn.Cli.AbiCheck;
using ShadowAttn.Cli.Doctor;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>Backends in runtimes/&lt;rid&gt;/native of the application's folder, where the package Microsoft.ML.OnnxRuntime.QNN puts them.</summary>
[Collection("HTP simulator")]
public sealed class BackendLayoutTests : IDisposable
{
    private const string Provider = """
        #include "QnnInterface.h"
        static Qnn_ErrorHandle_t create(Qnn_LogHandle_t log, const QnnBackend_Config_t **config, Qnn_BackendHandle_t *backend)
        {
          static int handle;
          *backend = &handle;
          return 0;
        }
        static Qnn_ErrorHandle_t destroy(Qnn_BackendHandle_t backend) { return 0; }
        static Qnn_ErrorHandle_t build(const char **id) { *id = "layout-1"; return 0; }
        static QnnInterface_t provider = {
          .backendId = 3, .providerName = "LAYOUT_TEST", .apiVersion = {{2, 32, 0}, {1, 2, 0}},
          .v2_32 = { .backendCreate = create, .backendFree = destroy, .backendGetBuildId = build },
        };
        static const QnnInterface_t *providers[] = { &provider };
        Qnn_ErrorHandle_t QnnInterface_getProviders(const QnnInterface_t ***list, uint32_t *count) { *list = providers; *count = 1; return 0; }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_simulator_is_found_and_opened()
    {
        HtpSimulator.SkipUnlessThere();
        string native = NativeFolder("linux-x64");
        Directory.CreateDirectory(Path.GetDirectoryName(native)!);
        Directory.CreateSymbolicLink(native, Path.GetDirectoryName(HtpSimulator.LibraryPath!)!);
        Check("linux-x64", Path.Combine(native, "libQnnHtp.so"), "HTP_QTI_AISW");
        BackendReport found = Probe("linux-x64").Qnn.Search[1];
        Assert.Equal("soc 30 arch V68 vtcm 4", found.Chip);
    }

    [Fact]
    public void Any_other_backend_is_found_and_opened()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the compiler of an emulated machine is the host's and makes libraries for the host");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "compiles a shared library as Linux does");
        string rid = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        string library = Path.Combine(NativeFolder(rid), "libQnnHtp.so");
        Directory.CreateDirectory(NativeFolder(rid));
        string source = _folder.File("provider.c");
        File.WriteAllText(source, Provider);
        string compiler;
        try
        {
            compiler = CCompiler.Find(Environment.GetEnvironmentVariable("PATH") ?? "").Path;
        }
        catch (InputException e)
        {
            Assert.Skip(e.Message);
            throw;
        }

        (int code, _, string error) = CCompiler.Run(
            compiler, "-std=c11", "-shared", "-fPIC", "-I", Path.Combine(AppContext.BaseDirectory, "include"), "-o", library, source);
        Assert.True(code == 0, error);
        Check(rid, library, "LAYOUT_TEST");
        Assert.Equal("layout-1", Probe(rid).Qnn.Search[1].Build);
    }

    [Fact]
    public void The_folder_of_another_platform_is_not_looked_at()
    {
        Directory.CreateDirectory(NativeFolder("win-arm64"));
        File.WriteAllBytes(Path.Combine(NativeFolder("win-arm64"), "libQnnHtp.so"), [1]);
        Assert.All(Probe("linux-x64").Qnn.Search, s => Assert.Equal("there is no such file", s.Detail));
    }

    private void Check(string rid, string library, string provider)
    {
        QnnSearchPlaces places = Places(rid);
        using (QnnBackend backend = QnnBackend.Open(places))
        {
            Assert.Equal(provider, backend.ProviderName);
            Assert.Equal(library, backend.Library.FilePath);
        }

        DoctorReport report = DoctorProbe.Probe(places);
        Assert.Equal(["application", "application"], report.Qnn.Search.Select(s => s.Source));
        Assert.Equal([false, true], report.Qnn.Search.Select(s => s.Usable));
        Assert.Equal(library, report.Qnn.Search[1].Path);
        Assert.StartsWith(provider, report.Qnn.Search[1].Detail, StringComparison.Ordinal);
    }

    private DoctorReport Probe(string rid) => DoctorProbe.Probe(Places(rid));

    private QnnSearchPlaces Places(string rid) => new()
    {
        VariablePath = null,
        ApplicationFolder = _folder.Path,
        SdkRoot = null,
        AskSystem = false,
        LibraryName = "libQnnHtp.so",
        RuntimeIdentifier = rid,
    };

    private string NativeFolder(string rid) => Path.Combine(_folder.Path, "runtimes", rid, "native");
}
