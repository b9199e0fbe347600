using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using Spectre.Console;

namespace ShadowAttn.Cli.Schedule;

/// <summary>The command <c>schedule</c>.</summary>
internal static class ScheduleCommandLine
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new RunCommandLine(verbose);
        var profile = new Option<string>("--profile") { Description = "Simulate only, from the stage times in this file, as --save writes it", HelpName = "FILE" };
        var save = new Option<string>("--save") { Description = "Write the measured stage times to this file", HelpName = "FILE" };
        var command = new Command(
            "schedule", "The orders in which the two stages can take KV heads, and heads per graph: how long, and how much of the estimate is exposed") { profile, save };
        line.AddTo(command);
        command.SetAction(result => Run(line.Read(result), result.GetValue(profile), result.GetValue(save), console));
        return command;
    }

    private static void Run(RunOptions options, string? profile, string? save, CommandConsole console)
    {
        if (profile is not null)
        {
            if (save is not null)
            {
                throw new InputException("--save: nothing is measured with --profile; leave one of the two away");
            }

            Write(console, ScheduleCommand.Simulate(profile), options.Json);
            return;
        }

        options = options with { Mode = AttentionMode.Shadow };
        RunCommandLine.Check(options);
        if (save is not null)
        {
            RunCommandLine.CheckOutput(save, options, "--save");
        }

        using BackendHost host = RunCommandLine.OpenBackend(options, console)!;
        using TraceInput trace = TraceInput.Open(options.InputPath);
        ScheduleReport report;
        ScheduleProfile measured;
        using (ProgressReporter progress = console.StartProgress())
        {
            (report, measured) = ScheduleCommand.Measure(options, trace, host, progress);
        }

        if (save is not null)
        {
            OutputFile.Write(save, stream => JsonSerializer.Serialize(stream, measured, ScheduleJsonContext.Default.ScheduleProfile));
        }

        Write(console, report, options.Json);
    }

    private static void Write(CommandConsole console, ScheduleReport report, bool json)
    {
        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, ScheduleJsonContext.Default.ScheduleReport));
            return;
        }

        Table table = new Table().Border(TableBorder.Rounded).Title("schedules of the pilot and the attention");
        table.AddColumn("heads per graph");
        table.AddColumn("order");
        foreach (string column in new[] { "jobs", "simulated ms", "exposed ms", "share", "measured ms", "exposed ms", "share" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (ScheduleRow row in report.Rows)
        {
            table.AddRow(
                row.HeadsPerGraph.ToString(CultureInfo.InvariantCulture),
                row.Schedule,
                row.Jobs.ToString(CultureInfo.InvariantCulture),
                Number(row.SimulatedMs, "F3"),
                Number(row.SimulatedExposedMs, "F3"),
                Number(row.SimulatedExposedShare, "P1"),
                Number(row.MeasuredMs, "F3"),
                Number(row.MeasuredExposedMs, "F3"),
                Number(row.MeasuredExposedShare, "P1"));
        }

        console.Ansi.Write(table);
    }

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? string.Empty;
}
