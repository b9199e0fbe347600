using ShadowAttn.Interop;

namespace ShadowAttn.Tests.Samples;

/// <summary>The program of docs/qnn-client-in-csharp.md, as it stands there.</summary>
internal static class QnnClientSamples
{
    public static void Client(string[] args, TextWriter output)
    {
        TextWriter before = Console.Out;
        Console.SetOut(output);
        try
        {
            Run(args);
        }
        finally
        {
            Console.SetOut(before);
        }
    }

    private static void Run(string[] args)
    {
        using QnnBackend backend = args.Length > 0 ? QnnBackend.Open(args[0]) : QnnBackend.Open(new QnnSearchPlaces());
        Console.WriteLine($"{backend.ProviderName}, core API {backend.ApiVersion}, build {backend.BuildId}");

        using QnnContext context = backend.CreateContext();
        using QnnGraphBuilder builder = context.CreateGraph("scores");
        QnnTensor q = builder.Input("q", QnnDataType.SFixed8, [1, 1, 4, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor k = builder.Input("k", QnnDataType.SFixed8, [1, 1, 256, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor s = builder.Output("s", QnnDataType.SFixed8, [1, 1, 4, 256], QnnEncoding.ScaleOffset(64, 0));
        builder.MatMul(q, k, s, transposeIn1: true);
        using QnnGraph graph = builder.FinalizeGraph();

        sbyte[] queries = new sbyte[4 * 64], keys = new sbyte[256 * 64], scores = new sbyte[4 * 256];
        Array.Fill(queries, (sbyte)3);
        Array.Fill(keys, (sbyte)5);
        unsafe
        {
            fixed (sbyte* pq = queries, pk = keys, ps = scores)
            {
                graph.BindInput(0, pq, (nuint)queries.Length);
                graph.BindInput(1, pk, (nuint)keys.Length);
                graph.BindOutput(0, ps, (nuint)scores.Length);
                graph.Execute();
            }
        }

        Console.WriteLine($"3 · 5 · 64 / 64 = {scores[0]}");

        using (QnnProfile profile = backend.CreateProfile(QnnProfileLevel.Basic))
        using (QnnGraph again = Compose(context, "profiled", profile))
        {
            foreach (QnnProfileRecord record in profile.Read())
            {
                Console.WriteLine(record);                              // for example "finalize: 412 Microseconds"
            }
        }

        byte[] binary = context.GetBinary();
        QnnBinaryInfo info = backend.Library.SystemLibrary.ReadBinary(binary);     // libQnnSystem.so beside the backend
        using QnnContext restored = backend.CreateContext(binary);
        using QnnGraph same = restored.RetrieveGraph(info.Graphs.First(g => g.Name == "scores"));
        Console.WriteLine($"{binary.Length} bytes hold {info.Graphs.Count} graphs, made by {info.BuildId}");

        try
        {
            using QnnContext damaged = backend.CreateContext(binary.AsSpan(0, 100));
        }
        catch (QnnCallException e)
        {
            Console.WriteLine($"{e.Call}: {e.Status.Code} {e.Status.Name} ({e.Status.Area}): {e.Status.Cause}. {e.Status.Remedy}");
        }
    }

    private static QnnGraph Compose(QnnContext context, string name, QnnProfile profile)
    {
        using QnnGraphBuilder builder = context.CreateGraph(name);
        QnnTensor q = builder.Input("q", QnnDataType.SFixed8, [1, 1, 4, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor k = builder.Input("k", QnnDataType.SFixed8, [1, 1, 256, 64], QnnEncoding.ScaleOffset(1, 0));
        QnnTensor s = builder.Output("s", QnnDataType.SFixed8, [1, 1, 4, 256], QnnEncoding.ScaleOffset(64, 0));
        builder.MatMul(q, k, s, transposeIn1: true);
        return builder.FinalizeGraph(profile);
    }
}
