using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>The command <c>abi-check</c>: are the bindings what an installed SDK's headers say?</summary>
internal static class AbiCheckCommandLine
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        Option<string> sdk = OptionParsing.Parsed("--sdk", "DIR", null, "An unpacked QNN SDK, or the folder of its headers",
            (option, text) => string.IsNullOrWhiteSpace(text) ? throw new InputException($"{option}: is empty; it must be a folder") : text);
        sdk.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "abi-check",
            "Compare sizes, offsets, constants, signatures and the order of the interface's functions with an SDK's headers, as a C compiler lays them "
            + "out; exit code 1 when a backend of that SDK would be driven wrongly")
        {
            sdk, json,
        };
        command.SetAction(result => Run(result.GetRequiredValue(sdk), result.GetValue(json), console));
        return command;
    }

    private static int Run(string sdk, bool json, CommandConsole console)
    {
        SdkHeaders headers = SdkHeaders.Find(sdk);
        CCompiler compiler = CCompiler.Find(Environment.GetEnvironmentVariable("PATH") ?? string.Empty);
        AbiReport report = AbiComparison.Compare(AbiFacts.Load(), headers, compiler);
        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(report, AbiJson.CreateReadable().AbiReport));
        }
        else
        {
            Print(report, console.Output);
        }

        return report.Compatible ? EntryPoint.Success : EntryPoint.CheckFailed;
    }

    private static void Print(AbiReport report, TextWriter output)
    {
        output.WriteLine($"headers   {report.Headers}, core API {(report.TheirApi.Length > 0 ? report.TheirApi : "unknown")}");
        output.WriteLine($"bindings  core API {report.OurApi}");
        output.WriteLine($"compiler  {report.Compiler}");
        Print("different", report.Different, output);
        Print("newer, compatible", report.Newer, output);
        Print("older, compatible", report.Older, output);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Compared} facts compared: {report.Different.Count} different, {report.Newer.Count} newer, {report.Older.Count} older; {(report.Compatible ? "compatible" : "not compatible")}"));
    }

    private static void Print(string kind, IReadOnlyList<AbiFinding> findings, TextWriter output)
    {
        foreach (AbiFinding finding in findings)
        {
            output.WriteLine(InputException.OneLine($"{kind}: {finding}"));
        }
    }
}
