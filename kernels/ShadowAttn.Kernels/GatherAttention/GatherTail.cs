namespace ShadowAttn.Kernels;

/// <summary>What the dropped keys of a row weigh; every variant of <see cref="GatherAttention"/> asks here.</summary>
internal static unsafe class GatherTail
{
    /// <summary>Beyond this the limit decides anyway; it keeps the exponential finite.</summary>
    private const float MaxExponent = 20;

    /// <summary>
    /// T = min(TailSum·exp(TailLogit - top), TailLimit). An estimate may lie above the largest exact logit by its quantisation error; no weight can.
    /// </summary>
    public static float Mass(GatherRow* row, float top) => row->TailSum == 0
        ? 0
        : MathF.Min(row->TailSum * ExpScalar.One(MathF.Min(row->TailLogit - top, MaxExponent)), row->TailLimit);
}
