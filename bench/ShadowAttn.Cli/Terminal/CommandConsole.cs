using Spectre.Console;

namespace ShadowAttn.Cli.Terminal;

/// <summary>Where a command writes: reports to the output, progress and errors to the error stream.</summary>
public sealed class CommandConsole
{
    // Wide enough that no table is folded where nobody looks at it.
    private const int PipedWidth = 1000;

    /// <summary>A console over given writers.</summary>
    /// <param name="output">Receives reports.</param>
    /// <param name="error">Receives progress and errors.</param>
    /// <param name="outputIsTerminal">Whether reports may have colours and are fitted to the terminal's width.</param>
    /// <param name="errorIsTerminal">Whether progress may rewrite its line.</param>
    public CommandConsole(TextWriter output, TextWriter error, bool outputIsTerminal, bool errorIsTerminal)
    {
        Output = output;
        Error = error;
        ErrorIsTerminal = errorIsTerminal;
        Ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = outputIsTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = outputIsTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        if (!outputIsTerminal)
        {
            Ansi.Profile.Width = PipedWidth;
        }
    }

    /// <summary>Receives reports, and JSON as it is.</summary>
    public TextWriter Output { get; }

    /// <summary>Receives progress and errors.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether progress may rewrite its line.</summary>
    public bool ErrorIsTerminal { get; }

    /// <summary>Says when it is time for progress.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Tables and colours on <see cref="Output"/>; plain text when that is no terminal.</summary>
    public IAnsiConsole Ansi { get; }

    /// <summary>The process's own console. What native libraries print to the standard output no longer gets among reports.</summary>
    public static CommandConsole OfProcess()
    {
        var console = new CommandConsole(
            Console.Out,
            Console.Error,
            !Console.IsOutputRedirected,
            !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb");
        if (Console.IsOutputRedirected && !OperatingSystem.IsWindows())
        {
            NativeOutput.SendToErrorStream();
        }

        return console;
    }

    /// <summary>Starts progress reports on the error stream.</summary>
    public ProgressReporter StartProgress() => new(Error, ErrorIsTerminal, Clock);
}
