using System.Text;
using Microsoft.Extensions.Logging;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Logging;
using Xunit;

namespace ShadowAttn.Tests.Interop.Htp;

[Collection("HTP simulator")]
public sealed class HtpBackendTests(HtpSimulator htp)
{
    [Fact]
    public void The_simulator_says_who_it_is()
    {
        HtpSimulator.SkipUnlessThere();

        Assert.Equal("HTP_QTI_AISW", htp.Backend.ProviderName);
        Assert.Equal(6u, htp.Backend.Library.Info.BackendId);
        Assert.True(htp.Backend.ApiVersion >= QnnApiVersion.Oldest);
        Assert.StartsWith("v2.", htp.Backend.BuildId);
        QnnDeviceInfo device = Assert.Single(htp.Backend.GetPlatformInfo());
        Assert.True(device.Htp!.VtcmMegabytes > 0);
        Assert.NotEqual(QnnHtpArch.Unspecified, device.Htp.Arch);
    }

    [Fact]
    public void The_search_finds_it_where_onnx_runtime_puts_it()
    {
        HtpSimulator.SkipUnlessThere();
        string folder = Directory.CreateTempSubdirectory("shadowattn-").FullName;
        try
        {
            string native = Path.Combine(folder, "runtimes", "linux-x64", "native");
            Directory.CreateDirectory(Path.GetDirectoryName(native)!);
            Directory.CreateSymbolicLink(native, Path.GetDirectoryName(HtpSimulator.LibraryPath!)!);
            var places = new QnnSearchPlaces { VariablePath = null, SdkRoot = null, ApplicationFolder = folder, AskSystem = false };

            QnnSearchResult found = Assert.Single(QnnSearch.Probe(places), result => result.Usable);
            using var backend = QnnBackend.Open(places);

            Assert.Equal(Path.Combine(native, "libQnnHtp.so"), found.Candidate.Path);
            Assert.StartsWith("HTP_QTI_AISW with core API 2.", found.Detail);
            Assert.Equal(found.Candidate.Path, backend.Library.FilePath);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Its_log_lines_are_formatted_and_go_to_the_logger()
    {
        HtpSimulator.SkipUnlessThere();
        var logger = new ListLogger();
        using var backend = QnnBackend.Open(HtpSimulator.LibraryPath!, new QnnBackendOptions { LogLevel = QnnLogLevel.Info }, logger);
        using QnnContext context = backend.CreateContext();
        HtpPilot.Compose(context).Dispose();

        var e = Assert.Throws<QnnCallException>(() => context.CreateGraph("pilot"));

        Assert.Contains(e.LogLines, line => line.Contains("Graph already exists", StringComparison.Ordinal));
        Assert.StartsWith("graphCreate (graph 'pilot') failed: QNN_GRAPH_ERROR_INVALID_NAME (6003, graph).", e.Message);
        Assert.Contains("Graph already exists", e.Message);
        Assert.Contains(logger.Lines, line => line.Level == LogLevel.Error && line.Text.Contains("Graph already exists", StringComparison.Ordinal));
        Assert.DoesNotContain(logger.Lines, line => line.Text.Contains('%', StringComparison.Ordinal) && line.Text.Contains("%s", StringComparison.Ordinal));
    }

    [Fact]
    public void What_it_does_not_validate_is_refused_before_it_is_added()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraphBuilder b = context.CreateGraph("broadcast");
        QnnTensor q = b.Input("q", QnnDataType.UFixed8, [1, 6, 4, 64], QnnEncoding.ScaleOffset(1f));
        QnnTensor k = b.Input("k", QnnDataType.UFixed8, [1, 2, 64, 8], QnnEncoding.ScaleOffset(1f));
        QnnTensor s = b.Output("s", QnnDataType.UFixed8, [1, 6, 4, 8], QnnEncoding.ScaleOffset(64f));

        var e = Assert.Throws<QnnValidationException>(() => b.MatMul(q, k, s));

        Assert.Equal("QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE", e.Status.Name);
        Assert.Contains("'q' UFixed8 [1, 6, 4, 64]", e.Message);
        Assert.Contains("the batch dimensions must be equal", e.Message);
    }

    [Fact]
    public void Power_votes_are_taken()
    {
        HtpSimulator.SkipUnlessThere();
        foreach (QnnPowerProfile profile in Enum.GetValues<QnnPowerProfile>())
        {
            using QnnPowerVote vote = htp.Backend.Device.VotePower(profile, rpcPollingMicroseconds: 100);
            Assert.Equal(profile, vote.Profile);
        }
    }

    [Theory]
    [InlineData(QnnHtpArch.V68)]
    [InlineData(QnnHtpArch.V75)]
    [InlineData(QnnHtpArch.V85)]
    public void Graphs_are_prepared_for_other_devices(QnnHtpArch arch)
    {
        HtpSimulator.SkipUnlessThere();
        using QnnDevice device = htp.Backend.CreateDevice(new QnnDeviceOptions { Arch = arch });
        using QnnContext context = device.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);
        byte[] binary = context.GetBinary();

        Assert.True(binary.AsSpan().IndexOf(Encoding.ASCII.GetBytes($";arch={(int)arch};")) >= 0, "prepared for another generation");
    }

    [Fact]
    public void Graphs_are_prepared_for_another_soc()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnDevice device = htp.Backend.CreateDevice(new QnnDeviceOptions { SocModel = 57, Arch = QnnHtpArch.V75, VtcmMegabytes = 8 });
        using QnnContext context = device.CreateContext();
        using QnnGraph graph = HtpPilot.Compose(context);

        Assert.Equal(57U, htp.Backend.Library.SystemLibrary.ReadBinary(context.GetBinary()).SocModel);
    }

    [Fact]
    public void Graph_and_context_options_are_taken()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext(new QnnContextOptions { Priority = QnnPriority.High });
        using QnnGraph graph = HtpPilot.Compose(context, options: new QnnGraphOptions
        {
            Priority = QnnPriority.Low,
            VtcmMegabytes = 4,
            HvxThreads = 2,
            OptimizationLevel = 3,
            CompressActivations = true,
        });
        using var pilot = new HtpPilot(1);
        pilot.Bind(graph.Bindings);
        using QnnProfile profile = htp.Backend.CreateProfile(QnnProfileLevel.Basic);
        graph.Execute(profile);

        Assert.True(pilot.IsExact());
        Assert.Equal(2ul, profile.Read().Single(record => record.TypeName == "HVX threads").Value);
    }

    [Fact]
    public void Float_graphs_run_in_half_precision()
    {
        HtpSimulator.SkipUnlessThere();
        using QnnContext context = htp.Backend.CreateContext();
        using QnnGraphBuilder b = context.CreateGraph("float", new QnnGraphOptions { Float16Precision = true });
        QnnTensor x = b.Input("x", QnnDataType.Float32, [1, 1, 2, 4]);
        QnnTensor y = b.Input("y", QnnDataType.Float32, [1, 1, 4, 2]);
        QnnTensor z = b.Output("z", QnnDataType.Float32, [1, 1, 2, 2]);
        b.MatMul(x, y, z);
        using QnnGraph graph = b.FinalizeGraph();
        var left = new float[] { 1, 2, 3, 4, 5, 6, 7, 8 };
        var right = new float[] { 1, 0, 0, 1, 1, 0, 0, 1 };
        var product = new float[4];

        Run(graph, left, right, product);

        // Once the process has opened a device of another generation, the simulator's last bit is that generation's.
        float[] expected = [4, 6, 12, 14];
        Assert.All(product.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, tolerance: 1e-5f));
    }

    [Fact]
    public void Opening_and_closing_again_and_again_leaves_nothing()
    {
        HtpSimulator.SkipUnlessThere();
        int files = 0;
        for (int i = 0; i < 5; i++)
        {
            using (var backend = QnnBackend.Open(HtpSimulator.LibraryPath!))
            using (QnnContext context = backend.CreateContext())
            {
                HtpPilot.Compose(context).Dispose();
            }
            int open = Directory.GetFiles("/proc/self/fd").Length;
            files = i == 0 ? open : files;
            Assert.InRange(open, 0, files + 2);
        }
    }

    static unsafe void Run(QnnGraph graph, float[] left, float[] right, float[] product)
    {
        fixed (float* x = left, y = right, z = product)
        {
            graph.BindInput(0, x, (nuint)left.Length * sizeof(float));
            graph.BindInput(1, y, (nuint)right.Length * sizeof(float));
            graph.BindOutput(0, z, (nuint)product.Length * sizeof(float));
            graph.Execute();
        }
    }
}
