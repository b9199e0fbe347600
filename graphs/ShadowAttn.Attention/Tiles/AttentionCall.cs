using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>The tensors and the shape of the call that is being computed; one object per operator, filled anew by each call.</summary>
internal sealed unsafe class AttentionCall
{
    /// <summary>Counts the calls: what a worker keeps from one tile to the next is not another call's.</summary>
    public long Number;

    public int Heads;
    public int KvHeads;
    public int Queries;
    public int Keys;
    public int Dim;
    public bool Causal;
    public float Scale;
    public int Window;
    public int Sinks;
    public int LocalWindow;
    public ReadOnlyMemory<float> Slopes;

    public float* Q;
    public nint QHeadStride;
    public nint QRowStride;
    public KvView K;
    public KvView V;
    public float* O;
    public nint OHeadStride;
    public nint ORowStride;

    /// <summary>The cache that holds K and V; null when they are the caller's tensors.</summary>
    public KvCache? Cache;

    /// <summary>The quantised keys and what goes with them; set by the pipeline, or the cache's.</summary>
    public KeyTables Tables = null!;

    /// <summary>Rows that see fewer keys keep all of them.</summary>
    public int KeepAllBelow;

    /// <summary>Which rows keep all of their keys because that is faster; null where none does.</summary>
    public CrossoverRule? Crossover;

    /// <summary>Asks the call to stop.</summary>
    public CancellationToken Cancellation;

    /// <summary>Which heads are complete.</summary>
    public HeadProgress Progress = null!;

    /// <summary>Receives the kept keys of each row as bits, [heads, queries, words]; null when nobody asks.</summary>
    public KeptKeys? Kept;

    /// <summary>Whether the call is to stop: workers take no more tiles, and what is not done stays undone.</summary>
    public bool Cancelled => Cancellation.IsCancellationRequested;

    public int Group => Heads / KvHeads;

    /// <summary>The end of the keys that a query sees: the queries are the last ones of the keys.</summary>
    public int Visible(int query) => Causal ? Keys - Queries + query + 1 : Keys;

    /// <summary>Whether a row keeps all keys that it sees, and so needs no scores.</summary>
    public bool KeepsAll(int head, int query) =>
        Visible(query) is var visible && (visible < KeepAllBelow || (Crossover is { } rule && visible <= rule.Limit(head)));

    /// <summary>Whether all rows of the call do.</summary>
    public bool KeepsAll() =>
        Visible(Queries - 1) is var visible && (visible < KeepAllBelow || (Crossover is { } rule && visible <= rule.Least));

    /// <summary>The first key that a query sees.</summary>
    public int First(int query) => Math.Max(0, Visible(query) - Window);

    /// <summary>Number of keys that a query sees.</summary>
    public int Seen(int query) => Math.Min(Visible(query), Window);

    /// <summary>ALiBi's slope of a head; 0 without.</summary>
    public float Slope(int head) => Slopes.IsEmpty ? 0 : Slopes.Span[head];

    public float* Query(int head, int query) => Q + (head * QHeadStride) + (query * QRowStride);

    public float* Output(int head, int query) => O + (head * OHeadStride) + (query * ORowStride);

    public KvRows KeyRows(int kvHead) => K.Rows(kvHead);

    public KvRows ValueRows(int kvHead) => V.Rows(kvHead);

    /// <summary>Takes the shape over, and what goes for every call.</summary>
    public void Shape(AttentionOptions options, int queries, int keys)
    {
        Heads = options.Heads;
        KvHeads = options.KvHeads;
        Dim = options.HeadDim;
        Causal = options.Causal;
        Scale = options.EffectiveScale;
        Window = options.SlidingWindow ?? int.MaxValue;
        Sinks = options.Sinks;
        LocalWindow = options.LocalWindow;
        Slopes = options.AlibiSlopes;
        Queries = queries;
        Keys = keys;
    }

    public void Bind(AttentionOptions options, in TensorView<float> q, in KvView k, in KvView v, in TensorView<float> o)
    {
        Number++;
        Shape(options, q.Length(1), k.Keys);
        Q = q.Pointer;
        QHeadStride = q.Stride(0);
        QRowStride = q.Stride(1);
        K = k;
        V = v;
        O = o.Pointer;
        OHeadStride = o.Stride(0);
        ORowStride = o.Stride(1);
    }
}
