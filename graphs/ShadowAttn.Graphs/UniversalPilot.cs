using System.Numerics;

namespace ShadowAttn.Graphs;

/// <summary>
/// The constants of the universal pilot: score = saturate8(round(Q8·K8 / 2^b)), b = ⌈log2 dim⌉; rows are scaled so that the standard
/// deviation of their integer products stays below σ0 = 127·2^b / 3.
/// </summary>
public static class UniversalPilot
{
    /// <summary>b = ⌈log2 dim⌉: the pilot's output scale is 2^b.</summary>
    /// <param name="dim">Channels of a head, at least 1.</param>
    public static int Shift(int dim) => BitOperations.Log2((uint)dim) + (BitOperations.IsPow2(dim) ? 0 : 1);

    /// <summary>σ0 = 127·2^b / 3.</summary>
    /// <param name="dim">Channels of a head, at least 1.</param>
    public static float Sigma0(int dim) => 127f * (1 << Shift(dim)) / 3;
}
