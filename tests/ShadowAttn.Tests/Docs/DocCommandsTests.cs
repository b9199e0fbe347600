using System.CommandLine;
using System.Text.RegularExpressions;
using ShadowAttn.Bench.Commands;
using ShadowAttn.Tests.Cli;
using Xunit;

namespace ShadowAttn.Tests.Docs;

/// <summary>
/// Every command line of the pages does what the page says, page by page and in the order of the page: the command's are run with small inputs, those of
/// the other benchmarks are parsed, targets of the build script exist. What is not run here is in <see cref="CommandsNotRunHere"/> with its reason.
/// </summary>
[Collection(ProcessStateCollection.Name)]
public sealed class DocCommandsTests
{
    private static readonly Command[] Benchmarks =
    [
        AccuracyCommand.Create(), AttentionPeersCommand.Create(), CacheCommand.Create(), CrossoverCommand.Create(), LanguageModelsCommand.Create(),
        RepeatCommand.Create(), SuitesCommand.Create(), TailsCommand.Create(),
    ];

    public static TheoryData<string> Pages => [.. DocPages.All];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Commands_run(string page)
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the commands are run on the machine that emulates");
        string root = Repository.RootOrSkip();
        using var workspace = new DocWorkspace(root);
        foreach (DocCommand command in DocCommand.Read(root, page).Where(c => CommandsNotRunHere.ReasonFor(c) is null))
        {
            switch (command.Words)
            {
                case [..] when command.CommandArguments is { } arguments:
                    Run(command, arguments, workspace);
                    break;
                case ["dotnet", "run", "-c", "Release", "--project", "bench/ShadowAttn.Bench", "--", string name, .. var arguments]:
                    Command? benchmark = Benchmarks.FirstOrDefault(b => b.Name == name);
                    Assert.True(benchmark is not null, $"{command}: bench/ShadowAttn.Bench has no command {name}");
                    Assert.True(benchmark!.Parse(arguments).Errors is [], $"{command}: {string.Join(", ", benchmark.Parse(arguments).Errors)}");
                    break;
                case ["dotnet", "cake", .. var options]:
                    string target = options.FirstOrDefault(o => o.StartsWith("--target=", StringComparison.Ordinal))?["--target=".Length..] ?? "default";
                    Assert.True(BuildScript(root).Contains($"Task(\"{target}\")", StringComparison.Ordinal), $"{command}: build.cake has no target {target}");
                    break;
                default:
                    Assert.Fail($"{command}: is run by no test; run it in DocCommandsTests, or say in CommandsNotRunHere why it is not");
                    break;
            }
        }
    }

    [Fact]
    public void Every_reason_for_not_running_a_command_is_that_of_a_command()
    {
        string root = Repository.RootOrSkip();
        string[] commands = [.. DocPages.All.SelectMany(page => DocCommand.Read(root, page)).Select(c => $"{c.Page}: {c.Text}")];
        Assert.InRange(commands.Length, 50, int.MaxValue);
        Assert.All(CommandsNotRunHere.All, entry => Assert.Contains(commands, c => Regex.IsMatch(c, $"^{entry.Pattern}")));
    }

    [Theory]
    [InlineData("shadowattn run --keep 0.1        # a fifth", "shadowattn|run|--keep|0.1", "")]
    [InlineData("A=\"x;y=2\" shadowattn run [--mode M] > out.json", "shadowattn|run", "A=x;y=2")]
    [InlineData("shadowattn generate --prompt \"Why # not?\"", "shadowattn|generate|--prompt|Why # not?", "")]
    public void Lines_are_read_as_a_shell_would(string line, string words, string variables)
    {
        using var folder = new TemporaryFolder();
        folder.Write("page.md", System.Text.Encoding.UTF8.GetBytes($"text\n\n```sh\n{line}\n```\n\n    O_r = Σ w v\n"));
        DocCommand command = Assert.Single(DocCommand.Read(folder.Path, "page.md"));
        Assert.Equal(words, string.Join('|', command.Words));
        Assert.Equal(variables, string.Join('|', command.Variables.Select(v => $"{v.Name}={v.Value}")));
    }

    private static void Run(DocCommand command, string[] arguments, DocWorkspace workspace)
    {
        if (arguments.Contains("libQnnHtp.so") && !DocWorkspace.HasBackend)
        {
            return;
        }

        string[] small = workspace.Small(arguments);
        CommandRun run = command.Variables switch
        {
            [] => CommandRun.Of(small),
            [(string name, string value)] => CommandProcess.Run(name, value, small),
            _ => throw new NotSupportedException($"{command}: sets more than one variable"),
        };
        bool isToFail = command.Text.Contains("fault=", StringComparison.Ordinal);
        Assert.True(run.ExitCode == (isToFail ? 1 : 0), $"{command}: exit code {run.ExitCode}: {run.Error}");
    }

    private static string BuildScript(string root) =>
        File.ReadAllText(Path.Combine(root, "build.cake"))
        + string.Concat(Directory.EnumerateFiles(Path.Combine(root, "eng"), "*.cake", SearchOption.AllDirectories).Select(File.ReadAllText));
}
