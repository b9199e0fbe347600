using System.Text.RegularExpressions;
using ShadowAttn.Bench.Commands;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Bench;

/// <summary>The page on tuning a kernel: its files and build targets are there, and its benchmarks run.</summary>
public partial class TuneAKernelTests
{
    private static readonly string? Root = FindRoot();

    [Fact]
    public void Benchmarks_run_as_they_are_written()
    {
        string[] commands = [.. Lines().Select(l => BenchPattern().Match(l)).Where(m => m.Success).Select(m => m.Groups["arguments"].Value)];
        Assert.InRange(commands.Length, 8, int.MaxValue);
        foreach (string command in commands.Where(c => !c.StartsWith("--compare", StringComparison.Ordinal)))
        {
            string[] arguments = [.. ForThisMachine(command).Select(Small)];
            string[] brief = command.Contains("--list", StringComparison.Ordinal) || command.Contains("--iterations", StringComparison.Ordinal)
                ? arguments
                : command.Contains("--suite", StringComparison.Ordinal)
                    ? [.. arguments, "--group", "selection*", "--time", "0.001", "--threads", "1"]
                    : [.. arguments, "--time", "0.001", "--no-peaks"];
            using var output = new StringWriter();
            using var error = new StringWriter();

            int code = EntryPoint.Run(["bench", .. brief], new CommandConsole(output, error, outputIsTerminal: false, errorIsTerminal: false), PeerBenchmarks.Registry);

            Assert.True(code == 0, $"bench {command}: {error}");
        }
    }

    [Fact]
    public void Suites_are_selected_as_they_are_written()
    {
        Match[] suites = Regex.Matches(Text(), "suites --op (?<op>[a-z-]+) --isa (?<isa>[a-z0-9]+)( --shape (?<shape>[a-z0-9=,]+))?").ToArray();
        Assert.NotEmpty(suites);
        foreach (Match suite in suites)
        {
            string isa = InstructionSets.Name(InstructionSet.Scalar);
            Assert.True(InstructionSets.TryParse(suite.Groups["isa"].Value, out _));
            Assert.NotEmpty(SuitesCommand.Select([suite.Groups["op"].Value], [isa], suite.Groups["shape"].Success ? [suite.Groups["shape"].Value] : null));
        }
    }

    [Fact]
    public void Files_are_there()
    {
        string kernels = Path.Combine(Root!, "kernels", "ShadowAttn.Kernels");
        string operators = Path.Combine(Root!, "bench", "ShadowAttn.Cli", "Bench", "Operators");
        string[] named = [.. Regex.Matches(Text(), "`([A-Za-z./-]+\\.(cs|json|sh))`").Select(m => m.Groups[1].Value).Where(n => n != "XxxIsa.cs").Distinct()];
        Assert.InRange(named.Length, 6, int.MaxValue);
        Assert.All(named, name => Assert.True(
            File.Exists(Path.Combine(Root!, name)) || File.Exists(Path.Combine(kernels, name)) || File.Exists(Path.Combine(operators, name)),
            $"{name} is not there"));
        Assert.All(
            Regex.Matches(Text(), "--project (?<folder>[A-Za-z./]+)").Select(m => m.Groups["folder"].Value),
            folder => Assert.True(Directory.Exists(Path.Combine(Root!, folder)), $"{folder} is not there"));
    }

    [Fact]
    public void Build_targets_are_there()
    {
        string build = File.ReadAllText(Path.Combine(Root!, "build.cake"))
            + string.Concat(Directory.EnumerateFiles(Path.Combine(Root!, "eng"), "*.cake", SearchOption.AllDirectories).Select(File.ReadAllText));
        string[] targets = [.. Regex.Matches(Text(), "--target=(?<name>[a-z0-9-]+)").Select(m => m.Groups["name"].Value).Distinct()];
        Assert.NotEmpty(targets);
        Assert.All(targets, target => Assert.Contains($"Task(\"{target}\")", build, StringComparison.Ordinal));
    }

    /// <summary>Instruction sets of another architecture are measured by this one's.</summary>
    private static IEnumerable<string> ForThisMachine(string command)
    {
        string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < words.Length; i++)
        {
            bool isa = i > 0 && words[i - 1] == "--isa" && words[i] != "all";
            yield return isa ? string.Join(',', words[i].Split(',').Select(name =>
            {
                Assert.True(InstructionSets.TryParse(name, out InstructionSet set), name);
                return InstructionSets.IsSupported(set) ? name : "scalar";
            }).Distinct()) : words[i];
        }
    }

    /// <summary>Whole layers are what takes long; a small one shows as well whether the command is right.</summary>
    private static string Small(string word) => word.Replace("2048x2048", "16x16", StringComparison.Ordinal)
        .Replace("keys=4096", "keys=64", StringComparison.Ordinal).Replace("100000", "2", StringComparison.Ordinal).Replace("200000", "2", StringComparison.Ordinal);

    private static string Text()
    {
        Assert.SkipWhen(Root is null, "the tests do not lie in the repository");
        return File.ReadAllText(Path.Combine(Root, "docs", "tune-a-kernel.md"));
    }

    private static string[] Lines() => Text().Split('\n', StringSplitOptions.TrimEntries);

    private static string? FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ShadowAttn.Native.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName;
    }

    [GeneratedRegex("^([A-Z_a-z]+='?[^ ]+ )*(perf stat -e [a-z:,]+ )?(dotnet run -c Release --project bench/ShadowAttn.Bench --|[a-zA-Z0-9./]*shadowattn) bench (?<arguments>[^>]*)")]
    private static partial Regex BenchPattern();
}
