using System.Globalization;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>What the library costs a program that loads it.</summary>
[Collection(ProcessStateCollection.Name)]
public class StartupTests
{
    private const long MaxBytes = 8 << 20;
    private const double MaxMilliseconds = 50;

    [Fact]
    public void The_library_is_small() => Assert.InRange(new FileInfo(NativeArtifacts.Library()).Length, 1 << 20, MaxBytes);

    [Fact]
    public void The_first_attention_is_computed_soon_after_loading()
    {
        string library = NativeArtifacts.Library(), compiler = NativeArtifacts.Tool("cc", "gcc");
        using var folder = new TemporaryFolder();
        string program = folder.File("startup");
        NativeArtifacts.RunWell(compiler,
        [
            "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-I", Path.Combine(NativeArtifacts.Sources, "include"),
            Path.Combine(NativeArtifacts.Root(), "tests/ShadowAttn.Tests/Native/client/startup.c"), "-o", program, "-ldl",
        ]);

        // Other processes disturb; the fastest of a few starts says what the library itself takes.
        double[][] runs =
        [
            .. Enumerable.Range(0, 8).Select(_ => NativeArtifacts.RunWell(program, [library]).Split(' ').Select(t => double.Parse(t, CultureInfo.InvariantCulture)).ToArray()),
        ];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"loaded {runs.Min(r => r[0])} ms, first call {runs.Min(r => r[1])} ms, first attention {runs.Min(r => r[2])} ms");
        Assert.InRange(runs.Min(r => r[2]), 0, MaxMilliseconds);
    }
}
