using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>What the selection decided for one row.</summary>
internal struct RowChoice
{
    /// <summary>Number of kept keys.</summary>
    public int Kept;

    /// <summary>Σ over dropped keys of exp(estimate - TailLogit); 0 without tail compensation.</summary>
    public float TailSum;

    /// <summary>The logit that <see cref="TailSum"/> is relative to.</summary>
    public float TailLogit;

    /// <summary>
    /// What q·C is multiplied with in the first-order tail: scale·(s̃_tail - s̄)/Var(s̃); 0 where there is no such term.
    /// </summary>
    public float TailSlope;
}

/// <summary>What the selection of a row needs to know about it.</summary>
internal unsafe struct RowPilot
{
    /// <summary>The query head.</summary>
    public int Head;

    /// <summary>The pilot's scores of the visible keys.</summary>
    public sbyte* Scores;

    /// <summary>The first key of <see cref="Scores"/>, <see cref="K8"/> and <see cref="Keys"/>: a multiple of 64, 0 without a sliding window.</summary>
    public int Start;

    /// <summary>Keys from <see cref="Start"/> to the last one that the row sees.</summary>
    public int Visible;

    /// <summary>The first of them that lie before the sliding window: their scores are -128, and they are not seen.</summary>
    public int Hidden;

    /// <summary>Of the first keys so many are always kept.</summary>
    public int Sinks;

    /// <summary>Of the last keys so many are always kept.</summary>
    public int LocalWindow;

    /// <summary>Whether the row keeps all of them, whatever the pilot says.</summary>
    public bool KeepAll;

    /// <summary>The quantised query [dim].</summary>
    public sbyte* Q8;

    /// <summary>The quantised keys [keys, dim], contiguous.</summary>
    public sbyte* K8;

    /// <summary>The query [dim].</summary>
    public float* Query;

    /// <summary>The keys.</summary>
    public KvRows Keys;

    /// <summary>What one score step means as a logit: q scale · k scale · 2^b · attention scale.</summary>
    public float Step;

    /// <summary>Float estimates with the bias in them, of each key or of each block of 64 from <see cref="Start"/> on; null where 8-bit scores are all there is.</summary>
    public float* Estimates;

    /// <summary>What one step of <see cref="Q8"/> means.</summary>
    public float QueryScale;

    /// <summary>The norms of the keys' quantisation residuals; null without a certificate.</summary>
    public float* KeyResiduals;

    /// <summary>The norms of the quantised keys; null without a certificate.</summary>
    public float* KeyNorms;

    /// <summary>ALiBi's slope of the row's head; 0 for no bias.</summary>
    public float Slope;

    /// <summary>Units of q8·k8 in a logit.</summary>
    public float ProductsPerLogit;

    /// <summary>What is added to a key's logit; the query's own key is the last one.</summary>
    public readonly float Bias(int key) => Slope * (key - (Visible - 1));

    /// <summary>Number of keys that the row sees.</summary>
    public readonly int Seen => Visible - Hidden;

    /// <summary>The logit of score 0: q·mean_K · attention scale.</summary>
    public float Origin;
}
