using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using ShadowAttn.Bench.Suites;

namespace ShadowAttn.Bench.Commands;

/// <summary>BenchmarkDotNet suites of single operators.</summary>
internal static class SuitesCommand
{
    public static Command Create()
    {
        var operators = new Option<string[]>("--op")
        {
            Description = $"Operators: {string.Join(", ", OperatorSuites.ByOperator.Keys)}. All without this option.",
            AllowMultipleArgumentsPerToken = true,
        };
        operators.AcceptOnlyFromAmong([.. OperatorSuites.ByOperator.Keys]);
        var brief = new Option<bool>("--short") { Description = "Three short iterations in this process: a second per benchmark, and less exact." };
        var command = new Command("suites", "Benchmarks every kernel variant that this machine has, by BenchmarkDotNet.") { operators, brief };
        command.SetAction(result => Run(result.GetValue(operators), result.GetValue(brief)));
        return command;
    }

    private static int Run(string[]? operators, bool brief)
    {
        Type[] types = operators is { Length: > 0 }
            ? [.. operators.Distinct().Select(name => OperatorSuites.ByOperator[name])]
            : [.. OperatorSuites.ByOperator.Values];
        IConfig config = ManualConfig.Create(DefaultConfig.Instance)
            .WithOptions(ConfigOptions.JoinSummary)
            .AddJob(brief ? Job.ShortRun.WithIterationTime(TimeInterval.FromMilliseconds(120)).WithToolchain(InProcessEmitToolchain.Instance) : Job.Default);
        Summary[] summaries = BenchmarkRunner.Run(types, config);
        bool complete = summaries.Length > 0 && summaries.All(s => !s.HasCriticalValidationErrors && s.Reports.All(r => r.Success));
        return complete ? 0 : 1;
    }
}
