using ShadowAttn.Attention;
using ShadowAttn.Memory;

namespace ShadowAttn.Tests.Attention;

/// <summary>Generated tensors of one call, in unmanaged memory, with strides wider than the rows when asked for.</summary>
internal sealed unsafe class AttentionCase : IDisposable
{
    private readonly List<UnmanagedBuffer> buffers = [];

    public AttentionCase(int heads, int kvHeads, int queries, int keys, int dim, int seed, int padding = 0)
    {
        Random random = new(seed);
        Q = Make(heads, queries, dim, padding);
        K = Make(kvHeads, keys, dim, padding);
        V = Make(kvHeads, keys, dim, padding);
        O = Make(heads, queries, dim, padding);
        Fill(Q, () => Normal(random) * 2);
        Fill(K, () => Normal(random) + 0.5f);
        Fill(V, () => Normal(random));
        Options = new AttentionOptions { Heads = heads, KvHeads = kvHeads, HeadDim = dim, Mode = AttentionMode.ShadowCpu, Crossover = false, Threads = 2 };
    }

    public AttentionOptions Options { get; set; }

    public TensorView<float> Q { get; }

    public TensorView<float> K { get; }

    public TensorView<float> V { get; }

    public TensorView<float> O { get; }

    public static float Normal(Random random)
    {
        double u = 1 - random.NextDouble();
        return (float)(Math.Sqrt(-2 * Math.Log(u)) * Math.Cos(2 * Math.PI * random.NextDouble()));
    }

    public static void Fill(TensorView<float> tensor, Func<float> next)
    {
        for (int h = 0; h < tensor.Length(0); h++)
        {
            for (int r = 0; r < tensor.Length(1); r++)
            {
                for (int d = 0; d < tensor.Length(2); d++)
                {
                    tensor[h, r, d] = next();
                }
            }
        }
    }

    public float[] Compute(AttentionOptions options, ShadowAttn.Interop.QnnBackend? backend = null, KeptKeys? kept = null)
    {
        using var attention = new ShadowAttention(backend, options);
        attention.Compute(Q, K, V, O, kept);
        return Output();
    }

    /// <summary>The output as one array [heads, queries, dim].</summary>
    public float[] Output()
    {
        float[] copy = new float[O.ElementCount];
        int next = 0;
        for (int h = 0; h < O.Length(0); h++)
        {
            for (int r = 0; r < O.Length(1); r++)
            {
                new ReadOnlySpan<float>(O.RowPointer(h, r), O.Length(2)).CopyTo(copy.AsSpan(next));
                next += O.Length(2);
            }
        }

        return copy;
    }

    public AttentionAccuracy Accuracy(AttentionOptions options, KeptKeys kept) => ExactAttention.Compare(options, Q, K, V, O, kept);

    public double[][] Rows(TensorView<float> tensor, int head) =>
        [.. Enumerable.Range(0, tensor.Length(1)).Select(r => Enumerable.Range(0, tensor.Length(2)).Select(d => (double)tensor[head, r, d]).ToArray())];

    public int[] Visible(bool causal) =>
        [.. Enumerable.Range(0, Q.Length(1)).Select(r => causal ? K.Length(1) - Q.Length(1) + r + 1 : K.Length(1))];

    public void Dispose() => buffers.ForEach(b => b.Dispose());

    private TensorView<float> Make(int heads, int rows, int dim, int padding)
    {
        nint rowStride = dim + padding;
        nint headStride = (rows * rowStride) + padding;
        UnmanagedBuffer buffer = UnmanagedBuffer.AllocateGuarded(((headStride * (heads - 1)) + (rowStride * (rows - 1)) + dim) * sizeof(float), alignment: 4);
        buffers.Add(buffer);
        return buffer.ViewAt<float>(0, [heads, rows, dim], [headStride, rowStride, 1]);
    }
}
