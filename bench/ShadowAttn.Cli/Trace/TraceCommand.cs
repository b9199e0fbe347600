using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Trace;

/// <summary>Records a call, writes its trace and says what is in it.</summary>
internal static class TraceCommand
{
    /// <exception cref="InputException">The input is not what the operator can compute, or the file cannot be written.</exception>
    public static void Execute(RunOptions options, TraceInput trace, BackendHost? host, CommandConsole console)
    {
        RecordedCall call;
        using (ProgressReporter progress = console.StartProgress())
        {
            call = RecordedCall.Measure(options, trace, host, progress);
        }

        string path = options.OutputPath!;
        string mode = OptionNames.Name(call.Mode);
        OutputFile.Write(path, stream => ChromeTrace.Write(stream, call, mode, trace.Path));
        var report = new TraceReport
        {
            Output = path,
            Mode = mode,
            Threads = call.Threads,
            TotalMs = call.TotalMs,
            ExposedEstimateMs = call.ExposedMs,
            Lanes = [.. call.Lanes.Select(l => new LaneReport(l.Name, l.Device, l.Events.Count, l.Events.Sum(e => e.Name == "wait" ? 0 : e.Milliseconds)))],
            DroppedEvents = call.Dropped,
        };
        if (options.Json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, TraceJsonContext.Default.TraceReport));
        }
        else
        {
            Print(console.Ansi, report);
        }
    }

    private static void Print(IAnsiConsole console, TraceReport report)
    {
        console.MarkupLineInterpolated(
            System.Globalization.CultureInfo.InvariantCulture,
            $"[bold]{report.Mode}[/] attention, {report.TotalMs:F3} ms, of which the CPU waited {report.ExposedEstimateMs:F3} ms for scores");
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn("lane");
        table.AddColumn(new TableColumn("events").RightAligned());
        table.AddColumn(new TableColumn("busy ms").RightAligned());
        foreach (LaneReport lane in report.Lanes)
        {
            table.AddRow(
                Markup.Escape(lane.Name),
                lane.Events.ToString(System.Globalization.CultureInfo.InvariantCulture),
                lane.BusyMs.ToString("F3", System.Globalization.CultureInfo.InvariantCulture));
        }

        console.Write(table);
        if (report.DroppedEvents > 0)
        {
            console.MarkupLineInterpolated($"{report.DroppedEvents} events at the start had no room");
        }

        console.MarkupLineInterpolated($"written to {report.Output}: open it at https://ui.perfetto.dev or chrome://tracing");
    }
}

/// <summary>The JSON of <c>trace</c> on the standard output; names become snake_case.</summary>
internal sealed record TraceReport
{
    public required string Output { get; init; }

    public required string Mode { get; init; }

    public required int Threads { get; init; }

    public required double TotalMs { get; init; }

    public required double ExposedEstimateMs { get; init; }

    public required LaneReport[] Lanes { get; init; }

    public required long DroppedEvents { get; init; }
}

/// <summary>A lane of the trace; <paramref name="BusyMs"/> leaves out waiting.</summary>
internal sealed record LaneReport(string Name, string Device, int Events, double BusyMs);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(TraceReport))]
internal sealed partial class TraceJsonContext : JsonSerializerContext;
