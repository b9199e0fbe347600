using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>The largest lane of an x64 vector without NaN, by halving.</summary>
internal static class LaneMaximum
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Of(Vector512<float> v) => Of(Avx.Max(v.GetLower(), v.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Of(Vector256<float> v)
    {
        Vector128<float> w = Sse.Max(v.GetLower(), v.GetUpper());
        w = Sse.Max(w, Sse.MoveHighToLow(w, w));
        return Sse.MaxScalar(w, Sse.Shuffle(w, w, 1)).ToScalar();
    }
}
