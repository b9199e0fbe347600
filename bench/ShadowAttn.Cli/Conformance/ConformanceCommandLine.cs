using System.CommandLine;
using System.Text.Json;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Interop;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Cli.Conformance;

/// <summary>The command <c>conformance</c>: drives a QNN backend through the whole interface and checks what it does.</summary>
internal sealed class ConformanceCommandLine
{
    private readonly Option<string> _backend = new("--backend")
    {
        Description = "soft: the built-in QNN backend; otherwise the path of a QNN backend library",
        HelpName = "soft|PATH",
        Required = true,
    };

    private readonly Option<string[]> _filter = OptionParsing.Parsed("--filter", "AREA[,AREA]", "all",
        $"Check only these areas: {string.Join(", ", ConformanceSuite.Areas)}", ParseAreas);

    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        var line = new ConformanceCommandLine();
        var command = new Command("conformance", "Drive a QNN backend through the whole interface; report what passes, fails and is not supported")
        {
            line._backend, line._filter, line._json,
        };
        command.SetAction(result => Run(
            result.GetRequiredValue(line._backend), result.ValueOr(line._filter, []), result.GetValue(line._json), console));
        return command;
    }

    private static int Run(string backend, string[] filter, bool json, CommandConsole console)
    {
        if (string.IsNullOrWhiteSpace(backend))
        {
            throw new InputException("--backend: is empty; it must be soft or the path of a QNN backend library");
        }

        using SoftHtpBackend? soft = backend == BackendOptions.BuiltIn ? SoftHtpBackend.Create(BackendHost.SoftOptions(threads: 0)) : null;
        using QnnLibrary library = soft is null ? QnnLibrary.Load(backend) : soft.CreateLibrary();
        ConformanceReport report;
        using (ProgressReporter progress = console.StartProgress())
        {
            report = ConformanceSuite.Run(library, filter, isGuarded: soft is not null, progress);
        }

        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, ConformanceJson.CreateReadable().ConformanceReport));
        }
        else
        {
            ConformanceTable.Write(console.Ansi, report);
        }

        return report.Passed ? EntryPoint.Success : EntryPoint.InternalError;
    }

    private static string[] ParseAreas(string option, string text)
    {
        string[] areas = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string? unknown = areas.FirstOrDefault(area => !ConformanceSuite.Areas.Contains(area));
        if (unknown is not null || areas.Length == 0)
        {
            throw new InputException(
                $"{option}: there is no area {InputException.Quote(unknown ?? text)}; choose of {string.Join(", ", ConformanceSuite.Areas)}");
        }

        return areas;
    }
}
