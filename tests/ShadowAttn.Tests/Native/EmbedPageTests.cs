using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>docs/embed-in-c.md: its commands run, its code compiles.</summary>
public class EmbedPageTests
{
    private static string Page => File.ReadAllText(Path.Combine(NativeArtifacts.Root(), "docs", "embed-in-c.md"));

    private static string[] Blocks(string language) =>
        [.. Regex.Matches(Page, $"```{language}\n(.*?)```", RegexOptions.Singleline).Select(m => m.Groups[1].Value)];

    [Fact]
    public void Its_commands_run()
    {
        NativeArtifacts.Library();
        string library = Path.Combine(NativeArtifacts.Root(), "artifacts/native/linux-x64/libshadowattn.so");
        Assert.SkipUnless(File.Exists(library), $"no {library}: run `dotnet cake --target=native-library`");
        Assert.SkipUnless(RuntimeInformation.RuntimeIdentifier == "linux-x64", "the page's commands are for linux-x64");
        foreach (string tool in (string[])["cmake", "make", "c++", "python3"])
        {
            NativeArtifacts.Tool(tool, tool == "c++" ? "g++" : tool);
        }

        string ci = File.ReadAllText(Path.Combine(NativeArtifacts.Root(), ".ci", "run"));
        int run = 0;
        foreach (string line in Blocks("sh").SelectMany(block => block.Split('\n', StringSplitOptions.RemoveEmptyEntries)))
        {
            if (line.StartsWith("dotnet cake", StringComparison.Ordinal))
            {
                // Compiling ahead of time takes minutes: continuous integration does it, and this test has its result.
                Assert.Contains("dotnet cake --target=native-library", ci, StringComparison.Ordinal);
                continue;
            }

            NativeArtifacts.RunWell("/bin/bash", ["-c", $"cd '{NativeArtifacts.Root()}' && {line}"]);
            run++;
        }

        Assert.InRange(run, 9, 100);
    }

    [Fact]
    public void Its_code_compiles()
    {
        string compiler = NativeArtifacts.Tool("cc", "gcc");
        string[] blocks = Blocks("c");
        Assert.InRange(blocks.Length, 3, 100);
        var source = new StringBuilder("#include <stdio.h>\n#include \"shadowattn.h\"\n");
        string[] globals = ["", "static sa_attention *attention; static sa_attention_options options; static sa_tensor q, k, v, o;"];
        for (int i = 0; i < blocks.Length; i++)
        {
            string given = i == 0 ? "float *queries, float *outputs, void *keys, void *values" : "void";
            string body = i == 0 ? blocks[i] + "return (int)status;\n" : blocks[i] + "return 0;\n";
            source.Append(i == 1 ? globals[1] + "\n" : "").Append(System.Globalization.CultureInfo.InvariantCulture, $"int block{i}({given});\nint block{i}({given}) {{\n{body}}}\n");
        }

        using var folder = new TemporaryFolder();
        string file = folder.Write("page.c", Encoding.UTF8.GetBytes(source.ToString()));
        NativeArtifacts.RunWell(
            compiler, ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I", Path.Combine(NativeArtifacts.Sources, "include"), file]);
    }
}
