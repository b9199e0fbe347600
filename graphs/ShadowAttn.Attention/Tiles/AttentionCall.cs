using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>The tensors and the shape of the call that is being computed; one object per operator, filled anew by each call.</summary>
internal sealed unsafe class AttentionCall
{
    public int Heads;
    public int KvHeads;
    public int Queries;
    public int Keys;
    public int Dim;
    public bool Causal;
    public float Scale;

    public float* Q;
    public nint QHeadStride;
    public nint QRowStride;
    public float* K;
    public nint KHeadStride;
    public nint KRowStride;
    public float* V;
    public nint VHeadStride;
    public nint VRowStride;
    public float* O;
    public nint OHeadStride;
    public nint ORowStride;

    /// <summary>Receives the kept keys of each row as bits, [heads, queries, words]; null when nobody asks.</summary>
    public KeptKeys? Kept;

    public int Group => Heads / KvHeads;

    /// <summary>Keys that query <paramref name="query"/> sees: the queries are the last ones of the keys.</summary>
    public int Visible(int query) => Causal ? Keys - Queries + query + 1 : Keys;

    public float* Query(int head, int query) => Q + (head * QHeadStride) + (query * QRowStride);

    public float* Output(int head, int query) => O + (head * OHeadStride) + (query * ORowStride);

    public float* KeyRows(int kvHead) => K + (kvHead * KHeadStride);

    public float* ValueRows(int kvHead) => V + (kvHead * VHeadStride);

    public void Bind(AttentionOptions options, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o)
    {
        Heads = options.Heads;
        KvHeads = options.KvHeads;
        Dim = options.HeadDim;
        Causal = options.Causal;
        Scale = options.EffectiveScale;
        Queries = q.Length(1);
        Keys = k.Length(1);
        Q = q.Pointer;
        QHeadStride = q.Stride(0);
        QRowStride = q.Stride(1);
        K = k.Pointer;
        KHeadStride = k.Stride(0);
        KRowStride = k.Stride(1);
        V = v.Pointer;
        VHeadStride = v.Stride(0);
        VRowStride = v.Stride(1);
        O = o.Pointer;
        OHeadStride = o.Stride(0);
        ORowStride = o.Stride(1);
    }
}
