using System.CommandLine;
using System.CommandLine.Parsing;
using ShadowAttn.Cli.AbiCheck;
using ShadowAttn.Cli.Analyze;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Cache;
using ShadowAttn.Cli.Calibrate;
using ShadowAttn.Cli.Capture;
using ShadowAttn.Cli.Compare;
using ShadowAttn.Cli.Conformance;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Cli.Doctor;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Generate;
using ShadowAttn.Cli.Prepare;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Schedule;
using ShadowAttn.Cli.Trace;
using ShadowAttn.Interop;
using ShadowAttn.Model;

namespace ShadowAttn.Cli;

/// <summary>The <c>shadowattn</c> command: parses, runs, and turns every failure into one line and an exit code.</summary>
public static class EntryPoint
{
    /// <summary>All went well.</summary>
    public const int Success = 0;

    /// <summary>Something inside failed.</summary>
    public const int InternalError = 1;

    /// <summary>A command that checks something found it wrong; its report says what.</summary>
    public const int CheckFailed = 1;

    /// <summary>The command line or the input is wrong.</summary>
    public const int BadInput = 2;

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">The arguments, without the program's name.</param>
    /// <param name="console">Where it writes.</param>
    /// <param name="benchmarks">What the command <c>bench</c> can measure; null for this project's own operators.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments, CommandConsole console, BenchRegistry? benchmarks = null)
    {
        Option<bool> verbose = CommonOptions.Verbose();
        var root = new RootCommand("Sparse attention for Arm CPUs with a Qualcomm NPU: the NPU guesses which keys matter, the CPU attends to them.")
        {
            verbose,
            RunCommandLine.Create(console, verbose),
            BenchCommandLine.Create(console, benchmarks ?? BenchRegistry.Default),
            CompareCommandLine.Create(console, verbose),
            TraceCommandLine.Create(console, verbose),
            ScheduleCommandLine.Create(console, verbose),
            EvalCommandLine.Create(console, verbose),
            GenerateCommandLine.Create(console, verbose),
            CaptureCommandLine.Create(console),
            AnalyzeCommandLine.Create(console),
            CalibrateCommandLine.Create(console),
            DoctorCommandLine.Create(console),
            CacheCommandLine.Create(console),
            PrepareCommandLine.Create(console, verbose),
            AbiCheckCommandLine.Create(console),
            ConformanceCommandLine.Create(console),
        };

        // Without response files: an argument that starts with @ is an argument.
        ParseResult result = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (result.Errors.Count > 0)
        {
            return Fail(console, $"{UsageError(result)} ({HelpHint(result)})", BadInput);
        }

        try
        {
            return result.Invoke(new InvocationConfiguration
            {
                Output = console.Output,
                Error = console.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception e) when (e is InputException or ModelException or QnnLoadException or QnnNotSupportedException)
        {
            return Fail(console, e.Message, BadInput);
        }
        catch (QnnException e)
        {
            return Fail(console, e.Message, InternalError);
        }
        catch (OperationCanceledException)
        {
            return Fail(console, "cancelled", InternalError);
        }
        catch (Exception e)
        {
            bool isVerbose = result.GetValue(verbose);
            string hint = isVerbose ? "" : " (--verbose shows where)";
            int code = Fail(console, $"internal error: {e.GetType().Name}: {e.Message}{hint}", InternalError);
            if (isVerbose)
            {
                console.Error.WriteLine(e.StackTrace);
            }

            return code;
        }
    }

    private static int Fail(CommandConsole console, string message, int code)
    {
        console.Error.WriteLine($"shadowattn: {InputException.OneLine(message)}");
        return code;
    }

    // What was not understood explains more than what is missing because of it.
    private static string UsageError(ParseResult result) => result.UnmatchedTokens switch
    {
        [string token, ..] when result.CommandResult.Command is RootCommand => $"there is no command or option {InputException.Quote(token)}",
        [string token, ..] => $"{Path(result.CommandResult)["shadowattn ".Length..]} has no option or argument {InputException.Quote(token)}",
        _ => result.Errors[0].Message.TrimEnd('.'),
    };

    private static string HelpHint(ParseResult result) => result.CommandResult.Command is RootCommand
        ? "shadowattn --help lists the commands"
        : $"{Path(result.CommandResult)} --help lists the options";

    private static string Path(CommandResult command) => command.Parent is CommandResult parent
        ? $"{Path(parent)} {command.Command.Name}"
        : "shadowattn";
}
