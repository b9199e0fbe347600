using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Calibrate;

/// <summary>The command line of <c>calibrate</c>.</summary>
internal sealed class CalibrateCommandLine
{
    private static readonly CalibrationOptions s_defaults = new();

    private readonly Option<string[]> _input = new("--input")
    {
        Description = "Traces to calibrate on; their metadata says the layer, several of one layer are averaged",
        HelpName = "FILE...",
        Required = true,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string[]> _check = new("--check")
    {
        Description = "Traces to measure the profile on, such as those of another text",
        HelpName = "FILE...",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string> _output = new("--output") { Description = "The profile to write, JSON", HelpName = "FILE", Required = true };

    private readonly Option<double> _budget = OptionParsing.Parsed("--budget", "R", "0.2",
        "Mean share of the visible keys that the sparse layers keep", ParseShare);

    private readonly Option<double> _targetMass = OptionParsing.Parsed("--target-mass", "P", null,
        "Instead of a budget: the mean captured mass to reach with as few keys as possible", ParseShare);

    private readonly Option<double> _floor = OptionParsing.Parsed("--floor", "R", "0.02", "The least share that a head gets", ParseShare);

    private readonly Option<double> _cap = OptionParsing.Parsed("--cap", "R", "1", "The largest share that a head gets", ParseShare);

    private readonly Option<double> _denseBelow = OptionParsing.Parsed("--dense-below", "P", "0.7",
        "A layer that captures less mass at a uniform share of the budget becomes dense; 0 for none", ParseShareOrNone);

    private readonly Option<int> _minKeys = OptionParsing.Parsed("--min-keys", "N", "64",
        "A row keeps at least that many keys", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<int> _threads = EvalCommandLine.ThreadsOption();

    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        var line = new CalibrateCommandLine();
        var command = new Command("calibrate", "From traces to a profile: how many keys each head of each layer keeps, and which layers are dense")
        {
            line._input, line._check, line._output, line._budget, line._targetMass, line._floor, line._cap, line._denseBelow, line._minKeys, line._threads,
            line._json,
        };
        command.SetAction(result => line.Run(result, console));
        return command;
    }

    private void Run(ParseResult result, CommandConsole console)
    {
        RunCommandLine.CheckInstructionSet();
        var options = new CalibrationOptions
        {
            Budget = result.ValueOr(_budget, s_defaults.Budget),
            TargetMass = result.GetResult(_targetMass) is null ? null : result.GetValue(_targetMass),
            Floor = result.ValueOr(_floor, s_defaults.Floor),
            Cap = result.ValueOr(_cap, s_defaults.Cap),
            DenseBelow = result.ValueOr(_denseBelow, s_defaults.DenseBelow),
        };
        if (options.TargetMass is not null && result.GetResult(_budget) is not null)
        {
            throw new InputException("--target-mass: finds the budget itself; leave --budget away");
        }

        if (options.Cap < options.Floor)
        {
            throw new InputException($"--cap: {result.GetValue(_cap)} is below the floor of {options.Floor}; choose it from --floor to 1");
        }

        string output = result.GetRequiredValue(_output);
        OutputFile.Check(output);
        var command = new CalibrateCommand(options, result.ValueOr(_minKeys, 64), result.ValueOr(_threads, new RunOptions().Threads));
        CalibrationProfile profile;
        CalibrateReport report;
        using (ProgressReporter progress = console.StartProgress())
        {
            (profile, report) = command.Execute(result.GetRequiredValue(_input), result.GetValue(_check) ?? [], output, progress);
        }

        OutputFile.Write(output, profile.Write);
        if (result.GetValue(_json))
        {
            CalibrateTable.WriteJson(console.Output, report);
        }
        else
        {
            CalibrateTable.Write(console.Ansi, report);
        }
    }

    private static double ParseShare(string option, string text) => Number(text) is > 0 and <= 1 and var value
        ? value
        : throw new InputException($"{option}: {InputException.Quote(text)} is not a share above 0 and up to 1, such as 0.2");

    private static double ParseShareOrNone(string option, string text) => Number(text) is >= 0 and <= 1 and var value
        ? value
        : throw new InputException($"{option}: {InputException.Quote(text)} is not a share from 0 to 1, such as 0.7");

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.NaN;
}
