using System.CommandLine;
using System.Globalization;
using System.IO.Enumeration;
using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Bench.Compare;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Cli.Bench.Reports;
using ShadowAttn.Cli.Bench.Suites;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench;

/// <summary>The command <c>bench</c>: measures single operators and whole attention, with the machine's peaks beside them.</summary>
public sealed class BenchCommandLine
{
    private const double DefaultSeconds = 0.3;
    private const double DefaultSuiteSeconds = 1;

    private readonly Option<bool> _list = new("--list") { Description = "List what can be measured", Arity = ArgumentArity.Zero };

    private readonly Option<IReadOnlyList<string>> _names = Many("--op", "NAME,...", "all",
        "Operators or single functions of them, with * for anything: select, gather.attend, half-convert.*", (_, text) => text);

    private readonly Option<IReadOnlyList<string>> _isas = Many("--isa", "ISA,...", "the best",
        "Instruction sets of the variants, or all", (_, text) => text);

    private readonly Option<string[]> _shapes = new("--shape")
    {
        Description = "Sizes: keys=4096,dim=128 (what is left out has its default; --list has the names), or for whole attention "
            + "12/2x128,4096x4096,causal: heads/KV heads x dim, queries x keys, causal or full. Several --shape are measured one by one",
        HelpName = "SHAPE",
    };

    private readonly Option<IReadOnlyList<int>> _threads = Many("--threads", "N,...", "1",
        "Threads that run at once", (option, text) => OptionParsing.Number(option, text, 1, AttentionOptions.MaxThreads));

    private readonly Option<IReadOnlyList<KvFormat>> _kv = Many("--kv", "f32|f16|bf16|q16,...", "f32",
        "How K and V are stored",
        (option, text) => OptionNames.TryParse(text, out KvFormat format)
            ? format
            : throw new InputException($"{option}: unknown value {InputException.Quote(text)}; choose {OptionNames.KvFormats}"));

    private readonly Option<IReadOnlyList<KeepRatio>> _keep = Many("--keep", "R|mass:P,...", "0.2",
        "Share of the keys that a row keeps, or of the softmax mass",
        (option, text) => KeepRatio.TryParse(text, out KeepRatio keep)
            ? keep
            : throw new InputException($"{option}: {InputException.Quote(text)} is not a share above 0 and up to 1, such as 0.2 or mass:0.8"));

    private readonly Option<IReadOnlyList<TailCompensation>> _tails = Many("--tail", "none|mean|linear,...", "none",
        "What happens to the dropped keys' mass",
        (option, text) => OptionNames.TryParse(text, out TailCompensation tail)
            ? tail
            : throw new InputException($"{option}: unknown value {InputException.Quote(text)}; choose {OptionNames.Tails}"));

    private readonly Option<int> _minKeys = OptionParsing.Parsed("--min-keys", "N", "1",
        "A row keeps at least that many keys", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<string> _input = new("--input")
    {
        Description = "Numbers for whole attention: a trace, repeated to the shape, or generated [default: the bundled small.safetensors]",
        HelpName = "FILE|generated",
    };

    private readonly Option<int> _iterations = OptionParsing.Parsed("--iterations", "N", null,
        "Exactly N calls of each benchmark and thread, without warm-up, repeats or peaks: for counting instructions",
        (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<double> _time = OptionParsing.Parsed("--time", "SECONDS", DefaultSeconds.ToString(CultureInfo.InvariantCulture),
        "Time for the samples of each benchmark", ParseSeconds);

    private readonly Option<bool> _noPeaks = new("--no-peaks") { Description = "Do not measure the machine's peaks", Arity = ArgumentArity.Zero };

    private readonly Option<string> _suite = new("--suite")
    {
        Description = "Measure a set of benchmarks beside their peers and say which goals are reached: targets. --threads, --kv, --time and --group choose from it",
        HelpName = "targets",
    };

    private readonly Option<string> _group = new("--group")
    {
        Description = "With --suite: only the groups of this name, with * for anything, such as 'A decode*'",
        HelpName = "NAME",
    };

    private readonly Option<string[]> _compare = new("--compare")
    {
        Description = "Measure nothing; say what changed from one report of --json to another, beyond the noise of both",
        HelpName = "BEFORE.json AFTER.json",
        Arity = new ArgumentArity(2, 2),
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<bool> _fail = new("--fail-on-regression")
    {
        Description = "With --compare: exit code 1 when something became slower beyond noise",
        Arity = ArgumentArity.Zero,
    };

    private readonly Option<bool> _json = CommonOptions.Json();

    private readonly BenchRegistry _registry;
    private readonly CommandConsole _console;

    private BenchCommandLine(BenchRegistry registry, CommandConsole console)
    {
        _registry = registry;
        _console = console;
    }

    /// <summary>Makes the command.</summary>
    /// <param name="console">Where reports and progress go.</param>
    /// <param name="registry">What can be measured.</param>
    public static Command Create(CommandConsole console, BenchRegistry registry)
    {
        var line = new BenchCommandLine(registry, console);
        var command = new Command("bench", "Measure single operators and whole attention: time, rate, share of the machine's measured peak")
        {
            line._list, line._names, line._isas, line._shapes, line._threads, line._kv, line._keep, line._tails, line._minKeys, line._input,
            line._iterations, line._time, line._noPeaks, line._suite, line._group, line._compare, line._fail, line._json,
        };
        command.SetAction(line.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        if (InstructionSets.Validate() is { } error)
        {
            throw new InputException(error);
        }

        if (result.GetValue(_list))
        {
            List(result.GetValue(_json));
            return EntryPoint.Success;
        }

        if (result.GetResult(_compare) is not null)
        {
            return Compare(result);
        }

        if (result.GetValue(_fail))
        {
            throw new InputException("--fail-on-regression: it needs --compare BEFORE.json AFTER.json");
        }

        if (result.GetResult(_suite) is not null)
        {
            MeasureSuite(result);
        }
        else if (result.GetResult(_group) is not null)
        {
            throw new InputException("--group: it needs --suite targets");
        }
        else
        {
            Measure(result);
        }

        return EntryPoint.Success;
    }

    private int Compare(ParseResult result)
    {
        Refuse(result, "--compare: nothing is measured", [_names, _isas, _shapes, _threads, _kv, _keep, _tails, _minKeys, _input, _iterations, _time, _suite, _group]);
        string[] paths = result.GetRequiredValue(_compare);
        BenchReport before = BenchComparison.Read(paths[0]);
        BenchReport after = BenchComparison.Read(paths[1]);
        BenchComparison comparison = BenchComparison.Of(before, after);
        if (comparison.Changes.Count == 0)
        {
            throw new InputException($"--compare: {paths[0]} and {paths[1]} have no benchmark in common; measure both with the same --op, --isa, --shape and --threads");
        }

        if (result.GetValue(_json))
        {
            ComparisonTable.WriteJson(_console.Output, comparison);
        }
        else
        {
            ComparisonTable.Write(_console.Ansi, comparison);
        }

        return comparison.HasRegression && result.GetValue(_fail) ? EntryPoint.CheckFailed : EntryPoint.Success;
    }

    private void MeasureSuite(ParseResult result)
    {
        Refuse(result, "--suite: the suite says what is measured", [_names, _isas, _shapes, _keep, _tails, _minKeys, _input, _iterations, _noPeaks]);
        string name = result.GetRequiredValue(_suite);
        if (name != "targets")
        {
            throw new InputException($"--suite: unknown value {InputException.Quote(name)}; there is targets");
        }

        string pattern = result.GetValue(_group) ?? "*";
        IReadOnlyList<int> threads = Given(result, _threads) ?? [.. new[] { 1, Math.Min(2, Environment.ProcessorCount) }.Distinct()];
        SuiteGroup[] all = [.. new TargetSuite(_registry, threads, Given(result, _kv) ?? TargetSuite.AllFormats).Groups()];
        SuiteGroup[] groups = Array.FindAll(all, g => FileSystemName.MatchesSimpleExpression(pattern, g.Name));
        if (groups.Length == 0)
        {
            throw new InputException($"--group: {InputException.Quote(pattern)} is none of {string.Join("; ", all.Select(g => g.Name))}");
        }

        var timing = new BenchTiming(TimeSpan.FromSeconds(result.ValueOr(_time, DefaultSuiteSeconds)));
        BenchReport report;
        using (ProgressReporter progress = _console.StartProgress())
        {
            report = SuiteRun.Measure(groups, timing, progress.Report);
        }

        if (result.GetValue(_json))
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(report, BenchJson.Readable.BenchReport));
        }
        else
        {
            SuiteRun.Write(_console.Ansi, report);
        }
    }

    private static void Refuse(ParseResult result, string reason, ReadOnlySpan<Option> options)
    {
        foreach (Option option in options)
        {
            if (result.GetResult(option) is { Implicit: false })
            {
                throw new InputException($"{reason}; leave out {option.Name}");
            }
        }
    }

    private void List(bool json)
    {
        BenchListing listing = BenchListing.Of(_registry);
        if (json)
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(listing, BenchJson.Readable.BenchListing));
        }
        else
        {
            listing.Write(_console.Ansi);
        }
    }

    private void Measure(ParseResult result)
    {
        IReadOnlyList<BenchEntry> entries = Selection(result).Resolve(_registry);
        long? iterations = result.GetResult(_iterations) is null ? null : result.GetValue(_iterations);
        if (iterations is not null && result.GetResult(_time) is not null)
        {
            throw new InputException("--time: --iterations says how many calls there are; give one of the two");
        }

        var timing = new BenchTiming(TimeSpan.FromSeconds(result.ValueOr(_time, DefaultSeconds)), iterations);
        BenchReport report;
        using (ProgressReporter progress = _console.StartProgress())
        {
            report = Measure(entries, timing, withPeaks: iterations is null && !result.GetValue(_noPeaks), progress.Report);
        }

        if (result.GetValue(_json))
        {
            _console.Output.WriteLine(JsonSerializer.Serialize(report, BenchJson.Readable.BenchReport));
        }
        else
        {
            BenchTable.Write(_console.Ansi, report);
        }
    }

    private static BenchReport Measure(IReadOnlyList<BenchEntry> entries, BenchTiming timing, bool withPeaks, Action<string, long, long> progress)
    {
        PeakPlan? peaks = withPeaks ? new PeakPlan(CacheSizes.Current, entries.Select(e => e.Request)) : null;
        IReadOnlyList<BenchMeasured> measured = new BenchRunner(timing, progress).Run(entries, peaks);
        return BenchReportBuilder.Build(measured, peaks);
    }

    private BenchSelection Selection(ParseResult result) => new()
    {
        Names = Given(result, _names),
        Isas = Given(result, _isas),
        Shapes = result.GetResult(_shapes) is null ? null : result.GetValue(_shapes),
        Threads = Given(result, _threads),
        Kv = Given(result, _kv),
        Keep = Given(result, _keep),
        Tails = Given(result, _tails),
        MinKeys = result.GetResult(_minKeys) is null ? null : result.GetValue(_minKeys),
        Input = result.GetValue(_input),
    };

    private static IReadOnlyList<T>? Given<T>(ParseResult result, Option<IReadOnlyList<T>> option) =>
        result.GetResult(option) is null ? null : result.GetValue(option);

    /// <summary>An option whose values are separated by commas.</summary>
    private static Option<IReadOnlyList<T>> Many<T>(string name, string values, string defaultText, string description, Func<string, string, T> parse) =>
        OptionParsing.Parsed<IReadOnlyList<T>>(name, values, defaultText, description, (option, text) =>
        {
            string[] parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            return parts.Length > 0
                ? [.. parts.Select(part => parse(option, part)).Distinct()]
                : throw new InputException($"{option}: {InputException.Quote(text)} names nothing");
        });

    private static double ParseSeconds(string option, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and <= 3600
            ? seconds
            : throw new InputException($"{option}: {InputException.Quote(text)} is not a number of seconds above 0 and up to 3600, such as 0.3");
}
