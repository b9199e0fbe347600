namespace ShadowAttn.Cli.Terminal;

/// <summary>
/// Progress of a long run. Nothing at all in the first second; then, on a terminal, one line that is rewritten and removed at the end, and
/// elsewhere a plain line every few seconds. It has no thread of its own, so that it does not disturb what is measured: call
/// <see cref="Report"/> between the steps.
/// </summary>
public sealed class ProgressReporter : IDisposable
{
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_terminalInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_plainInterval = TimeSpan.FromSeconds(5);

    private readonly TextWriter _writer;
    private readonly bool _isTerminal;
    private readonly TimeProvider _time;
    private readonly long _start;
    private long _lastWrite;
    private bool _hasLine;

    /// <summary>Starts the clock.</summary>
    /// <param name="writer">Receives the lines.</param>
    /// <param name="isTerminal">Whether a line can be rewritten.</param>
    /// <param name="time">The clock.</param>
    public ProgressReporter(TextWriter writer, bool isTerminal, TimeProvider time)
    {
        _writer = writer;
        _isTerminal = isTerminal;
        _time = time;
        _start = time.GetTimestamp();
    }

    /// <summary>Says how far a stage is, if it is time to say something.</summary>
    /// <param name="stage">What is being done, e.g. <c>measuring</c>.</param>
    /// <param name="done">Finished steps.</param>
    /// <param name="total">All steps.</param>
    public void Report(string stage, long done, long total)
    {
        long now = _time.GetTimestamp();
        TimeSpan interval = _isTerminal ? s_terminalInterval : s_plainInterval;
        if (_time.GetElapsedTime(_start, now) < s_quiet || (_lastWrite != 0 && _time.GetElapsedTime(_lastWrite, now) < interval))
        {
            return;
        }

        _lastWrite = now;
        if (_isTerminal)
        {
            _writer.Write($"\r\u001b[2K{stage}: {done} of {total}");
            _writer.Flush();
            _hasLine = true;
        }
        else
        {
            _writer.WriteLine($"{stage}: {done} of {total}");
        }
    }

    /// <summary>Removes the line from the terminal.</summary>
    public void Dispose()
    {
        if (_hasLine)
        {
            _writer.Write("\r\u001b[2K");
            _writer.Flush();
            _hasLine = false;
        }
    }
}
