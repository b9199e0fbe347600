using System.CommandLine;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Analyze;

/// <summary>The command line of <c>analyze</c>.</summary>
internal sealed class AnalyzeCommandLine
{
    private readonly Option<string[]> _input = new("--input")
    {
        Description = "Traces, such as those that capture writes",
        HelpName = "FILE...",
        Required = true,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string> _output = new("--output") { Description = "The picture to write: PNG or SVG, by the name's end", HelpName = "FILE.png|FILE.svg" };
    private readonly Option<int> _threads = EvalCommandLine.ThreadsOption();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        var line = new AnalyzeCommandLine();
        var command = new Command("analyze", "How sparse the attention of traces is: the mass of the heaviest keys per head, negligible keys, sinks, outliers of K")
        {
            line._input, line._output, line._threads, line._json,
        };
        command.SetAction((result, cancellation) =>
        {
            using var key = new CancelKey(cancellation);
            line.Run(result, console, key.Token);
            return Task.CompletedTask;
        });
        return command;
    }

    private void Run(ParseResult result, CommandConsole console, CancellationToken cancellation)
    {
        string? output = result.GetValue(_output);
        if (output is not null)
        {
            MassPicture.Check(output);
            OutputFile.Check(output);
        }

        AnalyzeReport report;
        using (ProgressReporter progress = console.StartProgress())
        {
            report = AnalyzeCommand.Execute(
                result.GetRequiredValue(_input), result.ValueOr(_threads, new RunOptions().Threads), output, progress, cancellation);
        }

        if (output is not null)
        {
            OutputFile.Write(output, stream => MassPicture.Write(stream, output, report));
        }

        if (result.GetValue(_json))
        {
            AnalyzeTable.WriteJson(console.Output, report);
        }
        else
        {
            AnalyzeTable.Write(console.Ansi, report);
        }
    }
}
