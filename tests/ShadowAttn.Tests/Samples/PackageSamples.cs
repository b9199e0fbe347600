using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Tests.Samples;

/// <summary>The code of the packages' README.md files, as it stands there.</summary>
internal static unsafe class PackageSamples
{
    public static void Interop(string backendPath, sbyte[] left, sbyte[] right, sbyte[] product)
    {
        using QnnBackend backend = QnnBackend.Open(backendPath);                    // for example "libQnnHtp.so"
        using QnnContext context = backend.CreateContext();
        using QnnGraphBuilder builder = context.CreateGraph("product");
        QnnTensor a = builder.Input("a", QnnDataType.SFixed8, [1, 1, 2, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor b = builder.Input("b", QnnDataType.SFixed8, [1, 1, 32, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor c = builder.Output("c", QnnDataType.SFixed8, [1, 1, 2, 32], QnnEncoding.ScaleOffset(64, 0));
        builder.MatMul(a, b, c, transposeIn1: true);                                // validated by the backend before it is added
        using QnnGraph graph = builder.FinalizeGraph();

        fixed (sbyte* pa = left, pb = right, pc = product)
        {
            graph.BindInput(0, pa, (nuint)left.Length);
            graph.BindInput(1, pb, (nuint)right.Length);
            graph.BindOutput(0, pc, (nuint)product.Length);
            graph.Execute();                                                        // product = left · rightᵀ / 64, rounded, saturated
        }
    }

    public static float Memory()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(12 * 512 * 64 * sizeof(float));         // zeroed, aligned to 64 bytes
        var keys = new TensorView<float>((float*)buffer.Pointer, 12, 512, 64);                          // [heads, keys, dim]
        TensorView<float> lastKeys = keys.Slice(1, 448, 64);                                            // the last 64 keys of every head
        lastKeys[3, 63, 0] = 1;
        return keys[3, 511, 0];
    }

    public static void Kernels(ReadOnlySpan<sbyte> q8, ReadOnlySpan<sbyte> k8, int rows, int keys, int dim, int words, Span<sbyte> scores, Span<ulong> masks)
    {
        Int8Scores.Run(q8, k8, rows, keys, dim, shift: 6, scores);                  // [rows, dim] x [keys, dim] -> [rows, keys], / 2^6, rounded, saturated
        for (int row = 0; row < rows; row++)
        {
            Span<ulong> mask = masks.Slice(row * words, words);                     // a bit per key, words = (keys + 63) / 64
            TopKSelect.Select(scores.Slice(row * keys, keys), keep: 16, mask);      // exactly 16 bits: the highest scores
        }
    }

    public static PilotPreparation Graphs(QnnBackend backend, string cacheFolder)
    {
        var shape = new PilotShape(Heads: 12, KvHeads: 2, Queries: 256, Keys: 1024, Dim: 128, Causal: true);
        using var graphs = new PilotGraphSet(backend, new PilotOptions { Cache = new ContextCache(cacheFolder) });
        PilotGraph[] prepared = graphs.Get(shape.UniversalSpecs());                 // from the cache, or composed and kept there
        _ = prepared;
        return graphs.Preparation;
    }

    public static AttentionReport Attention(TensorView<float> q, TensorView<float> k, TensorView<float> v, TensorView<float> o)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create();                        // with an NPU: QnnBackend.Open("libQnnHtp.so")
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var attention = new ShadowAttention(backend, new AttentionOptions { Heads = 12, KvHeads = 2, HeadDim = 128 });

        AttentionReport report = attention.Compute(q, k, v, o);                     // q, o: [heads, queries, dim]; k, v: [kvHeads, keys, dim]
        Console.WriteLine($"{report.KeptKeys} of {report.VisibleKeys} keys in {report.TotalMilliseconds} ms");
        return report;
    }

    public static void SoftHtp(Action<QnnBackend> use)
    {
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions
        {
            Latency = new LatencyModel(LaunchNs: 200_000, NsPerMac: 0.0005),        // an execution takes 0.2 ms and 2 TMAC/s at least
            Faults = [Fault.Fail("graphExecute", nth: 2, code: 6031)],              // and the second one is aborted
        });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);                        // from here on as with any backend
        use(backend);
    }
}
