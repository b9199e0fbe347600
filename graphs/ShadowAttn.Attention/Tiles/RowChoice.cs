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
    /// <summary>The pilot's scores of the visible keys.</summary>
    public sbyte* Scores;

    /// <summary>Number of visible keys.</summary>
    public int Visible;

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

    /// <summary>The logit of score 0: q·mean_K · attention scale.</summary>
    public float Origin;
}
