using System.Runtime.InteropServices;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Packages;

/// <summary>A QNN backend that a program can load: the software one as a library where it was built, else the HTP simulator.</summary>
internal static class BackendInAFile
{
    public static string PathOrSkip()
    {
        string library = Environment.GetEnvironmentVariable("SHADOWATTN_TEST_SOFTHTP_LIBRARY")
            ?? Path.Combine(Repository.RootOrSkip(), "artifacts", "softhtp", RuntimeInformation.RuntimeIdentifier, "libQnnSoftHtp.so");
        if (File.Exists(library))
        {
            return library;
        }

        Assert.SkipWhen(
            HtpSimulator.LibraryPath is null || RuntimeInformation.ProcessArchitecture != Architecture.X64,
            "no backend in a file: run `dotnet cake --target=softhtp-library`, or unpack the HTP simulator");
        return HtpSimulator.LibraryPath!;
    }
}
