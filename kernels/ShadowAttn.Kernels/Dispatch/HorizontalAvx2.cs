using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>Reductions over the lanes of a register.</summary>
internal static class HorizontalAvx2
{
    /// <summary>The largest lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<float> x)
    {
        Vector128<float> half = Sse.Max(x.GetLower(), x.GetUpper());
        half = Sse.Max(half, Sse.MoveHighToLow(half, half));
        return Sse.MaxScalar(half, Sse.Shuffle(half, half, 1)).ToScalar();
    }
}
