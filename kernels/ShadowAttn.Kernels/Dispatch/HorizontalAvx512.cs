using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>Reductions over the lanes of a register.</summary>
internal static class HorizontalAvx512
{
    /// <summary>The largest lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> x) => HorizontalAvx2.Largest(Avx.Max(x.GetLower(), x.GetUpper()));
}
