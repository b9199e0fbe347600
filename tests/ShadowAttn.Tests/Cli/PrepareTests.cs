using System.Text;
using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Cli;

[Collection("HTP simulator")]
public sealed class PrepareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("v68", 30, 4)]
    [InlineData("v69", 36, 8)]
    [InlineData("v73", 43, 8)]
    [InlineData("v75", 57, 8)]
    [InlineData("v79", 69, 8)]
    [InlineData("v81", 87, 8)]
    [InlineData("v85", 103, 12)]
    public void Entries_are_for_the_chip_and_found_by_its_cache(string arch, uint soc, int vtcm)
    {
        HtpSimulator.SkipUnlessThere();
        string folder = _folder.File("cache");
        CommandRun run = CommandRun.Of(
            "prepare", "--arch", arch, "--shape", "4,2,300,800,64", "--shape", "4,2,1,601,64", "--backend", HtpSimulator.LibraryPath!, "--output", folder, "--json");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal(soc, json.RootElement.GetProperty("target").GetProperty("soc").GetUInt32());
        Assert.False(json.RootElement.GetProperty("verified_on_hardware").GetBoolean());
        JsonElement[] entries = [.. json.RootElement.GetProperty("entries").EnumerateArray()];
        Assert.Equal([2, 1], entries.Select(e => e.GetProperty("graphs").GetArrayLength()));
        Assert.All(entries, e => Assert.True(e.GetProperty("written").GetBoolean()));

        // As the device's own process would ask: its backend, its chip, the default options.
        QnnHtpArch generation = Enum.Parse<QnnHtpArch>(arch, ignoreCase: true);
        using QnnBackend backend = QnnBackend.Open(
            HtpSimulator.LibraryPath!, new QnnBackendOptions { Device = new QnnDeviceOptions { SocModel = soc, Arch = generation, VtcmMegabytes = vtcm } });
        ContextIdentity identity = ContextIdentity.Of(backend);
        Assert.Equal(ContextIdentity.DescribeSoc(soc, generation, vtcm), identity.Soc);
        var cache = new ContextCache(folder);
        PilotGraphSpec[] specs = new PilotShape(4, 2, 300, 800, 64, Causal: true).UniversalSpecs();
        using (var set = new PilotGraphSet(backend, new PilotOptions { Cache = cache }))
        {
            set.Get(specs);
            Assert.Equal((2, 0), (set.Preparation.FromCache, set.Preparation.Composed));
        }

        ReadOnlyMemory<byte>? binary = cache.TryRead(identity.Describe(specs, new PilotOptions()));
        Assert.NotNull(binary);
        Assert.Equal(soc, backend.Library.SystemLibrary.ReadBinary(binary.Value.Span).SocModel);
        backend.CreateContext(binary.Value.Span).Dispose();

        // The simulator writes what it prepared for into the binary.
        Assert.True(binary.Value.Span.IndexOf(Encoding.ASCII.GetBytes($";arch={(int)generation};")) >= 0, "prepared for another generation");
        Assert.True(binary.Value.Span.IndexOf(Encoding.ASCII.GetBytes($";vtcm_size={vtcm << 20};")) >= 0, "prepared for another size of memory");
    }

    [Fact]
    public void Entries_of_another_chip_are_left_alone_and_those_of_this_one_taken()
    {
        HtpSimulator.SkipUnlessThere();
        string trace = _folder.Write("trace.safetensors", TraceBytes.Trace([2, 40, 32], [1, 90, 32], [1, 90, 32], "\"causal\":\"true\""));
        string[] prepare = ["prepare", "--shape", "2,1,40,90,32", "--backend", HtpSimulator.LibraryPath!, "--output", _folder.Path];
        string[] run = ["run", "--input", trace, "--repeat", "1", "--backend", HtpSimulator.LibraryPath!, "--cache", _folder.Path];
        Assert.Equal(0, CommandRun.Of([.. prepare, "--arch", "v79"]).ExitCode);
        Assert.Contains("0 from the cache, 1 composed", CommandRun.Of(run).Output, StringComparison.Ordinal);

        // The simulator takes itself for an SM8350.
        Assert.Equal(0, CommandRun.Of("cache", "clear", "--cache", _folder.Path).ExitCode);
        CommandRun prepared = CommandRun.Of([.. prepare, "--arch", "v68"]);
        Assert.Contains("target   SoC 30 (SM8350), HTP V68, 4 MB VTCM", prepared.Output, StringComparison.Ordinal);
        Assert.Contains("has not been verified on hardware", prepared.Output, StringComparison.Ordinal);
        Assert.Contains("1 from the cache, 0 composed", CommandRun.Of(run).Output, StringComparison.Ordinal);
        Assert.Contains("already there", CommandRun.Of([.. prepare, "--arch", "v68"]).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_chip_that_the_backend_does_not_know_is_refused()
    {
        HtpSimulator.SkipUnlessThere();
        string folder = _folder.File("none");
        CommandRun.Of(
            "prepare", "--arch", "v75", "--soc", "5000", "--vtcm", "8", "--shape", "2,1,40,90,32", "--backend", HtpSimulator.LibraryPath!, "--output", folder)
            .AssertBadInput("does not know SoC 5000");
        Assert.False(Directory.Exists(folder));
    }

    [Theory]
    [InlineData("Option '--arch' is required", "--shape", "2,1,4,9,32", "--output", "x")]
    [InlineData("Option '--shape' is required", "--arch", "v75", "--output", "x")]
    [InlineData("Option '--output' is required", "--arch", "v75", "--shape", "2,1,4,9,32")]
    [InlineData("--arch: unknown value 'v74'; choose v68, v69, v73, v75, v79, v81 or v85", "--arch", "v74", "--shape", "2,1,4,9,32", "--output", "x")]
    [InlineData("--shape: '2,1,4,9' is not heads,kvHeads,queries,keys,dim", "--arch", "v75", "--shape", "2,1,4,9", "--output", "x")]
    [InlineData("--shape: '' in '2,1,,9,32' is not a whole number from 1", "--arch", "v75", "--shape", "2,1,,9,32", "--output", "x")]
    [InlineData("--shape: '-4' in '2,1,-4,9,32' is not", "--arch", "v75", "--shape", "2,1,-4,9,32", "--output", "x")]
    [InlineData("--shape: '4097' in", "--arch", "v75", "--shape", "2,1,4,9,4097", "--output", "x")]
    [InlineData("--shape: 3 heads are no multiple of 2 KV heads", "--arch", "v75", "--shape", "2,1,4,9,32", "--shape", "3,2,4,9,32", "--output", "x")]
    [InlineData("--shape: 10 queries are more than the 9 keys", "--arch", "v75", "--shape", "2,1,10,9,32", "--output", "x")]
    [InlineData("--soc: 43 is SM8550, an HTP v73 and not v75", "--arch", "v75", "--soc", "43", "--shape", "2,1,4,9,32", "--output", "x")]
    [InlineData("--vtcm: is needed for SoC 500", "--arch", "v75", "--soc", "500", "--shape", "2,1,4,9,32", "--output", "x")]
    [InlineData("--backend: the built-in backend prepares nothing", "--arch", "v75", "--shape", "2,1,4,9,32", "--backend", "soft", "--output", "x")]
    [InlineData("does not exist", "--arch", "v75", "--shape", "2,1,4,9,32", "--backend", "/no/libQnnHtp.so", "--output", "x")]
    [InlineData("--output: is empty", "--arch", "v75", "--shape", "2,1,4,9,32", "--output", "")]
    public void Bad_usage_is_one_line(string reason, params string[] arguments) => CommandRun.Of(["prepare", .. arguments]).AssertBadInput(reason);

    [Fact]
    public void An_output_that_is_no_folder_is_refused()
    {
        HtpSimulator.SkipUnlessThere();
        string file = _folder.Write("file", [1]);
        CommandRun.Of("prepare", "--arch", "v75", "--shape", "2,1,4,9,32", "--backend", HtpSimulator.LibraryPath!, "--output", file)
            .AssertBadInput(file, "is a file");
        CommandRun.Of("prepare", "--arch", "v75", "--shape", "2,1,4,9,32", "--backend", HtpSimulator.LibraryPath!, "--output", Path.Combine(file, "below"))
            .AssertBadInput("--output: ", "cannot be written");
    }

    [Fact]
    public void Help_says_what_is_not_verified() =>
        Assert.Contains("has not been verified on hardware", CommandRun.Of("prepare", "--help").Output, StringComparison.Ordinal);
}
