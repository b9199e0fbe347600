using System.Collections.Concurrent;
using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Tests.Samples;

/// <summary>The code of the README and of docs/use-from-csharp.md, as it stands there.</summary>
internal static class CSharpSamples
{
    public static double WholeTensors(TensorView<float> q, TensorView<float> k, TensorView<float> v, TensorView<float> o)
    {
        using QnnBackend backend = QnnBackend.Open("libQnnHtp.so");
        using var attention = new ShadowAttention(backend, new AttentionOptions
        {
            Heads = 12, KvHeads = 2, HeadDim = 128, Keep = KeepRatio.Share(0.2),
        });

        // TensorView<float>: q and o [heads, queries, dim], k and v [kvHeads, keys, dim]; your memory, your strides, used in place
        AttentionReport report = attention.Compute(q, k, v, o);
        return report.TotalMilliseconds;
    }

    public static long PrefillAndDecode(
        ShadowAttention attention, TensorView<float> q, TensorView<float> k, TensorView<float> v, TensorView<float> o)
    {
        using KvCache cache = attention.CreateCache(capacity: 8192, KvFormat.F32);
        cache.Append(k, v);                                             // [kvHeads, newKeys, headDim]
        AttentionReport report = attention.Compute(q, cache, o);        // the queries are the last ones of the cached keys
        cache.Truncate(4096);                                           // back to a prefix
        return report.KeptKeys;
    }

    public static int Calibrated(ShadowAttention attention, KvView calibrationKeys)
    {
        KeyStatistics statistics = KeyStatistics.Measure(calibrationKeys);
        using KvCache calibrated = attention.CreateCache(capacity: 8192, KvFormat.BF16, statistics);
        return calibrated.Capacity;
    }

    public static void ManyLayers(Action<ShadowAttention> compute)
    {
        using var workers = new AttentionWorkers(threads: 4);
        ShadowAttention[] layers =
        [
            .. Enumerable.Range(0, 4).Select(_ => new ShadowAttention(null, new AttentionOptions
            {
                Heads = 12, KvHeads = 2, HeadDim = 128, Mode = AttentionMode.ShadowCpu, Workers = workers,
            })),
        ];
        foreach (ShadowAttention layer in layers)
        {
            using (layer)
            {
                compute(layer);
            }
        }
    }

    public static void Controlled(
        ShadowAttention attention, KvCache cache, TensorView<float> q, TensorView<float> o, ConcurrentQueue<int> next, CancellationTokenSource cancellation)
    {
        attention.Prepare(queries: 1, cache);                           // buffers and graphs of this shape, before the first call
        attention.HeadCompleted = head => next.Enqueue(head);           // on a worker's thread, as soon as a head's output is complete
        attention.Compute(q, cache, o, cancellationToken: cancellation.Token);
    }

    public static AttentionOptions Masked()
    {
        var options = new AttentionOptions
        {
            Heads = 8, KvHeads = 8, HeadDim = 64, Mode = AttentionMode.ShadowCpu,
            SlidingWindow = 4096, Sinks = 4, LocalWindow = 32,
            AlibiSlopes = AlibiSlopes.Standard(8),
        };
        return options;
    }
}
