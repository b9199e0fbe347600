using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Logging;

[Collection("fake provider")]
public sealed unsafe class QnnLogTests : IDisposable
{
    readonly FakeProvider _fake = new();
    readonly ListLogger _logger = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public void Lines_go_to_the_logger_with_their_level()
    {
        _fake.Logs["backendCreate"] =
        [
            (QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "an error"), (QnnLog_Level_t.QNN_LOG_LEVEL_WARN, "a warning"),
            (QnnLog_Level_t.QNN_LOG_LEVEL_INFO, "a note"), (QnnLog_Level_t.QNN_LOG_LEVEL_VERBOSE, "more"),
            (QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG, "most"), ((QnnLog_Level_t)77, "odd"),
        ];

        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library, new QnnBackendOptions { LogLevel = QnnLogLevel.Debug }, _logger);

        Assert.Contains("logCreate QNN_LOG_LEVEL_DEBUG", _fake.Calls);
        Assert.Equal(
            [
                (LogLevel.Error, "an error"), (LogLevel.Warning, "a warning"), (LogLevel.Information, "a note"), (LogLevel.Debug, "more"),
                (LogLevel.Trace, "most"), (LogLevel.Information, "odd"),
            ],
            _logger.Lines);
        Assert.Equal(["an error", "a warning", "a note", "more", "most", "odd"], backend.LastLogLines);
    }

    [Fact]
    public void Arguments_are_formatted_by_the_c_library()
    {
        Assert.SkipUnless(!OperatingSystem.IsWindows() && !OperatingSystem.IsMacOS(), "The argument list is built for the Linux ABIs.");
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library, logger: _logger);

        LogWithArguments("%s has %d of %lu, 100%%%c", "pilot", -3, 1ul << 40, '!');

        Assert.Equal([(LogLevel.Warning, "pilot has -3 of 1099511627776, 100%!")], _logger.Lines);
    }

    [Fact]
    public void A_line_that_is_too_long_is_cut()
    {
        Assert.SkipUnless(!OperatingSystem.IsWindows() && !OperatingSystem.IsMacOS(), "The argument list is built for the Linux ABIs.");
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library, logger: _logger);

        LogWithArguments("%s%d%lu%c", new string('x', 10_000), 1, 1, 'y');

        Assert.EndsWith("xxx ...", _logger.Lines[0].Text);
        Assert.InRange(_logger.Lines[0].Text.Length, 4000, 4200);
    }

    [Fact]
    public void A_logger_that_throws_does_not_reach_the_backend()
    {
        _fake.Logs["backendCreate"] = [(QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "boom")];
        _logger.Throws = true;
        using QnnLibrary library = _fake.Library();

        using var backend = QnnBackend.Open(library, logger: _logger);

        Assert.Equal(["boom"], backend.LastLogLines);
    }

    [Fact]
    public void Only_the_last_lines_are_kept()
    {
        _fake.Logs["backendCreate"] = [.. Enumerable.Range(0, 100).Select(i => (QnnLog_Level_t.QNN_LOG_LEVEL_INFO, $"line {i}"))];
        using QnnLibrary library = _fake.Library();

        using var backend = QnnBackend.Open(library, logger: _logger);

        Assert.Equal(100, _logger.Lines.Count);
        Assert.Equal(QnnLog.KeptLines, backend.LastLogLines.Count);
        Assert.Equal("line 99", backend.LastLogLines[^1]);
    }

    [Fact]
    public void An_error_shows_what_was_logged_during_its_call_and_not_before()
    {
        _fake.Logs["backendCreate"] = [(QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "long ago")];
        _fake.Logs["contextCreate"] = [(QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, "no session"), (QnnLog_Level_t.QNN_LOG_LEVEL_INFO, "trailing")];
        _fake.Fails["contextCreate"] = 1002;
        using QnnLibrary library = _fake.Library();
        using var backend = QnnBackend.Open(library, logger: _logger);

        var e = Assert.Throws<QnnCallException>(() => backend.CreateContext());

        Assert.Equal(["trailing", "no session"], e.LogLines);
        Assert.EndsWith("The backend logged: no session", e.Message);
    }

    [Fact]
    public void More_logs_than_functions_still_get_their_lines_and_none_after_the_end()
    {
        var logs = new List<(QnnLog Log, int Slot, ListLogger Lines, nint Function)>();
        for (int i = 0; i < 20; i++)
        {
            var lines = new ListLogger();
            var log = new QnnLog(lines);
            int slot = QnnLogCallbacks.Bind(log, out var function);
            logs.Add((log, slot, lines, (nint)function));
        }
        fixed (byte* text = "hello\0"u8)
        {
            foreach (var (_, _, lines, function) in logs)
            {
                lines.Lines.Clear();
                ((delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void>)function)(
                    (sbyte*)text, QnnLog_Level_t.QNN_LOG_LEVEL_INFO, 0, null);
                Assert.Equal([(LogLevel.Information, "hello")], lines.Lines);
            }
            foreach (var (log, slot, _, _) in logs)
            {
                QnnLogCallbacks.Unbind(slot, log);
            }
            foreach (var (_, _, lines, function) in logs)
            {
                lines.Lines.Clear();
                ((delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void>)function)(
                    (sbyte*)text, QnnLog_Level_t.QNN_LOG_LEVEL_INFO, 0, null);
                Assert.Empty(lines.Lines);
            }
        }
    }

    [Fact]
    public void A_backend_without_a_log_still_opens()
    {
        _fake.Fails["logCreate"] = 11002;
        using QnnLibrary library = _fake.Library();

        using (var backend = QnnBackend.Open(library, logger: _logger))
        {
            Assert.Equal("fake build 7", backend.BuildId);
        }

        Assert.Contains(_logger.Lines, line => line.Text.Contains("gives no log", StringComparison.Ordinal));
        Assert.Equal(0, _fake.LiveHandles);
    }

    // A va_list with all of its arguments on the stack, of which the callee of a function gets the address.
    void LogWithArguments(string format, string text, int number, ulong big, char letter)
    {
        fixed (byte* formatBytes = Encoding.UTF8.GetBytes(format + '\0'), textBytes = Encoding.UTF8.GetBytes(text + '\0'))
        {
            ulong* arguments = stackalloc ulong[] { (ulong)textBytes, (ulong)(long)number, big, letter };
            if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
            {
                var list = new SystemVList { GeneralOffset = 48, FloatOffset = 304, Stack = arguments };
                _fake.LogCallback((sbyte*)formatBytes, QnnLog_Level_t.QNN_LOG_LEVEL_WARN, 0, &list);
            }
            else
            {
                var list = new Arm64List { Stack = arguments };
                _fake.LogCallback((sbyte*)formatBytes, QnnLog_Level_t.QNN_LOG_LEVEL_WARN, 0, &list);
            }
        }
    }

    struct SystemVList
    {
        public uint GeneralOffset;
        public uint FloatOffset;
        public void* Stack;
        public void* Registers;
    }

    struct Arm64List
    {
        public void* Stack;
        public void* GeneralTop;
        public void* VectorTop;
        public int GeneralOffset;
        public int VectorOffset;
    }
}

sealed class ListLogger : ILogger
{
    public List<(LogLevel Level, string Text)> Lines { get; } = [];

    public bool Throws { get; set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (Throws)
        {
            throw new InvalidOperationException("a logger that fails");
        }
        lock (Lines)
        {
            Lines.Add((logLevel, formatter(state, exception)));
        }
    }
}
