using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using Xunit;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>The HTP backend for Linux x86_64, where the machine has it unpacked.</summary>
internal static unsafe class HtpSimulator
{
    private static readonly Lock Gate = new();
    private static QnnInterface_t* s_provider;

    /// <summary>Path of libQnnHtp.so, or null.</summary>
    internal static string? LibraryPath()
    {
        string folder = Environment.GetEnvironmentVariable("SHADOWATTN_TEST_QNN_SDK")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "shadowattn-test", "qnn-2.51");
        foreach (string relative in (string[])["onnxruntime_qnn/libQnnHtp.so", "libQnnHtp.so", "lib/x86_64-linux-clang/libQnnHtp.so"])
        {
            string path = Path.Combine(folder, relative);
            if (File.Exists(path))
            {
                return path;
            }
        }
        return null;
    }

    internal static QnnInterface_t* Provider()
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "the HTP simulator runs on Linux x64 only");
        string? path = LibraryPath();
        Assert.SkipUnless(path is not null, "no HTP simulator: set SHADOWATTN_TEST_QNN_SDK to an unpacked QNN SDK");
        lock (Gate)
        {
            if (s_provider == null)
            {
                nint library = NativeLibrary.Load(path!);
                var getProviders = (delegate* unmanaged[Cdecl]<QnnInterface_t***, uint*, ulong>)NativeLibrary.GetExport(
                    library, "QnnInterface_getProviders");
                QnnInterface_t** providers;
                uint count;
                Assert.Equal(0UL, getProviders(&providers, &count));
                Assert.True(count >= 1);
                s_provider = providers[0];
            }
            return s_provider;
        }
    }
}
