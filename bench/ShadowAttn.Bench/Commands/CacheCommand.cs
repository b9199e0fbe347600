using System.CommandLine;
using System.Globalization;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Bench.Commands;

/// <summary>Caches: chunked prefill against one prefill, and decode against dense decode.</summary>
internal static class CacheCommand
{
    private const int Calls = 5;
    private const int Steps = 64;

    public static Command Create()
    {
        var input = new Option<string>("--input") { Description = "A trace, repeated to the shape.", DefaultValueFactory = _ => RunOptions.BundledInput };
        var threads = new Option<int>("--threads") { Description = "CPU threads.", DefaultValueFactory = _ => 2 };
        var command = new Command(
            "cache", "12 heads, 2 KV heads, dim 128: prefill of 4,096 in one and in 16 chunks of 256, decode at 8,192 keys.") { input, threads };
        command.SetAction(result => Run(result.GetValue(input)!, result.GetValue(threads)));
        return command;
    }

    private static int Run(string input, int threads)
    {
        using TraceInput trace = TraceInput.Open(input);
        var shape = new AttentionShape(12, 2, 128, 8192, 8192, true);
        AttentionData data = AttentionData.Repeat(trace, shape);
        using UnmanagedBuffer q = Copy(data.Queries);
        using UnmanagedBuffer k = Copy(data.Keys);
        using UnmanagedBuffer v = Copy(data.Values);
        using UnmanagedBuffer o = UnmanagedBuffer.Allocate((long)shape.QueryLength * sizeof(float));
        var tensors = new Tensors(View(q, shape.Heads, shape), View(k, shape.KvHeads, shape), View(v, shape.KvHeads, shape), View(o, shape.Heads, shape));
        var options = new AttentionOptions
        {
            Heads = shape.Heads, KvHeads = shape.KvHeads, HeadDim = shape.HeadDim, Mode = AttentionMode.ShadowCpu, Threads = threads,
        };
        Prefill(options, tensors);
        Decode(options, tensors);
        return 0;
    }

    private static void Prefill(AttentionOptions options, Tensors t)
    {
        const int Keys = 4096;
        Console.WriteLine("| prefill of 4,096 with a cache, ms | one call | 16 calls of 256 | largest difference |");
        Console.WriteLine("|---|---:|---:|---:|");
        foreach (AttentionMode mode in new[] { AttentionMode.Dense, AttentionMode.ShadowCpu })
        {
            using var attention = new ShadowAttention(null, options with { Mode = mode });
            using KvCache cache = attention.CreateCache(Keys);
            double[] best = [double.PositiveInfinity, double.PositiveInfinity];
            float[][] outputs = new float[2][];
            for (int call = 0; call <= Calls; call++)
            {
                for (int way = 0; way < 2; way++)
                {
                    cache.Truncate(0);
                    long start = System.Diagnostics.Stopwatch.GetTimestamp();
                    int chunk = way == 0 ? Keys : 256;
                    for (int first = 0; first < Keys; first += chunk)
                    {
                        cache.Append(t.K.Slice(1, first, chunk), t.V.Slice(1, first, chunk));
                        attention.Compute(t.Q.Slice(1, first, chunk), cache, t.O.Slice(1, first, chunk));
                    }

                    best[way] = Math.Min(best[way], System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                    outputs[way] = Output(t.O, Keys);
                }
            }

            float difference = outputs[0].Zip(outputs[1], (a, b) => Math.Abs(a - b)).Max();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {mode} | {best[0]:F1} | {best[1]:F1} | {difference:G2} |"));
        }

        Console.WriteLine();
    }

    private static void Decode(AttentionOptions options, Tensors t)
    {
        const int Keys = 8192;
        Console.WriteLine("| decode at 8,192 keys | tokens/s of one layer, f32 | f16 | append, µs |");
        Console.WriteLine("|---|---:|---:|---:|");
        (string Name, AttentionOptions Options)[] ways =
        [
            ("dense", options with { Mode = AttentionMode.Dense }),
            ("shadow-cpu, keep 0.2, tail none", options with { Tail = TailCompensation.None }),
            ("shadow-cpu, keep 0.2", options),
            ("shadow-cpu, keep 0.1", options with { Keep = KeepRatio.Share(0.1) }),
        ];
        foreach ((string name, AttentionOptions way) in ways)
        {
            double[] perSecond = new double[2];
            double append = double.PositiveInfinity;
            foreach (KvFormat format in new[] { KvFormat.F32, KvFormat.F16 })
            {
                using var attention = new ShadowAttention(null, way);
                using KvCache cache = attention.CreateCache(Keys, format);
                cache.Append(t.K.Slice(1, 0, Keys - Steps), t.V.Slice(1, 0, Keys - Steps));
                double best = double.PositiveInfinity;
                for (int step = 0; step < 4 * Steps; step++)
                {
                    if (cache.Count == Keys)
                    {
                        cache.Truncate(Keys - Steps);
                    }

                    int at = cache.Count;
                    long start = System.Diagnostics.Stopwatch.GetTimestamp();
                    cache.Append(t.K.Slice(1, at, 1), t.V.Slice(1, at, 1));
                    double appended = System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                    attention.Compute(t.Q.Slice(1, at, 1), cache, t.O.Slice(1, at, 1));
                    append = Math.Min(append, appended);
                    best = Math.Min(best, System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }

                perSecond[format == KvFormat.F32 ? 0 : 1] = 1000 / best;
            }

            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {name} | {perSecond[0]:F0} | {perSecond[1]:F0} | {1000 * append:F1} |"));
        }
    }

    private static float[] Output(TensorView<float> o, int queries)
    {
        var copy = new List<float>();
        for (int head = 0; head < o.Length(0); head++)
        {
            for (int query = 0; query < queries; query++)
            {
                copy.AddRange(Row(o, head, query));
            }
        }

        return [.. copy];
    }

    private static unsafe ReadOnlySpan<float> Row(TensorView<float> o, int head, int query) => new(o.RowPointer(head, query), o.Length(2));

    private static TensorView<float> View(UnmanagedBuffer buffer, int heads, AttentionShape shape) =>
        buffer.View<float>(heads, shape.Keys, shape.HeadDim);

    private static UnmanagedBuffer Copy(float[] source)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)source.Length * sizeof(float));
        source.CopyTo(buffer.AsSpan<float>());
        return buffer;
    }

    private sealed record Tensors(TensorView<float> Q, TensorView<float> K, TensorView<float> V, TensorView<float> O);
}
