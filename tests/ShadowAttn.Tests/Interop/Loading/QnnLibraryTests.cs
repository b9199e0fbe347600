using System.Runtime.InteropServices;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Loading;

[Collection("fake provider")]
public sealed unsafe class QnnLibraryTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("shadowattn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_missing_file_is_named()
    {
        string path = Path.Combine(_folder, "libQnnHtp.so");

        var e = Assert.Throws<QnnLoadException>(() => QnnLibrary.Load(path));

        Assert.Equal(QnnLoadFailure.FileMissing, e.Failure);
        Assert.Equal($"QNN library '{path}' does not exist.", e.Message);
        Assert.Equal(path, e.Library);
    }

    [Fact]
    public void A_folder_is_no_library()
    {
        var e = Assert.Throws<QnnLoadException>(() => QnnLibrary.Load(_folder + Path.DirectorySeparatorChar));

        Assert.Equal(QnnLoadFailure.FileMissing, e.Failure);
        Assert.Contains("is a folder, not a library", e.Message);
    }

    [Fact]
    public void A_text_file_is_no_library_and_the_loaders_reason_is_given()
    {
        string path = Path.Combine(_folder, "libQnnHtp.so");
        File.WriteAllText(path, "This is not an ELF file, but long enough to have had a header of one if it had been.");

        var e = Assert.Throws<QnnLoadException>(() => QnnLibrary.Load(path));

        Assert.Equal(QnnLoadFailure.NotALibrary, e.Failure);
        Assert.StartsWith($"QNN library '{path}' could not be loaded as a library: ", e.Message);
        Assert.DoesNotContain('\n', e.Message);
        if (OperatingSystem.IsLinux())
        {
            Assert.EndsWith("invalid ELF header", e.Message);
        }
    }

    [Fact]
    public void Another_library_is_no_qnn_library()
    {
        string other = SystemLibrary();

        var e = Assert.Throws<QnnLoadException>(() => QnnLibrary.Load(other));

        Assert.Equal(QnnLoadFailure.NotQnn, e.Failure);
        Assert.Equal($"'{other}' is a library, but not a QNN one: it does not export QnnInterface_getProviders.", e.Message);
    }

    [Fact]
    public void A_name_that_the_systems_loader_does_not_know_is_missing()
    {
        var e = Assert.Throws<QnnLoadException>(() => QnnLibrary.Load("libshadowattn-no-such-backend.so"));

        Assert.Equal(QnnLoadFailure.FileMissing, e.Failure);
        Assert.Contains("was not found by the system's loader", e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_table_without_providers_is_refused()
    {
        var none = Assert.Throws<QnnLoadException>(() => QnnLibrary.FromProviderTable(null, 0, "empty"));
        QnnInterface_t* nothing = null;
        var nulls = Assert.Throws<QnnLoadException>(() => FromOne(nothing));

        Assert.Equal(QnnLoadFailure.NoProviders, none.Failure);
        Assert.Equal("'empty' is a QNN library but offers no interface provider.", none.Message);
        Assert.Equal(QnnLoadFailure.NoProviders, nulls.Failure);
    }

    [Theory]
    [InlineData(1, 32)]
    [InlineData(2, 17)]
    [InlineData(2, 8)]
    [InlineData(3, 0)]
    public void An_unsuitable_version_is_refused(int major, int minor)
    {
        using var fake = new FakeProvider(major, minor, name: "OLD");

        var e = Assert.Throws<QnnLoadException>(() => FromOne(fake.Table));

        Assert.Equal(QnnLoadFailure.UnsuitableVersion, e.Failure);
        Assert.Equal($"'fake' offers OLD with core API {major}.{minor}.0; needed is 2.18 or a later 2.x. "
            + "Use the backend of a newer QNN SDK (2.25 or later).", e.Message);
    }

    [Fact]
    public void The_newest_suitable_provider_is_taken()
    {
        using var fake = new FakeProvider();
        QnnInterface_t old = *fake.Table;
        QnnInterface_t tooNew = *fake.Table;
        old.apiVersion.coreApiVersion.minor = 20;
        tooNew.apiVersion.coreApiVersion.major = 3;
        QnnInterface_t** providers = stackalloc QnnInterface_t*[] { &old, null, fake.Table, &tooNew, &old };

        using var library = QnnLibrary.FromProviderTable(providers, 5, "several");

        Assert.Equal(new QnnApiVersion(2, 32, 0), library.Info.CoreApiVersion);
        Assert.Equal(new QnnApiVersion(5, 43, 0), library.Info.BackendApiVersion);
        Assert.Equal("HTP_FAKE", library.Info.Name);
        Assert.Equal(["2.20.0", "2.32.0", "3.32.0", "2.20.0"], library.Providers.Select(provider => provider.CoreApiVersion.ToString()));
    }

    // The table's memory ends with its last function, at an inaccessible page.
    [Theory]
    [InlineData(18, 62)]
    [InlineData(21, 62)]
    [InlineData(22, 64)]
    [InlineData(25, 66)]
    [InlineData(26, 67)]
    [InlineData(27, 68)]
    [InlineData(28, 69)]
    [InlineData(31, 69)]
    [InlineData(32, 71)]
    [InlineData(40, 71)]
    public void No_more_functions_are_read_than_a_version_has(int minor, int slots)
    {
        using var fake = new FakeProvider(minor: minor, slots: slots);

        using QnnLibrary library = fake.Library();

        QnnInterface_ImplementationV2_32_t table = library.Provider.Table;
        var functions = new ReadOnlySpan<nint>(&table, 71);
        Assert.Equal(slots, functions.IndexOf(0) is var first && first < 0 ? 71 : first);
        Assert.True(functions[slots..].IndexOfAnyExcept(0) < 0);
    }

    [Fact]
    public void An_in_process_backend_has_no_system_library_unless_it_brings_one()
    {
        using var fake = new FakeProvider();
        using QnnLibrary library = fake.Library();

        var e = Assert.Throws<QnnLoadException>(() => library.SystemLibrary);

        Assert.Equal("The in-process backend 'fake' has no system interface.", e.Message);
    }

    internal static string SystemLibrary()
    {
        string name = OperatingSystem.IsWindows() ? "System.Native.dll" : "libSystem.Native.so";
        return File.Exists(Path.Combine(AppContext.BaseDirectory, name))
            ? Path.Combine(AppContext.BaseDirectory, name)
            : Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), name);
    }

    static QnnLibrary FromOne(QnnInterface_t* provider) => QnnLibrary.FromProviderTable(provider, "fake");
}
