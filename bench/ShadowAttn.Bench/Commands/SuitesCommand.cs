using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using ShadowAttn.Bench.Peers;
using ShadowAttn.Bench.Suites;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench;

namespace ShadowAttn.Bench.Commands;

/// <summary>BenchmarkDotNet suites of the operators, with Markdown tables in BenchmarkDotNet.Artifacts/results.</summary>
internal static class SuitesCommand
{
    private const int LongestName = 200;

    private static readonly char[] s_separators = [','];

    public static Command Create()
    {
        var operators = new Option<string>("--op") { Description = "Operators or functions, as `bench --list` names them, with * for anything; all without it." };
        var isas = new Option<string>("--isa") { Description = "Instruction sets of the variants; all without it." };
        var shapes = new Option<string[]>("--shape") { Description = "Sizes, as for `bench`; the default ones without it." };
        var brief = new Option<bool>("--short") { Description = "Three short iterations in this process: a second per benchmark, and less exact." };
        var disassemble = new Option<bool>("--disassemble") { Description = "Also write the code of the kernels that each benchmark runs." };
        var command = new Command("suites", "Benchmarks kernel variants by BenchmarkDotNet.") { operators, isas, shapes, brief, disassemble };
        command.SetAction(result =>
        {
            if (result.GetValue(brief) && result.GetValue(disassemble))
            {
                Console.Error.WriteLine("--disassemble needs a process of its own per benchmark; leave out --short");
                return EntryPoint.BadInput;
            }

            try
            {
                OperatorSuite.Selected = Select(Split(result.GetValue(operators)), Split(result.GetValue(isas)) ?? ["all"], result.GetValue(shapes));
            }
            catch (InputException e)
            {
                Console.Error.WriteLine(e.Message);
                return EntryPoint.BadInput;
            }

            return Run(result.GetValue(brief), result.GetValue(disassemble));
        });
        return command;
    }

    /// <summary>The names of the benchmarks that are meant: without names, those of this project's kernels.</summary>
    internal static IReadOnlyList<string> Select(IReadOnlyList<string>? names, IReadOnlyList<string> isas, IReadOnlyList<string>? shapes)
    {
        string[] kernels = [.. PeerBenchmarks.Registry.Operators.Where(o => !o.UsesThreads && o.Name is not ("peak" or "tensors")).Select(o => o.Name)];
        var selection = new BenchSelection { Names = names ?? kernels, Isas = isas, Shapes = shapes is { Count: > 0 } ? shapes : null };
        return [.. selection.Resolve(PeerBenchmarks.Registry).Select(BenchId.Of)];
    }

    private static int Run(bool brief, bool disassemble)
    {
        ManualConfig config = ManualConfig.Create(DefaultConfig.Instance)
            .WithOptions(ConfigOptions.JoinSummary)
            .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(LongestName))
            .AddColumn(new RateColumn())
            .AddJob(brief ? Job.ShortRun.WithIterationTime(TimeInterval.FromMilliseconds(120)).WithToolchain(InProcessEmitToolchain.Instance) : Job.Default);
        if (disassemble)
        {
            // Kernels are reached through function pointers, which the disassembler does not follow; it finds a variant's classes by their names.
            string[] variants = [.. OperatorSuite.Selected.Select(name => BenchId.Parse(PeerBenchmarks.Registry, name).Request.Isa).Distinct().Select(isa => $"ShadowAttn.Kernels.*{isa}.*")];
            config.AddDiagnoser(new DisassemblyDiagnoser(new DisassemblyDiagnoserConfig(maxDepth: 1, filters: variants, exportGithubMarkdown: true)));
        }

        if (OperatingSystem.IsWindows())
        {
            config.AddHardwareCounters(HardwareCounter.InstructionRetired, HardwareCounter.TotalCycles, HardwareCounter.CacheMisses);
        }

        Summary[] summaries = BenchmarkRunner.Run([typeof(OperatorSuite)], config);
        bool complete = summaries.Length > 0 && summaries.All(s => !s.HasCriticalValidationErrors && s.Reports.All(r => r.Success));
        return complete ? EntryPoint.Success : EntryPoint.CheckFailed;
    }

    private static string[]? Split(string? text) => text?.Split(s_separators, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
