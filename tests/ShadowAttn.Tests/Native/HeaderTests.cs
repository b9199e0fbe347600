using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using ShadowAttn.Native;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>shadowattn.h as compilers see it, against what the library has.</summary>
public class HeaderTests
{
    private static readonly (string Name, Type Type)[] Structs =
    [
        ("sa_usage", typeof(SaUsage)), ("sa_backend_options", typeof(SaBackendOptions)), ("sa_profile_info", typeof(SaProfileInfo)),
        ("sa_attention_options", typeof(SaAttentionOptions)), ("sa_tensor", typeof(SaTensor)), ("sa_operator_time", typeof(SaOperatorTime)),
        ("sa_stats", typeof(SaStats)), ("sa_call", typeof(SaCall)), ("sa_cache_options", typeof(SaCacheOptions)),
    ];

    private static string Header => Path.Combine(NativeArtifacts.Sources, "include", "shadowattn.h");

    [Theory]
    [InlineData("cc", "c", "-std=c99")]
    [InlineData("cc", "c", "-std=c11")]
    [InlineData("cc", "c++", "-std=c++17")]
    [InlineData("clang-19", "c", "-std=c99")]
    [InlineData("clang-19", "c++", "-std=c++20")]
    [InlineData("aarch64-linux-gnu-gcc", "c", "-std=c11")]
    public void Compiles_without_a_warning(string compiler, string language, string standard)
    {
        string program = NativeArtifacts.Tool(compiler, compiler == "cc" ? "gcc" : compiler);
        string[] wide = compiler.StartsWith("clang", StringComparison.Ordinal) && language == "c" ? ["--target=x86_64-linux-gnu"] : [];
        string[] headers = [.. Directory.GetFiles(Path.GetDirectoryName(Header)!, language == "c++" ? "*.h*" : "*.h").Select(f => Path.GetFileName(f))];
        foreach (string header in headers)
        {
            string path = Path.Combine(NativeArtifacts.Sources, "include", header);
            NativeArtifacts.RunWell(
                program, [.. wide, "-x", language, standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-pragma-once-outside-header", "-fsyntax-only", path]);
        }
    }

    [Fact]
    public void Structs_have_the_layout_that_the_library_reads()
    {
        string compiler = NativeArtifacts.Tool("cc", "gcc");
        var source = new StringBuilder("#include <stdio.h>\n#include \"shadowattn.h\"\nint main(void) {\n");
        var expected = new StringBuilder();
        foreach ((string name, Type type) in Structs)
        {
            source.AppendLine(CultureInfo.InvariantCulture, $"printf(\"{name} %zu\\n\", sizeof({name}));");
            expected.Append(CultureInfo.InvariantCulture, $"{name} {SizeOf(type)}\n");
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
            {
                string c = Regex.Replace(field.Name, "(?<!^)[A-Z]", m => "_" + m.Value).ToLowerInvariant();
                source.AppendLine(CultureInfo.InvariantCulture, $"printf(\"{name}.{c} %zu\\n\", offsetof({name}, {c}));");
                expected.Append(CultureInfo.InvariantCulture, $"{name}.{c} {Marshal.OffsetOf(type, field.Name)}\n");
            }
        }

        source.AppendLine("return 0;\n}");
        using var folder = new TemporaryFolder();
        string file = folder.Write("layout.c", Encoding.UTF8.GetBytes(source.ToString()));
        NativeArtifacts.RunWell(compiler, ["-std=c99", "-Wall", "-Werror", "-I", Path.GetDirectoryName(Header)!, file, "-o", folder.File("layout")]);
        Assert.Equal(expected.ToString(), NativeArtifacts.RunWell(folder.File("layout"), []));
    }

    [Fact]
    public void Every_function_is_there_and_no_other()
    {
        string header = File.ReadAllText(Header);
        string[] declared = [.. Regex.Matches(header, @"SA_API [^;(]*SA_CALL (sa_\w+)\(").Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal)];
        Assert.Equal(SaApi.Names.Order(StringComparer.Ordinal), declared);
        SaApi library = SaApi.Library();
        nint handle = NativeLibrary.Load(library.Path!);
        Assert.All(declared, name => Assert.True(NativeLibrary.TryGetExport(handle, name, out _), name));
    }

    [Fact]
    public unsafe void Constants_are_the_library_s()
    {
        string header = File.ReadAllText(Header);
        foreach (SaStatus status in Enum.GetValues<SaStatus>())
        {
            string name = Marshal.PtrToStringUTF8((nint)SaApi.InProcess.ErrorName((int)status))!;
            Assert.Matches($@"\b{name} = {(int)status}\b", header);
        }

        Version version = typeof(Exports).Assembly.GetName().Version!;
        int number = (version.Major * 10000) + (version.Minor * 100) + version.Build;
        Assert.Contains($"#define SA_VERSION {number}\n", header, StringComparison.Ordinal);
        Assert.Equal((uint)number, SaApi.InProcess.VersionNumber());
        Assert.Equal(version.ToString(3), Marshal.PtrToStringUTF8((nint)SaApi.InProcess.Version()));
        Assert.Contains($"operators[{SaStats.OperatorTimes.Length}]", header, StringComparison.Ordinal);
        Assert.Contains($"SA_MAX_OPERATORS = {SaStats.OperatorTimes.Length} ", header, StringComparison.Ordinal);
    }

    private static int SizeOf(Type type) => (int)typeof(System.Runtime.CompilerServices.Unsafe).GetMethod("SizeOf")!.MakeGenericMethod(type).Invoke(null, null)!;
}
