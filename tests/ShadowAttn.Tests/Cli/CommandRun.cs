using ShadowAttn.Cli;
using ShadowAttn.Cli.Terminal;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>One command line, run in this process; for its progress no time passes, so that a slow machine does not find lines on the error stream.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    public static CommandRun Of(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        var console = new CommandConsole(output, error, outputIsTerminal: false, errorIsTerminal: false) { Clock = new StoppedClock() };
        int code = EntryPoint.Run(arguments, console);
        return new CommandRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Exit code 2, nothing on the output, and exactly one line on the error stream, with these parts and no stack trace.</summary>
    public void AssertBadInput(params string[] parts)
    {
        Assert.Equal((EntryPoint.BadInput, ""), (ExitCode, Output));
        Assert.StartsWith("shadowattn: ", Error, StringComparison.Ordinal);
        Assert.EndsWith(Environment.NewLine, Error, StringComparison.Ordinal);
        Assert.Single(Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", Error, StringComparison.Ordinal);
        foreach (string part in parts)
        {
            Assert.Contains(part, Error, StringComparison.Ordinal);
        }
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
