using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ShadowAttn.Kernels;

/// <summary>Masks that select the first lanes of a vector, for the tails of rows.</summary>
internal static class LaneMasks
{
    /// <summary>All ones in the first <paramref name="count"/> of 16 lanes of 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> First512(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count));

    /// <summary>All ones in the first <paramref name="count"/> of 8 lanes of 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> First256(int count) => Vector256.GreaterThan(Vector256.Create(count), Vector256<int>.Indices);
}
