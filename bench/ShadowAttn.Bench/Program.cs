using System.CommandLine;
using ShadowAttn.Bench.Commands;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Terminal;

if (args is ["bench", ..])
{
    // The command's own, with other libraries beside this project's operators.
    return EntryPoint.Run(args, CommandConsole.OfProcess(), PeerBenchmarks.Registry);
}

var root = new RootCommand("Benchmarks of single kernels, and of attention against other libraries.")
{
    AccuracyCommand.Create(),
    AttentionPeersCommand.Create(),
    new Command("bench", "shadowattn bench with the peers tensors.* (System.Numerics.Tensors) and ort.* (ONNX Runtime) in the same run."),
    CacheCommand.Create(),
    CrossoverCommand.Create(),
    LanguageModelsCommand.Create(),
    RepeatCommand.Create(),
    SuitesCommand.Create(),
    TailsCommand.Create(),
};
ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine(parsed.Errors[0].Message);
    return EntryPoint.BadInput;
}

return parsed.Invoke();
