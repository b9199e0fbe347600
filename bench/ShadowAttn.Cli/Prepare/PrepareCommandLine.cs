using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Prepare;

/// <summary>The command line of <c>prepare</c>.</summary>
internal sealed class PrepareCommandLine
{
    private const int MostTokens = 1 << 20;
    private const int MostMegabytes = 1024;

    private readonly Option<QnnHtpArch> _arch = OptionParsing.Parsed("--arch", "v68|v69|v73|v75|v79|v81|v85", null,
        "HTP generation of the target", (option, text) => OptionParsing.Choice(option, text,
            ("v68", QnnHtpArch.V68), ("v69", QnnHtpArch.V69), ("v73", QnnHtpArch.V73), ("v75", QnnHtpArch.V75),
            ("v79", QnnHtpArch.V79), ("v81", QnnHtpArch.V81), ("v85", QnnHtpArch.V85)));

    private readonly Option<int> _soc = OptionParsing.Parsed("--soc", "N", "the generation's usual phone",
        "SoC model number of the target, as doctor on the device shows it", (option, text) => OptionParsing.Number(option, text, 1, int.MaxValue));

    private readonly Option<int> _vtcm = OptionParsing.Parsed("--vtcm", "MB", "the chip's own",
        "Size of the target's tightly coupled memory, as doctor on the device shows it", (option, text) => OptionParsing.Number(option, text, 1, MostMegabytes));

    private readonly Option<PilotShape[]> _shapes = new("--shape")
    {
        Description = "A call to prepare graphs for; may be given several times, an entry each",
        HelpName = "heads,kvHeads,queries,keys,dim",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = ParseShapes,
        Required = true,
    };

    private readonly Option<bool> _nonCausal = new("--non-causal")
    {
        Description = "Every query sees all keys, not only those up to its own",
        Arity = ArgumentArity.Zero,
    };

    private readonly Option<int> _hvx = OptionParsing.Parsed("--hvx-threads", "N", "the backend's",
        "Vector threads of a graph; run must be given the same", (option, text) => OptionParsing.Number(option, text, 1, 64));

    private readonly Option<int> _optimization = OptionParsing.Parsed("--optimization", "1|2|3", "the backend's",
        "How hard the backend works on a graph; run must be given the same", (option, text) => OptionParsing.Number(option, text, 1, 3));

    private readonly Option<string> _backend = OptionParsing.Parsed("--backend", "PATH", "the first that doctor finds",
        "The HTP backend library of this PC", ParseBackend);

    private readonly Option<string> _output = OptionParsing.Parsed("--output", "DIR", null,
        "Cache folder that receives the entries", (option, text) => string.IsNullOrWhiteSpace(text)
            ? throw new InputException($"{option}: is empty; it must be a folder")
            : text);

    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly Option<bool> _verbose;

    private PrepareCommandLine(Option<bool> verbose)
    {
        _verbose = verbose;
        _arch.Required = true;
        _output.Required = true;
    }

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new PrepareCommandLine(verbose);
        var command = new Command("prepare", "Prepare the pilot graphs of a phone or laptop on this PC, as entries of a context cache. " + PrepareCommand.Unverified)
        {
            line._arch, line._soc, line._vtcm, line._shapes, line._nonCausal, line._hvx, line._optimization, line._backend, line._output, line._json,
        };
        command.SetAction(result => PrepareCommand.Execute(line.Read(result), console));
        return command;
    }

    private static T? Given<T>(ParseResult result, Option<T> option)
        where T : struct
        => result.GetResult(option) is null ? null : result.GetValue(option);

    private static string ParseBackend(string option, string text) => text switch
    {
        BackendOptions.BuiltIn => throw new InputException($"{option}: the built-in backend prepares nothing for an HTP; name the path of an HTP backend library"),
        _ when string.IsNullOrWhiteSpace(text) => throw new InputException($"{option}: is empty; it must be the path of an HTP backend library"),
        _ => text,
    };

    private static PilotShape[]? ParseShapes(ArgumentResult argument)
    {
        try
        {
            return [.. argument.Tokens.Select(token => ParseShape("--shape", token.Value))];
        }
        catch (InputException e)
        {
            argument.AddError(e.Message);
            return null;
        }
    }

    private static PilotShape ParseShape(string option, string text)
    {
        string[] parts = text.Split(',');
        if (parts.Length != 5)
        {
            throw new InputException($"{option}: {InputException.Quote(text)} is not heads,kvHeads,queries,keys,dim, such as 9,3,256,1024,64");
        }

        var numbers = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            int most = i == 4 ? AttentionOptions.MaxHeadDim : MostTokens;
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]) || numbers[i] < 1 || numbers[i] > most)
            {
                throw new InputException(
                    $"{option}: {InputException.Quote(parts[i])} in {InputException.Quote(text)} is not a whole number from 1 to {most}");
            }
        }

        return new PilotShape(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], Causal: true);
    }

    private PrepareOptions Read(ParseResult result)
    {
        bool causal = !result.GetValue(_nonCausal);
        PilotShape[] shapes = [.. result.GetRequiredValue(_shapes).Select(s => s with { Causal = causal })];
        foreach (PilotShape shape in shapes)
        {
            if (shape.Problem is { } problem)
            {
                throw new InputException($"--shape: {problem}");
            }
        }

        return new PrepareOptions
        {
            Chip = HtpChip.Choose(result.GetRequiredValue(_arch), (uint?)Given(result, _soc), Given(result, _vtcm)),
            Shapes = shapes,
            Graph = new QnnGraphOptions { HvxThreads = Given(result, _hvx), OptimizationLevel = Given(result, _optimization) },
            BackendPath = result.GetValue(_backend),
            OutputFolder = result.GetRequiredValue(_output),
            Json = result.GetValue(_json),
            Verbose = result.GetValue(_verbose),
        };
    }
}
