using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Interop;
using Spectre.Console;

namespace ShadowAttn.Cli.Doctor;

/// <summary>The command <c>doctor</c>: says what this machine has.</summary>
internal static class DoctorCommandLine
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("doctor", "Say what this machine has: instruction sets, kinds of memory, QNN backends and their versions") { json };
        command.SetAction(result => Run(result.GetValue(json), console));
        return command;
    }

    private static void Run(bool json, CommandConsole console)
    {
        DoctorReport report = DoctorProbe.Probe(new QnnSearchPlaces());
        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, DoctorJson.CreateReadable().DoctorReport));
            return;
        }

        Print(report, console.Ansi);
    }

    private static void Print(DoctorReport report, IAnsiConsole ansi)
    {
        Grid facts = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn();
        AddFact(facts, "shadowattn", report.Version);
        AddFact(facts, "system", $"{report.System.Os}, {report.System.Architecture}, {report.System.Runtime}");
        AddFact(facts, "processors", report.Processors.ToString(CultureInfo.InvariantCulture));
        AddFact(facts, "instruction sets", $"{string.Join(", ", report.Isa.Supported)}; used: {report.Isa.Active}");
        if (report.Isa.Problem is { } problem)
        {
            AddFact(facts, "problem", problem);
        }

        AddFact(facts, "QNN API", $"{report.Qnn.ApiVersion}; backends from {report.Qnn.OldestApiVersion} on can be driven");
        AddFact(facts, QnnSearchPlaces.SdkVariable, report.Qnn.SdkRoot ?? "not set");
        AddFact(facts, "context cache", string.Create(CultureInfo.InvariantCulture,
            $"{report.Cache.Folder}: {report.Cache.Entries} entries, {report.Cache.Bytes} bytes"));
        foreach (string cacheProblem in report.Cache.Problems)
        {
            AddFact(facts, "problem", cacheProblem);
        }

        ansi.Write(facts);

        Table memory = NewTable("memory", "available", "detail");
        foreach (MemoryReport kind in report.Memory)
        {
            memory.AddRow(new Text(kind.Kind), YesNo(kind.Available), new Text(kind.Detail));
        }

        ansi.Write(memory);

        Table search = NewTable("QNN backend", "usable", "detail", "build", "chip");
        foreach (BackendReport place in report.Qnn.Search.Prepend(report.Qnn.BuiltIn))
        {
            search.AddRow(new Text($"{place.Source}: {place.Path}"), YesNo(place.Usable), new Text(place.Detail), new Text(place.Build ?? ""), new Text(place.Chip ?? ""));
        }

        ansi.Write(search);
    }

    private static void AddFact(Grid facts, string name, string value) => facts.AddRow(new Text(name), new Text(value));

    private static Text YesNo(bool value) => new(value ? "yes" : "no", value ? Style.Parse("green") : Style.Plain);

    private static Table NewTable(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column)));
        }

        return table;
    }
}
