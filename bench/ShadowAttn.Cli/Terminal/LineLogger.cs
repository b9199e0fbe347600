using Microsoft.Extensions.Logging;

namespace ShadowAttn.Cli.Terminal;

/// <summary>Log lines on the error stream; warnings and worse always, the rest with <c>--verbose</c>.</summary>
internal sealed class LineLogger(TextWriter writer, bool verbose) : ILogger
{
    private readonly Lock _gate = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && (verbose || logLevel >= LogLevel.Warning);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string line = InputException.OneLine(formatter(state, exception));
        lock (_gate)
        {
            writer.WriteLine($"{Name(logLevel)}: {line}");
        }
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        _ => "error",
    };
}
