using System.CommandLine;
using ShadowAttn.Bench.Commands;

var root = new RootCommand("Benchmarks of single kernels, and of attention against other libraries.")
{
    AccuracyCommand.Create(),
    AttentionPeersCommand.Create(),
    CacheCommand.Create(),
    SuitesCommand.Create(),
    TailsCommand.Create(),
};
ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine(parsed.Errors[0].Message);
    return 2;
}

return parsed.Invoke();
