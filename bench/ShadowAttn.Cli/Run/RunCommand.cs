using ShadowAttn.Cli.Terminal;
using ShadowAttn.Cli.Input;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Run;

/// <summary>One attention layer end to end.</summary>
public static class RunCommand
{
    /// <summary>Computes attention and reports on it.</summary>
    /// <param name="options">What to do; the output file, if any, has been checked to be writable.</param>
    /// <param name="trace">The input.</param>
    /// <param name="library">The library of <see cref="RunOptions.BackendPath"/>; null for the built-in backend.</param>
    /// <param name="console">Where the report goes.</param>
    /// <exception cref="InputException">The input is not what the operator can compute.</exception>
    public static void Execute(RunOptions options, TraceInput trace, QnnLibrary? library, CommandConsole console)
        => throw new NotImplementedException("run does not compute yet");
}
