using System.Runtime.InteropServices;
using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Interop.Htp;

/// <summary>
/// The HTP simulator of an unpacked QNN SDK, if this machine has one: the folder in SHADOWATTN_TEST_QNN_SDK, or
/// ~/.cache/shadowattn-test/qnn-2.51. Shared by the tests of its collection, which run one after the other.
/// </summary>
public sealed class HtpSimulator : IDisposable
{
    public const string FolderVariable = "SHADOWATTN_TEST_QNN_SDK";

    QnnBackend? _backend;

    public static string? LibraryPath { get; } = Find();

    public QnnBackend Backend => _backend ??= QnnBackend.Open(LibraryPath!);

    public static void SkipUnlessThere()
    {
        Assert.SkipWhen(RuntimeInformation.ProcessArchitecture != Architecture.X64 || !OperatingSystem.IsLinux(),
            "The HTP simulator is for Linux x64 only.");
        Assert.SkipWhen(LibraryPath is null,
            $"No HTP simulator here: set {FolderVariable} to the unpacked QNN libraries, or put them into ~/.cache/shadowattn-test/qnn-2.51.");
    }

    public void Dispose() => _backend?.Dispose();

    static string? Find()
    {
        string root = Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } given
            ? given
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "shadowattn-test", "qnn-2.51");
        string[] places =
        [
            Path.Combine(root, "libQnnHtp.so"),
            Path.Combine(root, "onnxruntime_qnn", "libQnnHtp.so"),
            Path.Combine(root, "lib", "x86_64-linux-clang", "libQnnHtp.so"),
        ];
        return places.FirstOrDefault(File.Exists);
    }
}

[CollectionDefinition("HTP simulator", DisableParallelization = true)]
public sealed class HtpSimulatorTestGroup : ICollectionFixture<HtpSimulator>;
