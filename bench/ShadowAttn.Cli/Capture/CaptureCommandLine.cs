using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Eval;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Safetensors;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Memory;
using ShadowAttn.Model.Evaluation;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Cli.Capture;

/// <summary>The command <c>capture</c>: queries, keys and values of chosen layers of a model on a text, as traces for the other commands.</summary>
internal static class CaptureCommandLine
{
    private const int Chunk = 2048;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console)
    {
        Option<string> model = EvalCommandLine.ModelOption();
        Option<string> text = EvalCommandLine.TextOption();
        Option<int> tokens = EvalCommandLine.TokensOption();
        Option<int> threads = EvalCommandLine.ThreadsOption();
        Option<int[]> layers = OptionParsing.Parsed("--layers", "N,...", null, "The layers, from 0",
            (option, value) => EvalCommandLine.List(option, value, (name, part) => OptionParsing.Number(name, part, 0, 1 << 20)));
        layers.Required = true;
        var output = new Option<string>("--output")
        {
            Description = "The folder that gets a file TEXT_LNN.safetensors for every layer", HelpName = "FOLDER", Required = true,
        };
        var command = new Command("capture", "Write what attention gets in chosen layers of a language model on a text: traces for run, compare and bench")
        {
            model, text, tokens, layers, output, threads,
        };
        command.SetAction((result, cancellation) =>
        {
            RunCommandLine.CheckInstructionSet();
            using var key = new CancelKey(cancellation);
            Execute(
                result.GetRequiredValue(model),
                result.GetRequiredValue(text),
                result.GetResult(tokens) is null ? null : result.GetRequiredValue(tokens),
                result.GetRequiredValue(layers),
                result.GetRequiredValue(output),
                result.ValueOr(threads, new RunOptions().Threads),
                console,
                key.Token);
            return Task.CompletedTask;
        });
        return command;
    }

    private static void Execute(
        string modelPath, string textPath, int? wanted, int[] layers, string folder, int threads, CommandConsole console, CancellationToken cancellation)
    {
        string text = TextFile.Read("--text", textPath);
        using LanguageModel model = LanguageModel.Open(modelPath, threads);
        foreach (int layer in layers)
        {
            if (layer >= model.Config.Layers)
            {
                throw new InputException($"--layers: {modelPath} has layers 0 to {model.Config.Layers - 1}, no layer {layer}");
            }
        }

        int[] tokens = EvalCommand.Cut(textPath, model.Tokenizer.Encode(text), wanted);
        string[] paths = [.. layers.Select(layer => Path.Combine(
            folder, string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(textPath)}_L{layer:D2}.safetensors")))];
        MakeFolder(folder);
        Array.ForEach(paths, OutputFile.Check);
        var options = new AttentionOptions
        {
            Heads = model.Config.Heads,
            KvHeads = model.Config.KvHeads,
            HeadDim = model.Config.HeadDim,
            Mode = AttentionMode.Dense,
            Threads = threads,
        };
        using var attention = new CapturingAttention(
            new OperatorAttention(null, [.. Enumerable.Repeat(options, model.Config.Layers)], tokens.Length), model.Config, layers, tokens.Length);
        using (ProgressReporter progress = console.StartProgress())
        {
            TextPass.Run(model, tokens, attention, Chunk, (done, all) => progress.Report("layers", done, all), cancellation).Dispose();
        }

        for (int i = 0; i < layers.Length; i++)
        {
            (TensorView<float> q, TensorView<float> k, TensorView<float> v) = attention.Layer(layers[i]);
            var metadata = new Dictionary<string, string>
            {
                ["causal"] = "true",
                ["scale"] = (1 / Math.Sqrt(model.Config.HeadDim)).ToString("R", CultureInfo.InvariantCulture),
                ["model"] = model.Name ?? Path.GetFileNameWithoutExtension(modelPath),
                ["layer"] = layers[i].ToString(CultureInfo.InvariantCulture),
                ["text"] = Path.GetFileNameWithoutExtension(textPath),
                ["queries"] = "the last ones of the keys",
            };
            SafetensorsWriter.Write(paths[i], metadata, ("q", q), ("k", k), ("v", v));
            console.Output.WriteLine(paths[i]);
        }
    }

    private static void MakeFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"--output: {folder} is no folder that can be made: {InputException.OneLine(e.Message)}", e);
        }
    }
}
