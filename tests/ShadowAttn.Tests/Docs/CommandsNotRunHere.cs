using System.Text.RegularExpressions;

namespace ShadowAttn.Tests.Docs;

/// <summary>The commands of the pages that no test runs as they stand, each with the reason.</summary>
internal static class CommandsNotRunHere
{
    /// <summary>A pattern of page and command, as in "docs/page.md: command", and why it is not run.</summary>
    public static IReadOnlyList<(string Pattern, string Reason)> All { get; } =
    [
        ("docs/run-on-a-phone.md: (adb|cd|chmod|export|\\./shadowattn) ?", "needs a phone"),
        ("docs/run-on-a-phone.md: dotnet publish .* -r linux-bionic-arm64", "needs the Android NDK"),
        (".*: shadowattn conformance --backend libQnnHtp.so", "run by ConformanceTests, which know what the simulator does not pass"),
        ("docs/run-on-windows-on-arm.md: dotnet build ", "downloads Qualcomm's libraries; the property's effect is tested by BackendLayoutTests"),
        ("docs/run-on-windows-on-arm.md: shadowattn (conformance|run) --backend .*/win-arm64/", "needs Windows on Arm"),
        ("docs/tune-a-kernel.md: .*(shadowattn|ShadowAttn.Bench --) (bench|suites) ", "run by TuneAKernelTests, which knows what each machine can run"),
        ("docs/tune-a-kernel.md: (alias|aarch64-linux-gnu-objdump) ", "of the shell, and of the arm64 tool chain"),
        ("docs/embed-in-c.md: (cmake|artifacts/examples/|python3) ?", "run by the tests in tests/ShadowAttn.Tests/Native with the library that was built"),
        (".*: dotnet test -c Release$", "is what runs this test"),
        (".*: SHADOWATTN_TEST_QNN_SDK=~/qnn dotnet test", "is what runs this test"),
        (".*: dotnet build -c Release$", "was run before this test"),
        (".*: dotnet run -c Release --project tests/ShadowAttn.Tests ", "is this program with a filter"),
        (".*: (pip download|unzip) ", "downloads Qualcomm's libraries, or unpacks what was downloaded"),
        (".*: bash (\\.ci/run|eng/test-arm64\\.sh)", "takes many minutes; continuous integration runs it"),
        (".*: dotnet tool install ", "run by PackedPackagesTests with the packed tool"),
        ("native/ShadowAttn.Native.Package/README.md: ", "of the packed library; PackedPackagesTests checks the files, and the tests of the C interface the program"),
    ];

    /// <summary>Why a command is not run; null when it is to be run.</summary>
    public static string? ReasonFor(DocCommand command) =>
        All.Where(entry => Regex.IsMatch($"{command.Page}: {command.Text}", $"^{entry.Pattern}")).Select(entry => entry.Reason).FirstOrDefault();
}
