using System.CommandLine;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Trace;

/// <summary>The command <c>trace</c>: one call as a timeline that trace viewers read.</summary>
internal static class TraceCommandLine
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new RunCommandLine(verbose);
        var output = new Option<string>("--output")
        {
            Description = "The file to write: JSON for ui.perfetto.dev or chrome://tracing",
            HelpName = "FILE",
            Required = true,
        };
        var command = new Command("trace", "Record what both stages and all threads do in one call, as a Perfetto / Chrome trace") { output };
        line.AddTo(command);
        line.AddChoicesTo(command);
        command.SetAction(result => Run(line.ReadRun(result) with { OutputPath = result.GetRequiredValue(output) }, console));
        return command;
    }

    private static void Run(RunOptions options, CommandConsole console)
    {
        RunCommandLine.Check(options);
        RunCommandLine.CheckOutput(options.OutputPath!, options);
        using BackendHost? host = RunCommandLine.OpenBackend(options, console);
        using TraceInput trace = TraceInput.Open(options.InputPath);
        TraceCommand.Execute(options, trace, host, console);
    }
}
