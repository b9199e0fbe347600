using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Interop.Loading;

public sealed class QnnSearchTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("shadowattn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    QnnSearchPlaces Places(string rid = "linux-arm64") => new()
    {
        ExplicitPath = null,
        VariablePath = null,
        ApplicationFolder = Path.Combine(_folder, "app"),
        SdkRoot = Path.Combine(_folder, "sdk"),
        RuntimeIdentifier = rid,
        LibraryName = "libQnnHtp.so",
        AskSystem = false,
    };

    [Fact]
    public void The_order_is_application_runtimes_sdk_system()
    {
        IReadOnlyList<QnnSearchCandidate> candidates = QnnSearch.Candidates(Places("android-arm64") with { AskSystem = true });

        Assert.Equal(
            [
                new QnnSearchCandidate(QnnSearchSource.Application, Path.Combine(_folder, "app", "libQnnHtp.so")),
                new QnnSearchCandidate(QnnSearchSource.Application,
                    Path.Combine(_folder, "app", "runtimes", "android-arm64", "native", "libQnnHtp.so")),
                new QnnSearchCandidate(QnnSearchSource.Sdk, Path.Combine(_folder, "sdk", "lib", "aarch64-android", "libQnnHtp.so")),
                new QnnSearchCandidate(QnnSearchSource.System, "libQnnHtp.so"),
            ],
            candidates);
    }

    [Theory]
    [InlineData("linux-x64", "x86_64-linux-clang")]
    [InlineData("linux-arm64", "aarch64-ubuntu-gcc9.4")]
    [InlineData("win-arm64", "aarch64-windows-msvc")]
    [InlineData("win-x64", "x86_64-windows-msvc")]
    public void The_sdks_folder_is_that_of_the_platform(string rid, string triple)
    {
        IReadOnlyList<QnnSearchCandidate> candidates = QnnSearch.Candidates(Places(rid));

        Assert.Equal(Path.Combine(_folder, "sdk", "lib", triple, "libQnnHtp.so"),
            candidates.First(candidate => candidate.Source == QnnSearchSource.Sdk).Path);
    }

    [Fact]
    public void An_explicit_path_excludes_the_others()
    {
        QnnSearchPlaces places = Places() with { ExplicitPath = "/a/libQnnHtp.so", VariablePath = "/b/libQnnHtp.so" };

        Assert.Equal([new QnnSearchCandidate(QnnSearchSource.Explicit, "/a/libQnnHtp.so")], QnnSearch.Candidates(places));
        var e = Assert.Throws<QnnLoadException>(() => QnnSearch.Open(places));
        Assert.Equal("QNN library '/a/libQnnHtp.so' does not exist.", e.Message);
    }

    [Fact]
    public void The_variable_excludes_what_comes_after_it_and_is_named_in_the_error()
    {
        QnnSearchPlaces places = Places() with { VariablePath = "/b/libQnnHtp.so" };

        Assert.Equal([new QnnSearchCandidate(QnnSearchSource.EnvironmentVariable, "/b/libQnnHtp.so")], QnnSearch.Candidates(places));
        var e = Assert.Throws<QnnLoadException>(() => QnnSearch.Open(places));
        Assert.Equal("SHADOWATTN_QNN_BACKEND: QNN library '/b/libQnnHtp.so' does not exist.", e.Message);
    }

    [Fact]
    public void Finding_nothing_names_every_place_and_reason()
    {
        QnnSearchPlaces places = Places();
        string bad = Path.Combine(places.ApplicationFolder, "runtimes", "linux-arm64", "native", "libQnnHtp.so");
        Directory.CreateDirectory(Path.GetDirectoryName(bad)!);
        File.WriteAllText(bad, "no library");

        var e = Assert.Throws<QnnLoadException>(() => QnnSearch.Open(places));

        Assert.Equal(QnnLoadFailure.NothingFound, e.Failure);
        Assert.Contains($"{Path.Combine(places.ApplicationFolder, "libQnnHtp.so")} (not there)", e.Message);
        Assert.Contains($"{bad} (QNN library '{bad}' could not be loaded as a library", e.Message);
        Assert.Contains("set SHADOWATTN_QNN_BACKEND", e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_probe_says_of_every_place_what_is_there()
    {
        QnnSearchPlaces places = Places();
        string other = Path.Combine(places.ApplicationFolder, "libQnnHtp.so");
        Directory.CreateDirectory(places.ApplicationFolder);
        File.Copy(QnnLibraryTests.SystemLibrary(), other);

        IReadOnlyList<QnnSearchResult> results = QnnSearch.Probe(places);

        Assert.Equal(QnnSearch.Candidates(places), results.Select(result => result.Candidate));
        Assert.All(results, result => Assert.False(result.Usable));
        Assert.Contains("not a QNN one", results[0].Detail);
        Assert.Contains("does not exist", results[1].Detail);
    }
}
