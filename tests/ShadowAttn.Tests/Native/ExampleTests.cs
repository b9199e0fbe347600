using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>The examples, built as their comments say and run; on arm64 under emulation, and under tools that look for wrong uses of memory.</summary>
public class ExampleTests
{
    private static string Examples => Path.Combine(NativeArtifacts.Sources, "examples");

    // With names: the tools' lists of what is no fault go by them.
    private static string NamedLibrary()
    {
        string library = NativeArtifacts.Library();
        string named = Path.Combine(Path.GetDirectoryName(library)!, "symbols", Path.GetFileName(library));
        Assert.SkipUnless(File.Exists(named), $"no {named}: run `dotnet cake --target=native-library`");
        return named;
    }

    private static string Build(TemporaryFolder folder, string example, string program)
    {
        string cmake = NativeArtifacts.Tool("cmake", "cmake"), library = NativeArtifacts.Library();
        NativeArtifacts.Tool("make", "make");
        NativeArtifacts.RunWell(cmake, ["-S", Path.Combine(Examples, example), "-B", folder.File("build"), $"-DSHADOWATTN_LIBRARY={library}"]);
        NativeArtifacts.RunWell(cmake, ["--build", folder.File("build")]);
        return Path.Combine(folder.File("build"), program);
    }

    private static string Compile(TemporaryFolder folder, string compiler, string library, params string[] options)
    {
        string program = folder.File("example"), c = Path.Combine(Examples, "c");
        NativeArtifacts.RunWell(compiler,
        [
            "-std=c99", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", .. options, "-I", Path.Combine(NativeArtifacts.Sources, "include"),
            Path.Combine(c, "main.c"), Path.Combine(c, "safetensors.c"), library, $"-Wl,-rpath,{Path.GetDirectoryName(library)}", "-lm", "-o", program,
        ]);
        return program;
    }

    private static void AssertRight(string output) => Assert.Contains("all right\n", output, StringComparison.Ordinal);

    [Fact]
    public void C_example()
    {
        using var folder = new TemporaryFolder();
        string program = Build(folder, "c", "shadowattn_example");
        AssertRight(NativeArtifacts.RunWell(program, [NativeArtifacts.Trace]));
        string output = NativeArtifacts.RunWell(program, [NativeArtifacts.Trace, "soft"]);
        AssertRight(output);
        Assert.Contains("backend: SOFTHTP", output, StringComparison.Ordinal);
        (int code, output) = NativeArtifacts.Run(program, [NativeArtifacts.Trace, "/no/such/library.so"]);
        Assert.Equal(1, code);
        Assert.Contains("SA_ERROR_BACKEND_LOAD", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Cpp_example()
    {
        NativeArtifacts.Tool("c++", "g++");
        using var folder = new TemporaryFolder();
        AssertRight(NativeArtifacts.RunWell(Build(folder, "cpp", "shadowattn_cpp"), []));
    }

    [Fact]
    public void Python_example()
    {
        string python = NativeArtifacts.Tool("python3", "python3");
        AssertRight(NativeArtifacts.RunWell(python, [Path.Combine(Examples, "python", "example.py"), NativeArtifacts.Library(), NativeArtifacts.Trace]));
    }

    [Theory]
    [InlineData("max")]
    [InlineData("cortex-a57")]
    public void C_example_on_arm64(string cpu)
    {
        string compiler = NativeArtifacts.Tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"), qemu = NativeArtifacts.Tool("qemu-aarch64", "qemu-user");
        string library = NativeArtifacts.Arm64Library();
        using var folder = new TemporaryFolder();
        string program = Compile(folder, compiler, library);
        string output = NativeArtifacts.RunWell(qemu, ["-L", NativeArtifacts.Arm64Sysroot, "-cpu", cpu, program, NativeArtifacts.Trace]);
        AssertRight(output);
        Assert.Contains(cpu == "max" ? " on dp: " : " on advsimd: ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("soft")]
    public void C_example_under_AddressSanitizer(string backend)
    {
        string library = NamedLibrary(), compiler = NativeArtifacts.Tool("cc", "gcc");
        using var folder = new TemporaryFolder();
        string program = Compile(folder, compiler, library, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer");
        string suppressions = Path.Combine(NativeArtifacts.Root(), "eng/native/lsan.supp");
        AssertRight(NativeArtifacts.RunWell(
            program, backend.Length == 0 ? [NativeArtifacts.Trace] : [NativeArtifacts.Trace, backend],
            ("LSAN_OPTIONS", $"suppressions={suppressions}:print_suppressions=0"), ("ASAN_OPTIONS", "detect_leaks=1")));
    }

    [Fact]
    public void C_example_under_valgrind()
    {
        string library = NamedLibrary(), compiler = NativeArtifacts.Tool("cc", "gcc"), valgrind = NativeArtifacts.Tool("valgrind", "valgrind");
        using var folder = new TemporaryFolder();
        string program = Compile(folder, compiler, library);
        string output = NativeArtifacts.RunWell(valgrind,
        [
            "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible", "--num-callers=30",
            $"--suppressions={Path.Combine(NativeArtifacts.Root(), "eng/native/valgrind.supp")}", program, NativeArtifacts.Trace,
        ]);
        AssertRight(output);
        Assert.Contains("ERROR SUMMARY: 0 errors", output, StringComparison.Ordinal);
        Assert.Contains("definitely lost: 0 bytes", output, StringComparison.Ordinal);
    }
}
