using System.CommandLine;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Compare;

/// <summary>The command <c>compare</c>: every mode on one input, with the same options, side by side.</summary>
internal static class CompareCommandLine
{
    /// <summary>From the exact one through the baselines to ours.</summary>
    private static readonly AttentionMode[] s_modes =
    [
        AttentionMode.Dense, AttentionMode.SparseCpu, AttentionMode.BlockSparse, AttentionMode.NpuInt8, AttentionMode.ShadowCpu, AttentionMode.Shadow,
    ];

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandConsole console, Option<bool> verbose)
    {
        var line = new RunCommandLine(verbose);
        var command = new Command("compare", "Compute one attention layer in every mode with the same options, side by side: time per operator, accuracy, kept keys");
        line.AddTo(command);
        command.SetAction(result => Run(line.Read(result), console));
        return command;
    }

    private static void Run(RunOptions options, CommandConsole console)
    {
        RunCommandLine.CheckInstructionSet();
        if (options.Keep.IsMass)
        {
            throw new InputException("--keep: mass:P is no choice of block-sparse; give a share of the keys, such as 0.2");
        }

        using BackendHost host = BackendHost.Open(
            options.Backend, options.Threads, new LineLogger(console.Error, options.Verbose), options.Verbose);
        using TraceInput trace = TraceInput.Open(options.InputPath);
        using UnmanagedBuffer output = RunCommand.AllocateOutput(trace);
        List<RunReport> reports = [];
        using (ProgressReporter progress = console.StartProgress())
        {
            foreach (AttentionMode mode in s_modes)
            {
                // The whole attention in INT8 knows no other mask than the causal one.
                if (mode == AttentionMode.NpuInt8 && (options.SlidingWindow is not null || options.Alibi))
                {
                    continue;
                }

                BackendHost? needed = mode is AttentionMode.Shadow or AttentionMode.NpuInt8 ? host : null;
                RunOptions one = options with { Mode = mode, KvFormat = mode == AttentionMode.NpuInt8 ? Kernels.KvFormat.F32 : options.KvFormat };
                reports.Add(RunCommand.Measure(one, trace, needed, RunCommand.View(output, trace), progress));
            }
        }

        if (options.Json)
        {
            CompareTable.WriteJson(console.Output, [.. reports]);
        }
        else
        {
            CompareTable.Write(console.Ansi, reports);
        }
    }
}
