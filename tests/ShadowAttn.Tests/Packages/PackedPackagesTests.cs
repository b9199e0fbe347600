using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace ShadowAttn.Tests.Packages;

/// <summary>
/// What `dotnet cake --target=pack` made, as its users get it: metadata, and fresh projects that restore the packages into a folder of their own, are built with
/// warnings as errors, compiled ahead of time, and run. Their programs are those of the packages' README.md files and of the docs.
/// </summary>
public sealed partial class PackedPackagesTests
{
    public static TheoryData<string, string[]> Dependencies => new()
    {
        { "ShadowAttn.Memory", [] },
        { "ShadowAttn.Interop", ["Microsoft.Extensions.Logging.Abstractions"] },
        { "ShadowAttn.Kernels", ["ShadowAttn.Memory"] },
        { "ShadowAttn.Graphs", ["Microsoft.Extensions.Logging.Abstractions", "ShadowAttn.Interop", "ShadowAttn.Memory"] },
        {
            "ShadowAttn.Attention",
            ["Microsoft.Extensions.Logging.Abstractions", "ShadowAttn.Graphs", "ShadowAttn.Interop", "ShadowAttn.Kernels", "ShadowAttn.Memory"]
        },
        { "ShadowAttn.SoftHtp", ["Microsoft.Extensions.Logging.Abstractions", "ShadowAttn.Interop", "ShadowAttn.Kernels", "ShadowAttn.Memory"] },
    };

    [Theory]
    [MemberData(nameof(Dependencies))]
    public void A_package_depends_on_what_it_uses_and_on_nothing_else(string package, string[] expected)
    {
        XElement metadata = Metadata(PackageFolder.FileOf(package));
        Assert.Equal(expected, metadata.Descendants().Where(e => e.Name.LocalName == "dependency").Select(e => e.Attribute("id")!.Value).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("ShadowAttn.Memory")]
    [InlineData("ShadowAttn.Interop")]
    [InlineData("ShadowAttn.Kernels")]
    [InlineData("ShadowAttn.Graphs")]
    [InlineData("ShadowAttn.Attention")]
    [InlineData("ShadowAttn.SoftHtp")]
    [InlineData("shadowattn")]
    public void A_package_says_what_it_is(string package)
    {
        string path = PackageFolder.FileOf(package);
        XElement metadata = Metadata(path);
        string Value(string name) => metadata.Elements().Single(e => e.Name.LocalName == name).Value;
        Assert.Equal(("Apache-2.0", "README.md"), (Value("license"), Value("readme")));
        Assert.InRange(Value("description").Length, 40, 400);
        Assert.InRange(Value("tags").Split(' ').Length, 4, 12);
        Assert.Matches("^[0-9a-f]{40}$", metadata.Elements().Single(e => e.Name.LocalName == "repository").Attribute("commit")?.Value ?? "");
        Assert.DoesNotMatch("(?i)file:|/home/|/root/|/tmp/|/work/|nuget\\.org/v3|localhost", metadata.ToString());
        using ZipArchive archive = ZipFile.OpenRead(path);
        string[] files = [.. archive.Entries.Select(e => e.FullName)];
        Assert.Contains("LICENSE", files);
        Assert.Contains("NOTICE", files);
        Assert.Contains("THIRD-PARTY-NOTICES.md", files);
        Assert.StartsWith($"# {package}\n", Text(archive, "README.md").ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.DoesNotContain(files, f => f.EndsWith(".pdb", StringComparison.Ordinal) && package != "shadowattn");
        Assert.DoesNotContain(files, f => f.Contains("Qnn", StringComparison.Ordinal) && f.EndsWith(".so", StringComparison.Ordinal));
        if (package != "shadowattn")
        {
            Assert.Contains($"lib/net10.0/{package}.dll", files);
            Assert.Contains($"lib/net10.0/{package}.xml", files);
            using ZipArchive symbols = ZipFile.OpenRead(Path.ChangeExtension(path, ".snupkg"));
            Assert.Contains(symbols.Entries, e => e.FullName == $"lib/net10.0/{package}.pdb");
        }
    }

    [Fact]
    public void Attention_runs_in_a_fresh_project_and_compiled_ahead_of_time()
    {
        using var project = new FreshProject("attention", ["ShadowAttn.Attention", "ShadowAttn.SoftHtp"], $$"""
            using ShadowAttn.Attention;
            using ShadowAttn.Interop;
            using ShadowAttn.Memory;
            using ShadowAttn.SoftHtp;

            var random = new Random(1);
            TensorView<float> q = Tensor(12, 64), k = Tensor(2, 4096), v = Tensor(2, 4096), o = Tensor(12, 64), exact = Tensor(12, 64);
            Shadow();
            using var dense = new ShadowAttention(null, new AttentionOptions { Heads = 12, KvHeads = 2, HeadDim = 128, Mode = AttentionMode.Dense });
            dense.Compute(q, k, v, exact);
            double difference = 0, norm = 0;
            for (int i = 0; i < 12 * 64; i++)
            {
                difference += Math.Pow(o[i / 64, i % 64, 0] - exact[i / 64, i % 64, 0], 2);
                norm += Math.Pow(exact[i / 64, i % 64, 0], 2);
            }

            Console.WriteLine(Math.Sqrt(difference / norm) is > 0 and < 0.1 ? "close to exact attention" : $"off by {Math.Sqrt(difference / norm)}");

            void Shadow()
            {
                {{SampleOf("ShadowAttn.Attention")}}
            }

            unsafe TensorView<float> Tensor(int heads, int rows)
            {
                var view = new TensorView<float>((float*)UnmanagedBuffer.Allocate((long)heads * rows * 128 * sizeof(float)).Pointer, heads, rows, 128);
                for (int i = 0; i < heads * rows * 128; i++)
                {
                    view[i / (rows * 128), i / 128 % rows, i % 128] = random.NextSingle();
                }

                return view;
            }
            """);
        foreach (string output in new[] { project.Run(), project.RunAheadOfTime() })
        {
            Assert.Matches("^[0-9]+ of [0-9]+ keys in [0-9.E-]+ ms\nclose to exact attention\n$", output);
        }

        project.AssertPackagesAreThoseOfTheFolder();
    }

    [Fact]
    public void The_qnn_client_of_the_docs_runs_with_the_package_of_the_bindings_alone()
    {
        string backend = BackendInAFile.PathOrSkip();
        string page = File.ReadAllText(Path.Combine(Repository.RootOrSkip(), "docs", "qnn-client-in-csharp.md"));
        string[] blocks = [.. CodeBlock().Matches(page).Select(m => m.Groups[1].Value)];
        string[] lines = blocks[1].Split('\n');
        int start = Array.FindIndex(lines, l => l.StartsWith("using QnnGraphBuilder", StringComparison.Ordinal));
        int end = Array.FindIndex(lines, l => l.StartsWith("using QnnGraph graph", StringComparison.Ordinal));
        string compose = string.Join('\n', lines[start..end]).Replace("\"scores\"", "name", StringComparison.Ordinal);
        using var project = new FreshProject("client", ["ShadowAttn.Interop"], $$"""
            {{string.Join('\n', blocks)}}

            QnnGraph Compose(QnnContext context, string name, QnnProfile profile)
            {
                {{compose}}
                return builder.FinalizeGraph(profile);
            }
            """);
        foreach (string output in new[] { project.Run(backend), project.RunAheadOfTime(backend) })
        {
            Assert.Contains("3 · 5 · 64 / 64 = 15\n", output, StringComparison.Ordinal);
            Assert.Contains(" bytes hold 2 graphs", output, StringComparison.Ordinal);
            Assert.Contains("contextCreateFromBinary: ", output, StringComparison.Ordinal);
        }

        project.AssertPackagesAreThoseOfTheFolder();
    }

    [Fact]
    public void The_tool_is_installed_and_runs()
    {
        using var folder = new TemporaryFolder();
        PackageFolder.WriteConfiguration(folder.Path);
        PackageFolder.Dotnet(folder.Path, "tool", "install", "shadowattn", "--tool-path", folder.File("tool"), "--configfile", folder.File("nuget.config"));
        string tool = folder.File(Path.Combine("tool", "shadowattn"));
        JsonElement doctor = JsonDocument.Parse(PackageFolder.Run(folder.Path, tool, "doctor", "--json")).RootElement;
        Assert.Equal(PackageFolder.Version, doctor.GetProperty("version").GetString());
        JsonElement run = JsonDocument.Parse(PackageFolder.Run(folder.Path, tool, "run", "--repeat", "1", "--json")).RootElement;
        Assert.InRange(run.GetProperty("rel_l2_error").GetDouble(), 1e-6, 0.02);
    }

    [Fact]
    public void The_native_package_has_a_library_for_every_platform_that_was_built()
    {
        string path = Path.Combine(PackageFolder.PathOrSkip(), $"ShadowAttn.Native.{PackageFolder.Version}.nupkg");
        Assert.SkipUnless(File.Exists(path), "no libshadowattn was built before the packages");
        using ZipArchive archive = ZipFile.OpenRead(path);
        string[] files = [.. archive.Entries.Select(e => e.FullName)];
        Assert.Contains("build/native/include/shadowattn.h", files);
        Assert.Contains($"runtimes/{RuntimeInformation.RuntimeIdentifier}/native/libshadowattn.so", files);
        Assert.DoesNotContain(files, f => f.StartsWith("lib/", StringComparison.Ordinal));
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    /// <summary>The code in the README.md of a package.</summary>
    private static string SampleOf(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(PackageFolder.FileOf(package));
        return CodeBlock().Match(Text(archive, "README.md")).Groups[1].Value;
    }

    private static XElement Metadata(string path)
    {
        using ZipArchive archive = ZipFile.OpenRead(path);
        string name = archive.Entries.Single(e => e.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).FullName;
        return XDocument.Parse(Text(archive, name)).Root!.Elements().Single();
    }

    private static string Text(ZipArchive archive, string name)
    {
        using var reader = new StreamReader(archive.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }
}
