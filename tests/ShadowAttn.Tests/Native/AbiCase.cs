using ShadowAttn.Attention;
using ShadowAttn.Memory;
using ShadowAttn.Native;
using ShadowAttn.Tests.Attention;

namespace ShadowAttn.Tests.Native;

/// <summary>Tensors of a call as the C interface takes them, and what the operator itself computes for them.</summary>
internal sealed unsafe class AbiCase : IDisposable
{
    private readonly AttentionCase data;

    public AbiCase(int heads = 4, int kvHeads = 2, int queries = 70, int keys = 300, int dim = 64, int padding = 0)
    {
        data = new AttentionCase(heads, kvHeads, queries, keys, dim, seed: 5, padding);
    }

    public AttentionCase Data => data;

    public SaTensor Q => Of(data.Q);

    public SaTensor K => Of(data.K);

    public SaTensor V => Of(data.V);

    public SaTensor O => Of(data.O);

    public uint Queries => (uint)data.Q.Length(1);

    public uint Keys => (uint)data.K.Length(1);

    public SaAttentionOptions Options => new()
    {
        Size = (uint)sizeof(SaAttentionOptions),
        Heads = (uint)data.Options.Heads,
        KvHeads = (uint)data.Options.KvHeads,
        HeadDim = (uint)data.Options.HeadDim,
        Threads = 2,
        Crossover = data.Options.Crossover ? 0 : 1,
    };

    public static SaTensor Of(in TensorView<float> t) => new() { Data = t.Pointer, HeadStride = t.Stride(0), RowStride = t.Stride(1) };

    /// <summary>Some rows of every head.</summary>
    public static SaTensor Rows(in TensorView<float> t, int first, int count) => Of(t.Slice(1, first, count));

    public float[] Expected(Func<AttentionOptions, AttentionOptions>? change = null, ShadowAttn.Interop.QnnBackend? backend = null) =>
        data.Compute(change is null ? data.Options : change(data.Options), backend);

    public void ClearOutput() => AttentionCase.Fill(data.O, () => float.NaN);

    public void Dispose() => data.Dispose();
}
