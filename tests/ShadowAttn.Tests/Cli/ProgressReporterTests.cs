using ShadowAttn.Cli.Terminal;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public class ProgressReporterTests
{
    [Fact]
    public void Short_runs_say_nothing()
    {
        (string text, _) = Write(isTerminal: true, steps: 9, stepMs: 100);
        Assert.Equal("", text);
        (text, _) = Write(isTerminal: false, steps: 9, stepMs: 100);
        Assert.Equal("", text);
    }

    [Fact]
    public void On_a_terminal_one_line_is_rewritten_and_removed()
    {
        (string text, string beforeEnd) = Write(isTerminal: true, steps: 13, stepMs: 100);
        Assert.Equal("\r\u001b[2Kmeasuring: 10 of 13\r\u001b[2Kmeasuring: 11 of 13\r\u001b[2Kmeasuring: 12 of 13\r\u001b[2Kmeasuring: 13 of 13", beforeEnd);
        Assert.Equal(beforeEnd + "\r\u001b[2K", text);
    }

    [Fact]
    public void Elsewhere_a_plain_line_comes_every_few_seconds()
    {
        (string text, _) = Write(isTerminal: false, steps: 13, stepMs: 1000);
        Assert.Equal(["measuring: 1 of 13", "measuring: 6 of 13", "measuring: 11 of 13", ""], text.Split(Environment.NewLine));
    }

    private static (string Text, string BeforeEnd) Write(bool isTerminal, int steps, int stepMs)
    {
        var clock = new Clock();
        var writer = new StringWriter();
        string beforeEnd;
        using (var progress = new ProgressReporter(writer, isTerminal, clock))
        {
            for (int i = 1; i <= steps; i++)
            {
                clock.Now += stepMs;
                progress.Report("measuring", i, steps);
            }

            beforeEnd = writer.ToString();
        }

        return (writer.ToString(), beforeEnd);
    }

    private sealed class Clock : TimeProvider
    {
        public long Now { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Now;
    }
}
