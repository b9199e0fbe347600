using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;
using ShadowAttn.Attention;
using ShadowAttn.Bench.Peers.OnnxRuntime;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>The custom operator library in ONNX Runtime: a model with one node, compared with what the operator itself computes.</summary>
public sealed unsafe class OnnxRuntimeOperatorTests(OnnxRuntimeOperatorTests.OperatorLibrary operatorLibrary) : IClassFixture<OnnxRuntimeOperatorTests.OperatorLibrary>
{
    private const int Heads = 4;
    private const int KvHeads = 2;
    private const int Dim = 32;

    private static readonly AttentionOptions Options = new()
    {
        Heads = Heads, KvHeads = KvHeads, HeadDim = Dim, Mode = AttentionMode.ShadowCpu, MinKeys = 16, Crossover = false, Threads = 2,
    };

    // A library that was compiled ahead of time has other kernels where the runtime knows AVX-512: sums are then rounded differently.
    private const double Tolerance = 1e-3;

    private static float[] Normal(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => ShadowAttn.Tests.Attention.AttentionCase.Normal(random))];
    }

    private static OnnxTensor Tensor(string name, params long[] shape) => new(name, OnnxElementType.Float, shape);

    private InferenceSession Session(IReadOnlyList<OnnxTensor?> inputs, IReadOnlyList<OnnxTensor> outputs, string? omit = null)
    {
        // Before anything of ONNX Runtime, which is not there for every machine that skips this.
        string library = operatorLibrary.Path();
        var numbers = new Dictionary<string, long> { ["num_heads"] = Heads, ["kv_num_heads"] = KvHeads, ["min_keys"] = 16, ["crossover"] = 0 };
        if (omit is not null)
        {
            numbers.Remove(omit);
        }

        var model = new OnnxModel("ShadowAttention", "com.shadowattn", inputs, outputs, numbers, new Dictionary<string, float> { ["keep"] = 0.2f });
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        options.RegisterCustomOpLibrary(library);
        return new InferenceSession(model.Serialize(), options);
    }

    private static float[][] Run(InferenceSession session, params (string Name, Array Data, long[] Shape)[] inputs)
    {
        using var run = new RunOptions();
        OrtValue[] values =
        [
            .. inputs.Select(i => i.Data is float[] floats ? OrtValue.CreateTensorValueFromMemory(floats, i.Shape) : OrtValue.CreateTensorValueFromMemory((int[])i.Data, i.Shape)),
        ];
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(run, [.. inputs.Select(i => i.Name)], values, session.OutputNames);
        float[][] copies = [.. outputs.Select(o => o.GetTensorDataAsSpan<float>().ToArray())];
        Array.ForEach(values, v => v.Dispose());
        return copies;
    }

    /// <summary>The operator on one sequence of rows with their heads side by side.</summary>
    private static float[] Expected(float[] q, float[] k, float[] v, int queries, int keys)
    {
        var o = new float[queries * Heads * Dim];
        using var attention = new ShadowAttention(null, Options);
        fixed (float* qp = q, kp = k, vp = v, op = o)
        {
            attention.Compute(Rows(qp, Heads, queries), Rows(kp, KvHeads, keys), Rows(vp, KvHeads, keys), Rows(op, Heads, queries));
        }

        return o;

        static TensorView<float> Rows(float* data, int heads, int rows) => new(data, [heads, rows, Dim], [Dim, heads * Dim, 1]);
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double difference = 0, norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(expected[i] - (double)actual[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        Assert.InRange(Math.Sqrt(difference / norm), 0, Tolerance);
    }

    [Fact]
    public void Prefill_of_two_sequences()
    {
        const int rows = 200;
        long[] qShape = [2, rows, Heads * Dim], kvShape = [2, rows, KvHeads * Dim];
        using InferenceSession session = Session(
            [Tensor("query", qShape), Tensor("key", kvShape), Tensor("value", kvShape)], [Tensor("output", qShape)]);
        float[] q = Normal(2 * rows * Heads * Dim, 1), k = Normal(2 * rows * KvHeads * Dim, 2), v = Normal(2 * rows * KvHeads * Dim, 3);
        float[] output = Assert.Single(Run(session, ("query", q, qShape), ("key", k, kvShape), ("value", v, kvShape)));
        int half = rows * Heads * Dim, kvHalf = rows * KvHeads * Dim;
        for (int b = 0; b < 2; b++)
        {
            float[] expected = Expected(
                q[(b * half)..((b + 1) * half)], k[(b * kvHalf)..((b + 1) * kvHalf)], v[(b * kvHalf)..((b + 1) * kvHalf)], rows, rows);
            AssertClose(expected, output.AsSpan(b * half, half));
        }
    }

    [Fact]
    public void Decode_with_a_padded_past()
    {
        const int past = 160, capacity = past + 1;
        long[] qShape = [2, 1, Heads * Dim], kvShape = [2, 1, KvHeads * Dim], pastShape = [2, KvHeads, past, Dim], presentShape = [2, KvHeads, capacity, Dim];
        using InferenceSession session = Session(
            [
                Tensor("query", qShape), Tensor("key", kvShape), Tensor("value", kvShape), Tensor("past_key", pastShape), Tensor("past_value", pastShape),
                new OnnxTensor("seqlens_k", OnnxElementType.Int32, [2]),
            ],
            [Tensor("output", qShape), Tensor("present_key", presentShape), Tensor("present_value", presentShape)]);
        float[] q = Normal(2 * Heads * Dim, 1), k = Normal(2 * KvHeads * Dim, 2), v = Normal(2 * KvHeads * Dim, 3);
        float[] pastK = Normal(2 * KvHeads * past * Dim, 4), pastV = Normal(2 * KvHeads * past * Dim, 5);
        int[] totals = [161, 121];
        float[][] outputs = Run(
            session, ("query", q, qShape), ("key", k, kvShape), ("value", v, kvShape), ("past_key", pastK, pastShape), ("past_value", pastV, pastShape),
            ("seqlens_k", totals.Select(t => t - 1).ToArray(), [2]));
        for (int b = 0; b < 2; b++)
        {
            float[] allK = All(pastK, k, b, totals[b]), allV = All(pastV, v, b, totals[b]);
            AssertClose(Expected(q[(b * Heads * Dim)..((b + 1) * Heads * Dim)], allK, allV, 1, totals[b]), outputs[0].AsSpan(b * Heads * Dim, Heads * Dim));
            for (int head = 0; head < KvHeads; head++)
            {
                for (int key = 0; key < totals[b]; key++)
                {
                    ReadOnlySpan<float> present = outputs[1].AsSpan(((((b * KvHeads) + head) * capacity) + key) * Dim, Dim);
                    Assert.True(present.SequenceEqual(allK.AsSpan(((key * KvHeads) + head) * Dim, Dim)));
                }
            }
        }

        // Past and new rows of one sequence as rows with their heads side by side.
        static float[] All(float[] past, float[] rows, int b, int total)
        {
            var all = new float[total * KvHeads * Dim];
            for (int key = 0; key < total; key++)
            {
                for (int head = 0; head < KvHeads; head++)
                {
                    ReadOnlySpan<float> source = key < total - 1
                        ? past.AsSpan(((((b * KvHeads) + head) * 160) + key) * Dim, Dim)
                        : rows.AsSpan(((b * KvHeads) + head) * Dim, Dim);
                    source.CopyTo(all.AsSpan(((key * KvHeads) + head) * Dim, Dim));
                }
            }

            return all;
        }
    }

    [Fact]
    public void Runs_at_the_same_time()
    {
        const int rows = 90;
        long[] qShape = [1, rows, Heads * Dim], kvShape = [1, rows, KvHeads * Dim];
        using InferenceSession session = Session(
            [Tensor("query", qShape), Tensor("key", kvShape), Tensor("value", kvShape)], [Tensor("output", qShape)]);
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i =>
        {
            float[] q = Normal(rows * Heads * Dim, i), k = Normal(rows * KvHeads * Dim, 10 + i), v = Normal(rows * KvHeads * Dim, 20 + i);
            float[] expected = Expected(q, k, v, rows, rows);
            for (int repeat = 0; repeat < 3; repeat++)
            {
                AssertClose(expected, Run(session, ("query", q, qShape), ("key", k, kvShape), ("value", v, kvShape))[0]);
            }
        });
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        operatorLibrary.Path();
        long[] qShape = [1, 4, Heads * Dim], kvShape = [1, 4, KvHeads * Dim], few = [1, 2, KvHeads * Dim];
        OnnxTensor[] inputs = [Tensor("query", qShape), Tensor("key", kvShape), Tensor("value", kvShape)], outputs = [Tensor("output", qShape)];
        Assert.Contains("num_heads", Assert.Throws<OnnxRuntimeException>(() => Session(inputs, outputs, omit: "num_heads")).Message, StringComparison.Ordinal);
        using InferenceSession session = Session([inputs[0], Tensor("key", few), Tensor("value", few)], outputs);
        OnnxRuntimeException failure = Assert.Throws<OnnxRuntimeException>(() => Run(
            session, ("query", Normal(4 * Heads * Dim, 1), qShape), ("key", Normal(2 * KvHeads * Dim, 2), few), ("value", Normal(2 * KvHeads * Dim, 3), few)));
        Assert.Contains("no more queries than keys", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>The library, built once; ONNX Runtime keeps it loaded until the process ends.</summary>
    public sealed class OperatorLibrary
    {
        private readonly Lock gate = new();
        private string? path;

        public string Path()
        {
            lock (gate)
            {
                return path ??= Build();
            }
        }

        private static string Build()
        {
            string cmake = NativeArtifacts.Tool("cmake", "cmake"), library = NativeArtifacts.Library();
            NativeArtifacts.Tool("make", "make");
            string version = Regex.Match(
                File.ReadAllText(System.IO.Path.Combine(NativeArtifacts.Root(), "Directory.Packages.props")), "\"Microsoft.ML.OnnxRuntime\" Version=\"([^\"]+)\"").Groups[1].Value;
            string packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
                ?? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
            string headers = System.IO.Path.Combine(packages, "microsoft.ml.onnxruntime", version, "build", "native", "include");
            Assert.SkipUnless(Directory.Exists(headers), $"the package Microsoft.ML.OnnxRuntime is not at {headers}");
            string build = System.IO.Path.Combine(NativeArtifacts.Root(), "artifacts", "examples", "onnxruntime-test");
            NativeArtifacts.RunWell(
                cmake,
                [
                    "-S", System.IO.Path.Combine(NativeArtifacts.Sources, "examples", "onnxruntime"), "-B", build,
                    $"-DSHADOWATTN_LIBRARY={library}", $"-DONNXRUNTIME_INCLUDE={headers}",
                ]);
            NativeArtifacts.RunWell(cmake, ["--build", build]);
            return System.IO.Path.Combine(build, "libshadowattn_onnxruntime.so");
        }
    }
}
