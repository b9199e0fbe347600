using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Eval;

/// <summary>The command line of <c>eval</c>.</summary>
internal sealed class EvalCommandLine
{
    private static readonly RunOptions s_defaults = new();

    private readonly Option<string> _model = ModelOption();

    private readonly Option<string> _text = TextOption();

    private readonly Option<int> _tokens = TokensOption();

    private readonly Option<AttentionMode[]> _mode = OptionParsing.Parsed("--mode", "MODE,...|all", "shadow",
        "Ways to compute attention, as of run", (option, text) => text == "all"
            ? Enum.GetValues<AttentionMode>()
            : List(option, text, RunCommandLine.ParseMode));

    private readonly Option<KeepRatio[]> _keep = OptionParsing.Parsed("--keep", "R|mass:P,...", "0.2",
        "Share of the visible keys that a row keeps, or the share of the softmax mass that its kept keys must hold",
        (option, text) => List(option, text, RunCommandLine.ParseKeep));

    private readonly Option<string[]> _calibration = new("--calibration", "--profile")
    {
        Description = "Profiles from calibrate: a keep ratio for every head of every layer, beside or instead of --keep",
        HelpName = "FILE...",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<TailCompensation[]> _tail = OptionParsing.Parsed("--tail", "linear|mean|none,...", "linear",
        "What stands in for the dropped keys", (option, text) => List(option, text, RunCommandLine.ParseTail));

    private readonly Option<int> _minKeys = OptionParsing.Parsed("--min-keys", "N", "64",
        "A row keeps at least that many keys", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<int> _chunk = OptionParsing.Parsed("--chunk", "N", "2048",
        "Tokens that go through the model in one call", (option, text) => OptionParsing.Number(option, text, 1, 1 << 16));

    private readonly Option<KvFormat> _kv = OptionParsing.Parsed("--kv", "f32|f16|bf16|q16", "f32 caches if there are several chunks, whole tensors otherwise",
        "Keys and values in a cache of this format, in the modes that take one", RunCommandLine.ParseKvFormat);

    private readonly Option<bool> _crossover = RunCommandLine.CrossoverOption();

    private readonly Option<int> _repeat = OptionParsing.Parsed("--repeat", "N", "1",
        "Compute every way so often; times are the least", (option, text) => OptionParsing.Number(option, text, 1, 1000));

    private readonly Option<int> _threads = ThreadsOption();

    private readonly Option<bool> _perToken = new("--per-token") { Description = "With --json: the negative log-likelihood of every token" };
    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly BackendCommandLine _backend = new();

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new EvalCommandLine();
        var command = new Command("eval", "Run a language model over a text with attention in each mode: perplexity, agreement with exact attention, time")
        {
            line._model, line._text, line._tokens, line._mode, line._keep, line._calibration, line._tail, line._minKeys, line._chunk, line._kv, line._crossover,
            line._repeat, line._threads, line._perToken, line._json,
        };
        line._backend.AddTo(command);
        command.SetAction((result, cancellation) =>
        {
            RunCommandLine.CheckInstructionSet();
            using var key = new CancelKey(cancellation);
            EvalCommand.Execute(line.Read(result, verbose), console, key.Token);
            return Task.CompletedTask;
        });
        return command;
    }

    internal static Option<string> ModelOption() =>
        new("--model") { Description = "The language model: a GGUF file of the Llama family", HelpName = "FILE", Required = true };

    internal static Option<string> TextOption() => new("--text") { Description = "The text: a UTF-8 file", HelpName = "FILE", Required = true };

    internal static Option<int> TokensOption() => OptionParsing.Parsed("--tokens", "N", "the whole text",
        "Only the first N tokens", (option, text) => OptionParsing.Number(option, text, 2, 1 << 20));

    internal static Option<int> ThreadsOption() => OptionParsing.Parsed(
        "--threads", "N", s_defaults.Threads.ToString(CultureInfo.InvariantCulture),
        "Number of CPU threads", (option, text) => OptionParsing.Number(option, text, 1, AttentionOptions.MaxThreads));

    private EvalOptions Read(ParseResult result, Option<bool> verbose) => Check(new EvalOptions
    {
        ModelPath = result.GetRequiredValue(_model),
        TextPath = result.GetRequiredValue(_text),
        Tokens = result.GetResult(_tokens) is null ? null : result.GetRequiredValue(_tokens),
        Modes = result.ValueOr(_mode, [AttentionMode.Shadow]),
        Keeps = result.ValueOr(_keep, result.GetResult(_calibration) is null ? [s_defaults.Keep] : []),
        Calibrations = [.. (result.GetValue(_calibration) ?? []).Select(ProfileFile.Read)],
        Tails = result.ValueOr(_tail, [s_defaults.Tail]),
        MinKeys = result.ValueOr(_minKeys, s_defaults.MinKeys),
        Chunk = result.ValueOr(_chunk, 2048),
        KvFormat = result.GetResult(_kv) is null ? null : result.GetRequiredValue(_kv),
        Crossover = result.GetValue(_crossover),
        Repeat = result.ValueOr(_repeat, 1),
        Threads = result.ValueOr(_threads, s_defaults.Threads),
        Backend = _backend.Read(result),
        PerToken = result.GetValue(_perToken),
        Json = result.GetValue(_json),
        Verbose = result.GetValue(verbose),
    });

    private static EvalOptions Check(EvalOptions options) => options.Calibrations.Count == 0 || options.Modes.Any(EvalWay.Drops)
        ? options
        : throw new InputException("--calibration: no mode of --mode drops keys; choose one that does, such as shadow-cpu");

    internal static T[] List<T>(string option, string text, Func<string, string, T> parse) => [.. text.Split(',').Select(part => parse(option, part))];
}
