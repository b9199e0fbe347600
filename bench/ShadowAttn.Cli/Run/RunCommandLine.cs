using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Input;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Run;

/// <summary>The command line of <c>run</c>.</summary>
internal sealed class RunCommandLine
{
    private static readonly RunOptions s_defaults = new();

    private readonly Option<string> _input = new("--input")
    {
        Description = "Trace to read: safetensors with q [heads, queries, dim], k and v [kv_heads, keys, dim], F32, F16 or BF16 "
            + "[default: the bundled small.safetensors]",
        HelpName = "FILE",
    };

    private readonly Option<AttentionMode> _mode = OptionParsing.Parsed("--mode", "MODE", "shadow",
        "shadow: pilot scores by the QNN backend; shadow-cpu: by the CPU; dense: exact attention over all keys; "
            + "npu-int8: the whole attention in INT8 by the QNN backend; sparse-cpu: the estimate in fp32 by the CPU; "
            + "block-sparse: whole blocks of 64 keys", ParseMode);

    private readonly Option<KeepRatio> _keep = OptionParsing.Parsed("--keep", "R|mass:P", "0.2",
        "Share of the visible keys that a row keeps, or the share of the softmax mass that its kept keys must hold", ParseKeep);

    private readonly Option<string> _calibration = new("--calibration")
    {
        Description = "Take the keep ratio of every head, the floor, or mode dense from the trace's layer in this profile, as calibrate writes it",
        HelpName = "FILE",
    };

    private readonly Option<int> _minKeys = OptionParsing.Parsed("--min-keys", "N", "64",
        "A row keeps at least that many keys", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<TailCompensation> _tail = OptionParsing.Parsed("--tail", "linear|mean|none", "linear",
        "mean: the dropped keys' estimated mass times the mean value is added; linear: the same with a first-order term; none: they are ignored", ParseTail);

    private readonly Option<ExactTopK> _exact = OptionParsing.Parsed("--exact-topk", "none|sure|2|3", "none",
        "Score keys exactly that the pilot's error might have misplaced: by the sure bound, or by so many standard errors", ParseExact);

    private readonly Option<bool> _crossover = CrossoverOption();

    private readonly Option<HeadSchedule> _schedule = OptionParsing.Parsed("--schedule", "johnson|greedy|fifo", "johnson",
        "In which order mode shadow takes KV heads and blocks of queries, by the times of the calls before; the result is the same", ParseSchedule);

    private readonly Option<int> _headsPerGraph = OptionParsing.Parsed("--heads-per-graph", "1|2|4", "1",
        "KV heads that one launch of a pilot graph scores, in mode shadow; the result is the same", ParseHeadsPerGraph);

    private readonly Option<int> _sinks = OptionParsing.Parsed("--sinks", "N", "0",
        "The first N keys are always kept", (option, text) => OptionParsing.Number(option, text, 0, int.MaxValue));

    private readonly Option<int> _window = OptionParsing.Parsed("--window", "N", "0",
        "The last N keys that a row sees are always kept", (option, text) => OptionParsing.Number(option, text, 0, int.MaxValue));

    private readonly Option<int> _slidingWindow = OptionParsing.Parsed("--sliding-window", "N", null,
        "Mask: a query sees only the last N keys up to its own", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<bool> _alibi = new("--alibi") { Description = "Add ALiBi's bias with the standard slopes to the logits" };

    private readonly Option<KvFormat> _kv = OptionParsing.Parsed("--kv", "f32|f16|bf16|q16", "f32",
        "How K and V are stored; converted once, before anything is timed. q16: int16 with a scale per channel", ParseKvFormat);

    private readonly Option<int> _threads = OptionParsing.Parsed("--threads", "N", s_defaults.Threads.ToString(CultureInfo.InvariantCulture),
        "Number of CPU threads", (option, text) => OptionParsing.Number(option, text, 1, AttentionOptions.MaxThreads));

    private readonly BackendCommandLine _backend = new();

    private readonly Option<PilotBuckets> _buckets = OptionParsing.Parsed("--buckets", "universal|paper", "universal",
        "universal: one output scale for all heads; paper: a ladder of scales per head", ParseBuckets);

    private readonly Option<string> _output = new("--output")
    {
        Description = "Write the result as tensor o [heads, queries, dim], F32, to this safetensors file",
        HelpName = "FILE",
    };

    private readonly Option<int> _repeat = OptionParsing.Parsed("--repeat", "N", s_defaults.Repeat.ToString(CultureInfo.InvariantCulture),
        "Number of timed repeats; times are medians", (option, text) => OptionParsing.Number(option, text, 1, 1_000_000));

    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly Option<bool> _verbose;

    internal RunCommandLine(Option<bool> verbose) => _verbose = verbose;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new RunCommandLine(verbose);
        var command = new Command("run", "Compute one attention layer end to end; report times, captured mass and the distance from exact attention")
        {
            line._output, line._crossover,
        };
        line.AddTo(command);
        line.AddChoicesTo(command);
        command.SetAction(result => Run(line.ReadRun(result), console));
        return command;
    }

    /// <summary>Adds what goes for every mode.</summary>
    internal void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            _input, _keep, _minKeys, _tail, _sinks, _window, _slidingWindow, _alibi, _kv, _threads, _repeat, _json,
        })
        {
            command.Add(option);
        }

        _backend.AddTo(command);
    }

    /// <summary>Adds what does not go for every mode.</summary>
    internal void AddChoicesTo(Command command)
    {
        command.Add(_mode);
        command.Add(_buckets);
        command.Add(_exact);
        command.Add(_schedule);
        command.Add(_headsPerGraph);
        command.Add(_calibration);
    }

    private static void Run(RunOptions options, CommandConsole console)
    {
        Check(options);
        if (options.OutputPath is { } output)
        {
            CheckOutput(output, options);
        }

        // The library is tried before the input is read: a wrong path shows at once.
        using BackendHost? host = OpenBackend(options, console);
        using TraceInput trace = TraceInput.Open(options.InputPath);
        RunCommand.Execute(options, trace, host, console);
    }

    /// <summary>Throws if a file could not be written there, or is the input.</summary>
    internal static void CheckOutput(string path, RunOptions options, string option = "--output")
    {
        OutputFile.Check(path);
        if (Path.GetFullPath(path) == Path.GetFullPath(options.InputPath))
        {
            throw new InputException($"{option}: {path} is the input; name another file");
        }
    }

    /// <summary>Throws where options do not go together.</summary>
    internal static void Check(RunOptions options)
    {
        CheckInstructionSet();
        if (options.HeadsPerGraph > 1 && options.Buckets == PilotBuckets.Paper)
        {
            throw new InputException("--heads-per-graph: --buckets paper has a graph per head; leave one of the two away");
        }

        if (options.Mode == AttentionMode.Shadow && options.Buckets == PilotBuckets.Paper && options.Keep.IsMass)
        {
            throw new InputException("--keep: mass:P needs --buckets universal; with --buckets paper give a share of the keys, such as 0.2");
        }

        if (options.Mode == AttentionMode.NpuInt8 && options.KvFormat != KvFormat.F32)
        {
            throw new InputException("--kv: --mode npu-int8 quantises K and V itself and takes f32 only");
        }

        if (options.Mode == AttentionMode.BlockSparse && options.Keep.IsMass)
        {
            throw new InputException("--keep: mass:P is no choice of --mode block-sparse; give a share of the keys, such as 0.2");
        }

        if (options.ExactTopK != ExactTopK.None && (options.Keep.IsMass || options.Mode is not (AttentionMode.Shadow or AttentionMode.ShadowCpu)))
        {
            throw new InputException("--exact-topk: only for --mode shadow and shadow-cpu, with --keep a share of the keys");
        }

        if (options.Mode == AttentionMode.NpuInt8 && (options.SlidingWindow is not null || options.Alibi))
        {
            throw new InputException("--mode: npu-int8 has no other mask than the causal one; leave --sliding-window and --alibi away");
        }
    }

    internal static void CheckInstructionSet()
    {
        if (InstructionSets.Validate() is { } error)
        {
            throw new InputException(error);
        }
    }

    internal static BackendHost? OpenBackend(RunOptions options, CommandConsole console)
    {
        if (options.Mode is AttentionMode.Shadow or AttentionMode.NpuInt8)
        {
            return BackendHost.Open(options.Backend, options.Threads, new LineLogger(console.Error, options.Verbose), options.Verbose);
        }

        // Not used, but a path that is wrong is wrong.
        using QnnLibrary? unused = options.Backend.Path is null ? null : options.Backend.LoadLibrary();
        return null;
    }

    internal RunOptions ReadRun(ParseResult result)
    {
        RunOptions options = Read(result) with { CalibrationPath = result.GetValue(_calibration), Crossover = result.GetValue(_crossover) };
        if (options.CalibrationPath is null)
        {
            return options;
        }

        if (result.GetResult(_keep) is not null || result.GetResult(_minKeys) is not null)
        {
            throw new InputException("--calibration: has the keep ratios and the floor; leave --keep and --min-keys away");
        }

        return options.Mode is not (AttentionMode.Dense or AttentionMode.NpuInt8)
            ? options
            : throw new InputException($"--calibration: --mode {OptionNames.Name(options.Mode)} drops no keys; choose a mode that does");
    }

    internal RunOptions Read(ParseResult result) => new()
    {
        InputPath = result.GetValue(_input) ?? RunOptions.BundledInput,
        Mode = result.ValueOr(_mode, s_defaults.Mode),
        ExactTopK = result.ValueOr(_exact, s_defaults.ExactTopK),
        Schedule = result.ValueOr(_schedule, s_defaults.Schedule),
        HeadsPerGraph = result.ValueOr(_headsPerGraph, s_defaults.HeadsPerGraph),
        Sinks = result.ValueOr(_sinks, s_defaults.Sinks),
        Window = result.ValueOr(_window, s_defaults.Window),
        SlidingWindow = result.GetResult(_slidingWindow) is null ? null : result.GetRequiredValue(_slidingWindow),
        Alibi = result.GetValue(_alibi),
        Keep = result.ValueOr(_keep, s_defaults.Keep),
        MinKeys = result.ValueOr(_minKeys, s_defaults.MinKeys),
        Tail = result.ValueOr(_tail, s_defaults.Tail),
        KvFormat = result.ValueOr(_kv, s_defaults.KvFormat),
        Threads = result.ValueOr(_threads, s_defaults.Threads),
        Backend = _backend.Read(result),
        Buckets = result.ValueOr(_buckets, s_defaults.Buckets),
        OutputPath = result.GetValue(_output),
        Repeat = result.ValueOr(_repeat, s_defaults.Repeat),
        Json = result.GetValue(_json),
        Verbose = result.GetValue(_verbose),
    };

    internal static Option<bool> CrossoverOption() => new("--crossover")
    {
        Description = "Compute rows that see few keys, or keep many, densely where that is faster, as the library does unless told otherwise",
    };

    private static HeadSchedule ParseSchedule(string option, string text) =>
        OptionNames.TryParse(text, out HeadSchedule schedule) ? schedule : throw Unknown(option, text, OptionNames.Schedules);

    private static int ParseHeadsPerGraph(string option, string text) => OptionParsing.Choice(option, text, ("1", 1), ("2", 2), ("4", 4));

    internal static AttentionMode ParseMode(string option, string text) =>
        OptionNames.TryParse(text, out AttentionMode mode) ? mode : throw Unknown(option, text, OptionNames.Modes);

    internal static KeepRatio ParseKeep(string option, string text) => KeepRatio.TryParse(text, out KeepRatio keep)
        ? keep
        : throw new InputException($"{option}: {InputException.Quote(text)} is not a share above 0 and up to 1, such as 0.2 or mass:0.8");

    internal static TailCompensation ParseTail(string option, string text) =>
        OptionNames.TryParse(text, out TailCompensation tail) ? tail : throw Unknown(option, text, OptionNames.Tails);

    internal static KvFormat ParseKvFormat(string option, string text) =>
        OptionNames.TryParse(text, out KvFormat format) ? format : throw Unknown(option, text, OptionNames.KvFormats);

    private static ExactTopK ParseExact(string option, string text) =>
        OptionNames.TryParse(text, out ExactTopK exact) ? exact : throw Unknown(option, text, OptionNames.ExactTopKs);

    private static PilotBuckets ParseBuckets(string option, string text) =>
        OptionNames.TryParse(text, out PilotBuckets buckets) ? buckets : throw Unknown(option, text, OptionNames.Buckets);

    private static InputException Unknown(string option, string text, string choices)
        => new($"{option}: unknown value {InputException.Quote(text)}; choose {choices}");
}
