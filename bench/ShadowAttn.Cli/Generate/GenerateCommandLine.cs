using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Model.Generation;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Cli.Generate;

/// <summary>The command <c>generate</c>: a prompt in, text out as it comes.</summary>
internal sealed class GenerateCommandLine
{
    private static readonly RunOptions s_defaults = new();

    private readonly Option<string> _model = EvalCommandLine.ModelOption();
    private readonly Option<string> _prompt = new("--prompt") { Description = "What is asked", HelpName = "TEXT", Required = true };
    private readonly Option<string> _system = new("--system") { Description = "The system message [default: the model's own]", HelpName = "TEXT" };
    private readonly Option<bool> _raw = new("--raw") { Description = "Continue the prompt as it is, without the model's chat template" };

    private readonly Option<int> _most = OptionParsing.Parsed("--max-tokens", "N", "256",
        "Generate at most N tokens", (option, text) => OptionParsing.Number(option, text, 1, 1 << 20));

    private readonly Option<float> _temperature = OptionParsing.Parsed("--temperature", "T", "0",
        "0: always the most likely token; above: by chance, the more the higher", ParseTemperature);

    private readonly Option<int> _seed = OptionParsing.Parsed("--seed", "N", "0",
        "Of the chance", (option, text) => OptionParsing.Number(option, text, 0, int.MaxValue));

    private readonly Option<AttentionMode> _mode = OptionParsing.Parsed("--mode", "shadow|shadow-cpu|dense", "shadow-cpu",
        "How attention is computed", (option, text) => OptionParsing.Choice(option, text,
            ("shadow", AttentionMode.Shadow), ("shadow-cpu", AttentionMode.ShadowCpu), ("dense", AttentionMode.Dense)));

    private readonly Option<KeepRatio> _keep = OptionParsing.Parsed("--keep", "R|mass:P", "0.2",
        "Share of the visible keys that a row keeps, or the share of the softmax mass that its kept keys must hold", RunCommandLine.ParseKeep);

    private readonly Option<int> _threads = EvalCommandLine.ThreadsOption();
    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly BackendCommandLine _backend = new();

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new GenerateCommandLine();
        var command = new Command("generate", "Let a language model answer, attention in the chosen mode, the text as it comes")
        {
            line._model, line._prompt, line._system, line._raw, line._most, line._temperature, line._seed, line._mode, line._keep, line._threads, line._json,
        };
        line._backend.AddTo(command);
        command.SetAction((result, cancellation) =>
        {
            RunCommandLine.CheckInstructionSet();
            using var key = new CancelKey(cancellation);
            line.Execute(result, result.GetValue(verbose), console, key.Token);
            return Task.CompletedTask;
        });
        return command;
    }

    private void Execute(ParseResult result, bool verbose, CommandConsole console, CancellationToken cancellation)
    {
        string modelPath = result.GetRequiredValue(_model);
        int threads = result.ValueOr(_threads, s_defaults.Threads);
        int most = result.ValueOr(_most, 256);
        bool json = result.GetValue(_json);
        AttentionMode mode = result.ValueOr(_mode, AttentionMode.ShadowCpu);
        using BackendHost? host = mode == AttentionMode.Shadow
            ? BackendHost.Open(_backend.Read(result), threads, new LineLogger(console.Error, verbose), verbose)
            : null;
        using LanguageModel model = LanguageModel.Open(modelPath, threads);
        string prompt = result.GetRequiredValue(_prompt);
        ChatTemplate? template = result.GetValue(_raw) ? null : ChatTemplate.Read(modelPath, model.ChatTemplate);
        int[] tokens = template is null
            ? model.Tokenizer.Encode(prompt)
            : model.Tokenizer.Encode(template.Prompt(prompt, result.GetValue(_system)), withControls: true);
        if (tokens.Length == 0)
        {
            throw new InputException("--prompt: is empty");
        }

        if (model.Tokenizer.BeginId is { } begin && tokens[0] != begin && (template?.AddsBegin ?? model.Tokenizer.AddsBegin))
        {
            tokens = [begin, .. tokens];
        }

        var options = new AttentionOptions
        {
            Heads = model.Config.Heads,
            KvHeads = model.Config.KvHeads,
            HeadDim = model.Config.HeadDim,
            Mode = mode,
            Keep = result.ValueOr(_keep, s_defaults.Keep),
            Threads = threads,
        };
        using var attention = new CachedAttention(
            host?.Backend, [.. Enumerable.Repeat(options, model.Config.Layers)], tokens.Length + most, pilot: host?.Pilot);
        var sampler = new TokenSampler(result.ValueOr(_temperature, 0), result.ValueOr(_seed, 0));
        var text = new System.Text.StringBuilder();
        GenerationFigures figures = TextGenerator.Run(
            model,
            attention,
            tokens,
            most,
            sampler,
            part =>
            {
                text.Append(part);
                if (!json)
                {
                    console.Output.Write(part);
                    console.Output.Flush();
                }
            },
            cancellation);
        double rate = figures.Tokens * 1000.0 / Math.Max(figures.Milliseconds, 1e-3);
        if (json)
        {
            console.Output.WriteLine(JsonSerializer.Serialize(
                new GenerateReport(
                    OptionNames.Name(mode), options.Keep.ToString(), text.ToString(), figures.PromptTokens, figures.Tokens, figures.PromptMilliseconds, figures.Milliseconds, rate),
                GenerateJsonContext.Default.GenerateReport));
            return;
        }

        console.Output.WriteLine();
        console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{figures.PromptTokens} tokens of prompt in {figures.PromptMilliseconds:F0} ms, {figures.Tokens} tokens at {rate:F1} tokens/s, {OptionNames.Name(mode)}, {threads} threads"));
    }

    private static float ParseTemperature(string option, string text) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && value is >= 0 and <= 100
            ? value
            : throw new InputException($"{option}: {InputException.Quote(text)} is not a number from 0 to 100, such as 0.7");
}

/// <summary>The JSON of <c>generate</c>.</summary>
internal sealed record GenerateReport(
    string Mode, string Keep, string Text, int PromptTokens, int Tokens, double PromptMs, double GenerateMs, double TokensPerSecond);

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(GenerateReport))]
internal sealed partial class GenerateJsonContext : JsonSerializerContext;
