using ShadowAttn.Attention;
using ShadowAttn.Cli.Backends;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Safetensors;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Run;

/// <summary>One attention layer end to end.</summary>
internal static class RunCommand
{
    /// <summary>Computes attention and reports on it.</summary>
    /// <param name="options">What to do; the output file, if any, has been checked to be writable.</param>
    /// <param name="trace">The input.</param>
    /// <param name="host">The backend; null where the mode needs none.</param>
    /// <param name="console">Where the report goes.</param>
    /// <exception cref="InputException">The input is not what the operator can compute.</exception>
    public static void Execute(RunOptions options, TraceInput trace, BackendHost? host, CommandConsole console)
    {
        using UnmanagedBuffer output = AllocateOutput(trace);
        TensorView<float> o = View(output, trace);
        RunReport report;
        using (ProgressReporter progress = console.StartProgress())
        {
            report = Measure(options, trace, host, o, progress);
        }

        if (options.OutputPath is { } path)
        {
            SafetensorsWriter.Write(path, "o", o, new Dictionary<string, string>(trace.Metadata) { ["mode"] = report.Mode });
        }

        if (options.Json)
        {
            RunTable.WriteJson(console.Output, report);
        }
        else
        {
            RunTable.Write(console.Ansi, report);
        }
    }

    /// <summary>Room for the result.</summary>
    public static UnmanagedBuffer AllocateOutput(TraceInput trace) =>
        UnmanagedBuffer.Allocate((long)trace.Heads * trace.QueryCount * trace.HeadDim * sizeof(float));

    /// <summary>The result, [heads, queries, headDim].</summary>
    public static TensorView<float> View(UnmanagedBuffer output, TraceInput trace) =>
        output.View<float>(trace.Heads, trace.QueryCount, trace.HeadDim);

    /// <summary>Computes attention in one mode and measures it.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="trace">The input.</param>
    /// <param name="host">The backend; null where the mode needs none.</param>
    /// <param name="o">Receives the result.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <exception cref="InputException">The input is not what the operator can compute.</exception>
    public static RunReport Measure(RunOptions options, TraceInput trace, BackendHost? host, TensorView<float> o, ProgressReporter progress)
    {
        AttentionOptions attention = OperatorOptions(options, trace);
        options = options with { Mode = attention.Mode, MinKeys = attention.MinKeys, ExactTopK = attention.ExactTopK };
        using KvTensor? k = Convert("k", trace.K, options.KvFormat, trace.Path);
        using KvTensor? v = Convert("v", trace.V, options.KvFormat, trace.Path);
        var run = new AttentionRun(host, attention, options.Repeat, progress);
        return RunReportBuilder.Build(options, attention, trace, host?.Backend, run.Measure(trace, k?.View ?? trace.K, v?.View ?? trace.V, o));
    }

    /// <summary>The operator's options for an input, checked.</summary>
    /// <exception cref="InputException">The input is not what the operator can compute.</exception>
    internal static AttentionOptions OperatorOptions(RunOptions options, TraceInput trace)
    {
        var attention = new AttentionOptions
        {
            Heads = trace.Heads,
            KvHeads = trace.KvHeads,
            HeadDim = trace.HeadDim,
            Mode = options.Mode,
            Keep = options.Keep,
            MinKeys = options.MinKeys,
            Tail = options.Tail,
            Causal = trace.Causal,
            ExactTopK = options.ExactTopK,
            Crossover = options.Crossover,
            Schedule = options.Schedule,
            HeadsPerGraph = options.HeadsPerGraph,
            Sinks = options.Sinks,
            LocalWindow = options.Window,
            SlidingWindow = options.SlidingWindow,
            AlibiSlopes = options.Alibi ? AlibiSlopes.Standard(trace.Heads) : default(ReadOnlyMemory<float>),
            Scale = trace.Scale,
            Threads = options.Threads,
            Buckets = options.Buckets,
        };
        Check(attention, options, trace);
        return options.CalibrationPath is { } path ? Calibrated(attention, path, trace) : attention;
    }

    /// <summary>The options of the trace's layer in a profile.</summary>
    private static AttentionOptions Calibrated(AttentionOptions attention, string path, TraceInput trace)
    {
        int layer = trace.Layer ?? throw new InputException($"{trace.Path}: metadata has no layer; --calibration needs to know which layer the trace is of");
        return ProfileFile.Read(path).Apply(attention, layer);
    }

    /// <summary>A copy in another format; null for fp32, which the trace is in.</summary>
    internal static KvTensor? Convert(string name, TensorView<float> tensor, KvFormat format, string path)
    {
        if (format == KvFormat.F32)
        {
            return null;
        }

        if (format == KvFormat.F16)
        {
            foreach (float x in tensor.AsSpan())
            {
                if (MathF.Abs(x) > KvTensor.MaxF16)
                {
                    throw new InputException($"{path}: {name} has {x:G5}, more than fp16 holds ({KvTensor.MaxF16}); choose --kv bf16, q16 or f32");
                }
            }
        }

        return KvTensor.Convert(tensor, format);
    }

    private static void Check(AttentionOptions attention, RunOptions options, TraceInput trace)
    {
        if (trace.HeadDim > AttentionOptions.MaxHeadDim)
        {
            throw new InputException($"{trace.Path}: head dim {trace.HeadDim} is above {AttentionOptions.MaxHeadDim}, the most that is supported");
        }

        if ((options.SlidingWindow is not null || options.Alibi) && !trace.Causal)
        {
            throw new InputException($"{trace.Path}: the trace is not causal; --sliding-window and --alibi need one that is");
        }

        try
        {
            attention.Validate();
        }
        catch (ArgumentException e)
        {
            throw new InputException(e.Message, e);
        }
    }
}
